"""Transactions: the lines of a person's history, and the search for some of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from wallet.api import answers
from wallet.api.cursors import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, CurrencyCode, Instant, JsonObject, Text
from wallet.api.hot_routes import HotRoute
from wallet.api.money import BALANCE_EXAMPLE, SIGNED_IN, Balance
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.application.activity import Activity
from wallet.domain.history import PAGE_LIMIT_MAX, CursorInvalid, TransactionNotFound
from wallet.domain.journal import MOVING_KINDS
from wallet.domain.money import AMOUNT_MAX
from wallet.domain.search import COUNT_MAX, WORDS_MAX, Direction, Search
from wallet.domain.sessions import Principal
from wallet.domain.transfers import (
    METADATA_KEY_LENGTH_MAX,
    METADATA_VALUE_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
)

router = APIRouter(tags=["Transactions"], route_class=HotRoute)
line_router = APIRouter(tags=["Transactions"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]


class Party(Answer):
    """The other side, as far as you may know it."""

    user_id: str
    handle: str | None
    first_name: str
    initial: str


TRANSACTION_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21",
    "kind": "transfer",
    "direction": "out",
    "status": "completed",
    "amount": 2500,
    "currency": "USD",
    "display": "-25.00 USD",
    "wallet_id": BALANCE_EXAMPLE["wallet_id"],
    "counterparty": {
        "user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
        "handle": "bob",
        "first_name": "Bob",
        "initial": "B",
    },
    "note": "Lunch",
    "reference": None,
    "metadata": {},
    "booked_at": "2026-11-22T12:00:00.123456Z",
    "balance": BALANCE_EXAMPLE,
}


class Transaction(Answer):
    """One line of your history; `balance` is that of your wallet right after it."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRANSACTION_EXAMPLE]})

    id: str
    kind: str = Field(description="transfer, top-up, refund or adjustment.")
    direction: str = Field(description="in or out.")
    status: str
    amount: int = Field(description="In minor units, always positive.")
    currency: str
    display: str = Field(description="The amount with its sign, for people.")
    wallet_id: str
    counterparty: Party | None
    note: str | None
    reference: str | None
    metadata: dict[str, str]
    booked_at: str
    balance: Balance


class CountAnswer(Answer):
    """How many lines there are."""

    lines: int
    exact: bool = Field(description="Whether that is all of them.")
    display: str = Field(description="For people, such as 10,000+.")


class TransactionPage(Answer):
    """Some lines; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [TRANSACTION_EXAMPLE],
                    "next_cursor": None,
                    "scanned_to": None,
                    "count": None,
                }
            ]
        }
    )

    items: list[Transaction]
    next_cursor: str | None = Field(description="Null on the last page.")
    scanned_to: str | None = Field(
        description="How far this page has looked, where it ended before it was full: one page "
        "looks at 10,000 lines at most. Go on with `next_cursor`."
    )
    count: CountAnswer | None = Field(description="If you asked for it.")


def _digits(value: object) -> object:
    """Refuse other ways to write a number that Python knows, such as 1_0 and +5."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number")
    return value


def _few_words(text: str) -> str:
    if len(text.split()) > WORDS_MAX:
        raise ValueError(f"must have at most {WORDS_MAX} words")
    return text


KINDS = {kind.word: kind for kind in MOVING_KINDS}
"""What can be a line of history."""
WholeNumber = BeforeValidator(_digits)
SearchedAmount = Annotated[int, Field(ge=1, le=AMOUNT_MAX), WholeNumber]


