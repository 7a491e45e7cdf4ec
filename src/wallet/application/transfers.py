"""Transfers: one person pays another; previewed, or carried out exactly once per key."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from wallet.application.directory import Directory, Recipient
from wallet.application.idempotency import IdempotencyKey, digest_of, person_scope
from wallet.application.ledger_writer import definite
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.guards import GuardTripped
from wallet.domain.history import Counterparty
from wallet.domain.journal import Details, Kind, canonical
from wallet.domain.ledger import Header, Instruction, Outcome, Result, replay
from wallet.domain.money import Currency, check_amount, currency_of
from wallet.domain.transfers import CreateTransfer, RecipientNotFound
from wallet.domain.wallets import WalletNotFound

SALT_LENGTH = 32
NOTHING_WRITTEN = '"metadata":{},"note":null,"reference":null'


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """What a payer asks for; `amount` in minor units, a currency of None is the payer's default.

    `api_key_id` is the spending key that it is asked for with, if it is one.
    """

    payer_id: UUID
    recipient: Recipient
    amount: int
    currency: str | None = None
    note: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    api_key_id: UUID | None = None


class Mover(Protocol):
    """What carries out single instructions."""

    async def carry_out(self, instruction: Instruction) -> Result:
        """Return the instruction's result."""
        ...


class Previewer(Protocol):
    """What tells the result of an instruction without carrying it out."""

    async def preview(self, instruction: Instruction) -> Result:
        """Return what would become of it now."""
        ...


FindRecipient = Callable[[UUID, Recipient], Awaitable[UUID]]
"""Returns the person that a payer names, or raises `RecipientNotFound` (and counts the miss)."""

LookUpRecipient = Callable[[UUID, Recipient], Awaitable[Counterparty]]
"""The same for who only looks, which is counted whether or not somebody is found."""


class Transfers:
    """Pays people."""

    def __init__(
        self,
        *,
        mover: Mover,
        previewer: Previewer,
        directory: Directory,
        find_recipient: FindRecipient,
        look_up_recipient: LookUpRecipient,
        unit_of_work: UnitOfWorkFactory,
        new_id: Callable[[], UUID],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._mover = mover
        self._previewer = previewer
        self._directory = directory
        self._find_recipient = find_recipient
        self._look_up_recipient = look_up_recipient
        self._unit_of_work = unit_of_work
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def create(self, request: TransferRequest, key: IdempotencyKey) -> Outcome:
        """Carry the transfer out, once per key; a repeated key gets its first answer again.

        Raises a `Rejected` if the books refuse, `RecipientNotFound`, `WalletNotFound`, or an
        `Unavailable` of which only `OutcomeUnknown` leaves open whether it happened.
        """
        try:
            instruction = await self._instruction(request, key)
        except (RecipientNotFound, WalletNotFound, GuardTripped):
            # The first attempt may have found the recipient: a retry never changes an outcome.
            earlier = await self._earlier(request, key)
            if earlier is None:
                raise
            return definite(earlier)
        return definite(await self._mover.carry_out(instruction))

    async def preview(self, request: TransferRequest) -> Outcome:
        """Return what the transfer would come to now, refusals included; nothing is stored."""
        key = IdempotencyKey(str(self._new_id()), given=False)
        found = await self._look_up_recipient(request.payer_id, request.recipient)
        known = replace(request, recipient=Recipient(user_id=found.user_id))
        result = await self._previewer.preview(await self._instruction(known, key))
        if isinstance(result, Exception):
            raise result
        return result

    async def _instruction(self, request: TransferRequest, key: IdempotencyKey) -> CreateTransfer:
        check_amount(request.amount)
        currency = await self._currency(request)
        payee_id = await self._payee(request)
        source, target = (request.payer_id, currency), (payee_id, currency)
        wallets = await self._directory.wallet_ids((source, target))
        source_id, target_id = wallets.get(source), wallets.get(target)
        if source_id is None:
            raise WalletNotFound(currency=currency)
        if target_id is None and request.recipient.user_id is not None:
            # An id is taken at its word while it has a wallet; without one, look who it is.
            await self._find_recipient(request.payer_id, request.recipient)
        return CreateTransfer(
            header=Header(
                id=self._new_id(),
                kind=Kind.TRANSFER,
                scope=person_scope(request.payer_id),
                key_digest=key.digest,
                fingerprint=digest_of(asked(request, currency)),
                account_id=source_id,
                currency=currency,
                amount=request.amount,
                owner_id=request.payer_id,
                counterparty_id=target_id,
                counterparty_owner_id=payee_id,
            ),
            actor_id=request.payer_id,
            details=details_of(request, self._random_bytes),
            api_key_id=request.api_key_id,
        )

    async def _currency(self, request: TransferRequest) -> Currency:
        if request.currency is not None:
            return currency_of(request.currency)
        return await self._directory.default_currency(request.payer_id)

    async def _payee(self, request: TransferRequest) -> UUID:
        if request.recipient.user_id is not None:
            return request.recipient.user_id
        return await self._find_recipient(request.payer_id, request.recipient)

    async def _earlier(self, request: TransferRequest, key: IdempotencyKey) -> Result | None:
        currency = await self._currency(request)
        scoped = (person_scope(request.payer_id), key.digest)
        async with self._unit_of_work() as work:
            outcome = (await work.ledger.outcomes([scoped])).get(scoped)
        if outcome is None:
            return None
        return replay(outcome, Kind.TRANSFER, digest_of(asked(request, currency)))


def asked(request: TransferRequest, currency: Currency) -> str:
    """Return what fingerprints cover of a transfer, after defaults, as canonical JSON.

    It is written out: most transfers have no texts, and `canonical` takes five times as long.
    """
    written = NOTHING_WRITTEN
    if request.note is not None or request.reference is not None or request.metadata:
        texts = {
            "metadata": dict(request.metadata or {}),
            "note": request.note,
            "reference": request.reference,
        }
        written = canonical(texts)[1:-1].decode()
    recipient = request.recipient
    if recipient.user_id is not None:
        named = f'"to_user_id":"{recipient.user_id}"'
    else:
        named = canonical(recipient.canonical())[1:-1].decode()
    return (
        f'{{"amount":{request.amount},"currency":"{currency}","kind":"{Kind.TRANSFER.word}",'
        f"{written},{named}}}"
    )


def details_of(request: TransferRequest, random_bytes: Callable[[int], bytes]) -> Details | None:
    """Return what the payer wrote, with a salt of its own, or None if that is nothing."""
    if request.note is None and request.reference is None and not request.metadata:
        return None
    return Details(
        salt=random_bytes(SALT_LENGTH),
        note=request.note,
        reference=request.reference,
        metadata=request.metadata or None,
    )
