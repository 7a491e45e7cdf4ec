"""Looking back at a wallet: its balance at an instant, statements, and monthly insight."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import count_further, current_person
from wallet.api.fields import Answer, Instant, JsonObject
from wallet.api.money import BALANCE_EXAMPLE, SIGNED_IN, Balance
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.transactions import TRANSACTION_EXAMPLE, Party, Transaction
from wallet.api.state import use_cases
from wallet.application.statements import StatementFormat
from wallet.domain.insights import MONTHS_MAX, MonthsInvalid
from wallet.domain.sessions import Principal
from wallet.domain.statements import Period, PeriodInvalid, Statement, StatementTooLong
from wallet.domain.wallets import WalletNotFound

router = APIRouter(tags=["Statements"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

MONTHS_BEFORE = 5
LINES_FOR_A_REQUEST = 20
"""So many lines of a statement count as one request towards the limit of requests."""
MEDIA_TYPES: Mapping[StatementFormat, str] = {
    StatementFormat.CSV: "text/csv; charset=utf-8",
    StatementFormat.CAMT_053: "application/xml",
    StatementFormat.PDF: "application/pdf",
}
SUFFIXES: Mapping[StatementFormat, str] = {
    StatementFormat.CSV: "csv",
    StatementFormat.CAMT_053: "xml",
    StatementFormat.PDF: "pdf",
}
_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_YEARS = range(1970, 2299)


def _month_of(text: str) -> tuple[int, int]:
    """Return year and month; raise ValueError for anything but a month such as 2026-11."""
    found = _MONTH.fullmatch(text)
    year, month = (int(found[1]), int(found[2])) if found else (0, 0)
    if year not in _YEARS or not 1 <= month <= 12:
        raise ValueError("must be a month such as 2026-11")
    return year, month


def _is_month(text: str) -> str:
    _month_of(text)
    return text


CalendarMonth = Annotated[str, AfterValidator(_is_month), Field(examples=["2026-11"])]


class InstantQuery(BaseModel):
    """When."""

    model_config = ConfigDict(extra="forbid")

    at: Instant = Field(description="RFC 3339, or a date: its beginning in UTC.")


class PastBalance(Balance):
    """What a wallet held right before an instant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **BALANCE_EXAMPLE,
                    "at": "2026-11-22T12:00:00.000000Z",
                    "booked_at": "2026-11-21T09:30:00.123456Z",
                }
            ]
        }
    )

    at: str
    booked_at: str | None = Field(description="Of the last entry before then; null if none was.")


class StatementQuery(BaseModel):
    """Which period, and as what. Either a month, or both ends of the period."""

    model_config = ConfigDict(extra="forbid")

    month: CalendarMonth | None = Field(None, description="A calendar month in UTC.")
    booked_from: Instant | None = Field(
        None, description="Lines booked at this time or later: RFC 3339, or a date (in UTC)."
    )
    booked_to: Instant | None = Field(
        None, description="Lines booked before this time: RFC 3339, or a date (in UTC)."
    )
    format: StatementFormat = StatementFormat.JSON

    @model_validator(mode="after")
    def _one_way(self) -> "StatementQuery":
        ends = (self.booked_from is not None) + (self.booked_to is not None)
        if ends == 1 or (ends == 2) == (self.month is not None):
            raise ValueError("give either month, or both booked_from and booked_to")
        return self

    def period(self) -> Period:
        """Return the period; raise `PeriodInvalid` if it ends before it begins."""
        if self.month is not None:
            return Period.month(*_month_of(self.month))
        assert self.booked_from is not None  # noqa: S101 - validated: both ends are there
        assert self.booked_to is not None  # noqa: S101
        return Period(self.booked_from, self.booked_to)


class StatementTotals(Answer):
    """Sums of a statement's lines, in minor units."""

    amount_in: int
    lines_in: int
    amount_out: int
    lines_out: int


STATEMENT_EXAMPLE: JsonObject = {
    "wallet_id": BALANCE_EXAMPLE["wallet_id"],
    "currency": "USD",
    "booked_from": "2026-11-01T00:00:00.000000Z",
    "booked_to": "2026-12-01T00:00:00.000000Z",
    "made_at": "2026-12-02T08:00:00.000000Z",
    "final": True,
    "opening": BALANCE_EXAMPLE | {"posted": 10000, "available": 10000, "version": 1},
    "totals": {"amount_in": 0, "lines_in": 0, "amount_out": 2500, "lines_out": 1},
    "closing": BALANCE_EXAMPLE,
    "lines": [TRANSACTION_EXAMPLE],
}