class TransactionsQuery(BaseModel):
    """Which lines, and which part of them. A line must meet everything that is asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, WholeNumber] = Field(50, ge=1, le=PAGE_LIMIT_MAX)
    cursor: str | None = Field(
        None,
        max_length=CURSOR_LENGTH_MAX,
        description="The `next_cursor` of the page before, with the same filters and order.",
    )
    sort: Literal["newest", "oldest"] = Field("newest", description="Which lines come first.")
    kind: Annotated[
        list[Literal["transfer", "top-up", "refund", "adjustment"]], Field(max_length=len(KINDS))
    ] = Field([], description="One or several.")
    direction: Direction | None = Field(None, description="Money that came in or went out.")
    status: Literal["completed"] | None = Field(
        None, description="Only what is completed is a line."
    )
    amount_min: SearchedAmount | None = Field(None, description="In minor units, without a sign.")
    amount_max: SearchedAmount | None = Field(None, description="In minor units, without a sign.")
    booked_from: Instant | None = Field(
        None, description="Booked at this time or later: RFC 3339, or a date (in UTC)."
    )
    booked_to: Instant | None = Field(
        None, description="Booked before this time: RFC 3339, or a date (in UTC)."
    )
    currency: CurrencyCode | None = None
    wallet_id: UUID | None = None
    counterparty: Annotated[Text, Field(min_length=1, max_length=36)] | None = Field(
        None, description="A user id or a handle."
    )
    reference: Annotated[Text, Field(min_length=1, max_length=REFERENCE_LENGTH_MAX)] | None = Field(
        None, description="The whole reference, as it was given."
    )
    metadata_key: (
        Annotated[Text, Field(min_length=1, max_length=METADATA_KEY_LENGTH_MAX)] | None
    ) = Field(None, description="Lines whose metadata have this key.")
    metadata_value: Annotated[Text, Field(max_length=METADATA_VALUE_LENGTH_MAX)] | None = Field(
        None, description="And this value of it."
    )
    q: Annotated[Text, Field(max_length=200), AfterValidator(_few_words)] | None = Field(
        None,
        description="Words that each stand in the note, or in the counterparty's first name or "
        "handle, whatever their case.",
    )
    count: bool = Field(
        False,
        description=f"Whether to count the lines, of which {COUNT_MAX:,} are counted at most.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "TransactionsQuery":
        if self.metadata_value is not None and self.metadata_key is None:
            raise ValueError("metadata_value needs a metadata_key")
        return self

    def to_search(self) -> Search:
        """Return what is asked for, in the words of the domain."""
        return Search(
            kinds=tuple(sorted({KINDS[word] for word in self.kind})),
            direction=self.direction,
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            since=self.booked_from,
            until=self.booked_to,
            currency=self.currency,
            wallet_id=self.wallet_id,
            counterparty=_named(self.counterparty),
            reference=self.reference,
            metadata_key=self.metadata_key,
            metadata_value=self.metadata_value,
            words=tuple((self.q or "").split()),
            oldest_first=self.sort == "oldest",
        )


def _named(counterparty: str | None) -> UUID | str | None:
    if counterparty is None:
        return None
    try:
        return UUID(counterparty)
    except ValueError:
        return counterparty.lower()


@router.get(
    "/transactions",
    operation_id="listTransactions",
    summary="See and search everything that moved",
    response_model=TransactionPage,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, CursorInvalid),
)
async def list_transactions(
    request: Request, person: Person, query: Annotated[TransactionsQuery, Query()]
) -> JsonObject:
    """Return the history of all your wallets, newest first, 50 lines at a time by default.

    Follow `next_cursor` until it is null, whatever a page holds: a search for what is rare may
    answer pages with few lines or none, each of which says in `scanned_to` how far it has looked.
    New movements do not disturb the pages that follow.
    """
    return await transactions_page(use_cases(request).activity, person.user_id, query)


async def transactions_page(
    activity: Activity, person_id: UUID, query: TransactionsQuery
) -> JsonObject:
    """Return the page of a person's history that is asked for."""
    search = query.to_search()
    places = None if query.cursor is None else decode_cursor(query.cursor, search.digest)
    page = await activity.page(person_id, search, next_versions=places, limit=query.limit)
    count = await activity.count(person_id, search) if query.count else None
    following = page.next_versions
    return {
        "items": [answers.line(line) for line in page.lines],
        "next_cursor": None if following is None else encode_cursor(following, search.digest),
        "scanned_to": _told(page.scanned_to),
        "count": None if count is None else answers.count(count),
    }


def _told(scanned_to: datetime | None) -> str | None:
    return None if scanned_to is None else answers.moment(scanned_to)


@line_router.get(
    "/transactions/{id}",
    operation_id="getTransaction",
    summary="See one movement",
    response_model=Transaction,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, TransactionNotFound),
)
async def get_transaction(request: Request, id: UUID, person: Person) -> dict[str, Any]:  # noqa: A002
    """Return one line of your history by the id that the transfer or top-up was answered with."""
    return answers.line(await use_cases(request).activity.line(person.user_id, id))
