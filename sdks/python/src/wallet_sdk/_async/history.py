"""Looking back: history, statements, insight, receipts, and the log they are proved by."""

from collections.abc import Sequence
from typing import Literal

from wallet_sdk._arguments import Id, Instant, given, id_of, instant_of
from wallet_sdk._async.namespace import AsyncMethod, AsyncNamespace
from wallet_sdk._async.pages import AsyncPages
from wallet_sdk._generated.api.proof import (
    get_checkpoint,
    get_consistency_proof,
    get_latest_checkpoint,
    get_receipt,
    list_checkpoints,
    list_proof_keys,
)
from wallet_sdk._generated.api.statements import get_insights, get_statement
from wallet_sdk._generated.api.transactions import get_transaction, list_transactions
from wallet_sdk._generated.types import UNSET
from wallet_sdk.models import (
    CheckpointAnswer,
    CheckpointPage,
    InsightAnswer,
    Receipt,
    StatementAnswer,
    StatementFormat,
    Transaction,
    TransactionPage,
)

MEDIA_TYPES = {"csv": "text/csv", "pdf": "application/pdf", "camt.053": "application/xml"}
TransactionPages = AsyncPages[Transaction, TransactionPage]
CheckpointPages = AsyncPages[CheckpointAnswer, CheckpointPage]


class AsyncTransactions(AsyncNamespace):
    """Everything that moved."""

    def list(
        self,
        *,
        kind: Literal["transfer", "top-up"] | Sequence[Literal["transfer", "top-up"]] = (),
        direction: Literal["in", "out"] | None = None,
        amount_min: int | None = None,
        amount_max: int | None = None,
        booked_from: Instant | None = None,
        booked_to: Instant | None = None,
        currency: str | None = None,
        wallet_id: Id | None = None,
        counterparty: Id | None = None,
        reference: str | None = None,
        metadata_key: str | None = None,
        metadata_value: str | None = None,
        q: str | None = None,
        sort: Literal["newest", "oldest"] = "newest",
        count: bool = False,
        page_size: int = 100,
    ) -> TransactionPages:
        """Return the history of all wallets, newest first, as an iterable that fetches lazily.

        A line must meet everything that is asked for. Amounts are minor units; `booked_from` is
        inclusive and `booked_to` exclusive; `counterparty` is a user id or a handle; `q` has words
        that each stand in the note or in the counterparty's name. With `count`, pages have a
        `count`. Movements booked meanwhile neither double nor skip a line.
        """

        async def page(cursor: str | None) -> TransactionPage:
            return await self._call(
                list_transactions.operation(
                    limit=page_size,
                    cursor=given(cursor),
                    sort=sort,
                    kind=[kind] if isinstance(kind, str) else [*kind],
                    direction=given(direction),
                    amount_min=given(amount_min),
                    amount_max=given(amount_max),
                    booked_from=instant_of(booked_from),
                    booked_to=instant_of(booked_to),
                    currency=given(currency),
                    wallet_id=id_of(wallet_id),
                    counterparty=id_of(counterparty),
                    reference=given(reference),
                    metadata_key=given(metadata_key),
                    metadata_value=given(metadata_value),
                    q=given(q),
                    count=count,
                )
            )

        return AsyncPages(page, lambda found: found.items)

    async def get(self, transaction_id: Id) -> Transaction:
        """Return one line by the id of the transfer or top-up. Raises `TransactionNotFound`."""
        return await self._call(get_transaction.operation(str(transaction_id)))

    async def receipt(self, transaction_id: Id) -> Receipt:
        """Return the signed receipt of one of your movements, waiting until it can be had.

        A movement is sealed within a second or so, and the service says when to ask again.
        `receipt.to_dict()` is the document that the verifier takes.
        """
        return await self._call(get_receipt.operation(str(transaction_id)))


class AsyncStatements(AsyncNamespace):
    """A wallet's months: statements and insight."""

    async def get(
        self,
        wallet_id: Id,
        *,
        month: str | None = None,
        booked_from: Instant | None = None,
        booked_to: Instant | None = None,
    ) -> StatementAnswer:
        """Return opening balance, lines, totals and closing balance of a period.

        Give a `month` such as 2026-11, or both ends. Raises `StatementTooLong`, `PeriodInvalid`.
        """
        operation = get_statement.operation(
            str(wallet_id),
            month=given(month),
            booked_from=instant_of(booked_from),
            booked_to=instant_of(booked_to),
        )
        return await self._call(operation)

    async def download(
        self,
        wallet_id: Id,
        *,
        format: Literal["csv", "pdf", "camt.053"],  # noqa: A002 - its name on the wire
        month: str | None = None,
        booked_from: Instant | None = None,
        booked_to: Instant | None = None,
    ) -> bytes:
        """Return a statement as a file: CSV, PDF, or camt.053 for bookkeeping software."""
        wanted: StatementFormat = format
        operation = get_statement.operation(
            str(wallet_id),
            month=given(month),
            booked_from=instant_of(booked_from),
            booked_to=instant_of(booked_to),
            format_=wanted,
        )
        return await self._call(operation.read_as(MEDIA_TYPES[format]))

    async def insights(
        self, wallet_id: Id, *, month_from: str | None = None, month_to: str | None = None
    ) -> InsightAnswer:
        """Return money in and out by month, kind and counterparty; six months by default."""
        operation = get_insights.operation(
            str(wallet_id), month_from=given(month_from), month_to=given(month_to)
        )
        return await self._call(operation)


class AsyncProofs(AsyncNamespace):
    """The signed log that receipts are checked by; anybody may read it."""

    latest_checkpoint = AsyncMethod(get_latest_checkpoint.operation)
    checkpoint = AsyncMethod(get_checkpoint.operation)
    consistency = AsyncMethod(get_consistency_proof.operation)
    keys = AsyncMethod(list_proof_keys.operation)

    def checkpoints(self, *, page_size: int = 50) -> CheckpointPages:
        """Return the checkpoints, the newest first, as an iterable that fetches lazily."""

        async def page(cursor: str | None) -> CheckpointPage:
            cursor_or_none = UNSET if cursor is None else cursor
            return await self._call(
                list_checkpoints.operation(limit=page_size, cursor=cursor_or_none)
            )

        return AsyncPages(page, lambda found: found.items)