class StatementAnswer(Answer):
    """A period of one wallet; the lines are in the order of the ledger, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [STATEMENT_EXAMPLE]})

    wallet_id: str
    currency: str
    booked_from: str
    booked_to: str
    made_at: str
    final: bool = Field(description="Whether the period is over and nothing can be added to it.")
    opening: Balance
    totals: StatementTotals
    closing: Balance
    lines: list[Transaction]


class Flow(StatementTotals):
    """Money in and out."""


class KindFlow(Flow):
    """Money in and out by one kind of movement."""

    kind: str


class CounterpartyFlow(Flow):
    """Money from and to one person."""

    counterparty: Party


class MonthAnswer(Answer):
    """One month."""

    month: str
    complete: bool = Field(
        description="Whether all lines were summed up: an answer looks at 100,000 at most."
    )
    total: Flow
    kinds: list[KindFlow]
    counterparties: list[CounterpartyFlow] = Field(description="The ten largest.")
    others: Flow = Field(description="All that no counterparty above stands for.")


_FLOW: JsonObject = {"amount_in": 0, "lines_in": 0, "amount_out": 2500, "lines_out": 1}
_MONTH_EXAMPLE: JsonObject = {
    "month": "2026-11",
    "complete": True,
    "total": _FLOW,
    "kinds": [{"kind": "transfer", **_FLOW}],
    "counterparties": [{"counterparty": TRANSACTION_EXAMPLE["counterparty"], **_FLOW}],
    "others": {"amount_in": 0, "lines_in": 0, "amount_out": 0, "lines_out": 0},
}
INSIGHT_EXAMPLE: JsonObject = {
    "wallet_id": BALANCE_EXAMPLE["wallet_id"],
    "currency": "USD",
    "months": [_MONTH_EXAMPLE],
}


class InsightAnswer(Answer):
    """Some months of a wallet, the earliest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [INSIGHT_EXAMPLE]})

    wallet_id: str
    currency: str
    months: list[MonthAnswer]


class InsightQuery(BaseModel):
    """Which months."""

    model_config = ConfigDict(extra="forbid")

    month_from: CalendarMonth | None = Field(
        None, description="The first month; without it, five months before the last."
    )
    month_to: CalendarMonth | None = Field(
        None, description=f"The last of at most {MONTHS_MAX} months; without it, this month."
    )

    def months(self, now: datetime) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the first and the last month."""
        last = (now.year, now.month) if self.month_to is None else _month_of(self.month_to)
        if self.month_from is not None:
            return _month_of(self.month_from), last
        number = last[0] * 12 + last[1] - 1 - MONTHS_BEFORE
        return (number // 12, number % 12 + 1), last


@router.get(
    "/wallets/{id}/balance",
    operation_id="getBalanceAt",
    summary="See a balance of the past",
    response_model=PastBalance,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, WalletNotFound),
)
async def get_balance_at(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    query: Annotated[InstantQuery, Query()],
) -> dict[str, Any]:
    """Return what a wallet of yours held right before an instant, whenever that was."""
    found = await use_cases(request).statements.balance_at(person.user_id, id, query.at)
    return answers.past_balance(found, query.at)


@router.get(
    "/wallets/{id}/statement",
    operation_id="getStatement",
    summary="Get a statement",
    response_model=StatementAnswer,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/xml": {"schema": {"type": "string"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problem_responses(
            *SIGNED_IN, ValidationFailed, WalletNotFound, PeriodInvalid, StatementTooLong
        ),
    },
)
async def get_statement(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    query: Annotated[StatementQuery, Query()],
) -> Response:
    """Return a wallet's opening balance, lines, totals and closing balance of any period.

    As JSON, as CSV, as a PDF (up to 2,000 lines), or as camt.053, which bookkeeping software reads.
    Up to 10,000 lines; every 20 of them count as one more request towards your limit.
    """
    statements = use_cases(request).statements
    statement = await statements.of(person.user_id, id, query.period(), query.format)
    count_further(request, person, len(statement.lines) // LINES_FOR_A_REQUEST)
    if query.format is StatementFormat.JSON:
        content = await run_in_threadpool(_json_of, statement)
        return Response(content, media_type="application/json")
    content = await statements.written(statement, query.format)
    name = f"{_file_name(statement)}.{SUFFIXES[query.format]}"
    return Response(
        content,
        headers={
            "Content-Type": MEDIA_TYPES[query.format],
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


@router.get(
    "/wallets/{id}/insights",
    operation_id="getInsights",
    summary="See money in and out by month",
    response_model=InsightAnswer,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, WalletNotFound, MonthsInvalid),
)
async def get_insights(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    query: Annotated[InsightQuery, Query()],
) -> dict[str, Any]:
    """Return how much came in and went out of a wallet, month by month (in UTC).

    By kind of movement, and by the ten counterparties of the month with the largest sums.
    """
    first, last = query.months(datetime.now(UTC))
    insight = await use_cases(request).statements.insight(person.user_id, id, first, last)
    return answers.insight(insight)


def _json_of(statement: Statement) -> bytes:
    return orjson.dumps(answers.statement(statement))


def _file_name(statement: Statement) -> str:
    period = statement.period
    return f"statement-{statement.currency}-{period.since:%Y-%m-%d}-{period.until:%Y-%m-%d}"
