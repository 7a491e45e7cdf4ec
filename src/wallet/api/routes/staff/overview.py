"""The overview: what a console shows first, cheap to ask for however much has happened."""

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field

from wallet.api import overview_answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, JsonObject
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import STAFF, TAG, Reader, staff_side
from wallet.api.routes.staff.shapes import MOMENT

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

VOLUME_EXAMPLE: JsonObject = {
    "currency": "USD",
    "transfers": 310,
    "amount": 1234500,
    "display": "12,345.00 USD",
    "money_in": 500000,
    "money_out": 0,
    "refunded": 2500,
}
PERIOD_EXAMPLE: JsonObject = {
    "since": "2026-11-22T00:00:00.000000Z",
    "until": MOMENT,
    "transfers": 310,
    "refused": 4,
    "sign_ups": 12,
    "active_people": 87,
    "volumes": [VOLUME_EXAMPLE],
}
POINT_EXAMPLE: JsonObject = {
    "at": "2026-11-22T11:59:00.000000Z",
    "transfers": 7,
    "refused": 1,
    "volumes": {"USD": 17500},
}
REFUSAL_EXAMPLE: JsonObject = {
    "code": "insufficient-funds",
    "title": "The wallet does not hold enough available money",
    "today": 3,
    "yesterday": 9,
}
BALANCE_EXAMPLE: JsonObject = {
    "currency": "USD",
    "people": 98750000,
    "display": "987,500.00 USD",
    "money_in": 98750000,
    "money_out": 0,
    "adjusted": 0,
}
LATENCY_EXAMPLE: JsonObject = {
    "since": "2026-11-22T11:55:00.000000Z",
    "requests": 4210,
    "p50_ms": 4.2,
    "p99_ms": 31.0,
    "error_share": 0.0002,
}
INTEGRITY_EXAMPLE: JsonObject = {
    "safe_mode": None,
    "audit": {
        "began_at": MOMENT,
        "entries": 120000,
        "completed_at": "2026-11-22T10:00:00.123456Z",
    },
    "last_checkpoint": {"number": 41, "tree_size": 120044, "made_at": MOMENT},
    "sealed_entries": 120044,
}
OVERVIEW_EXAMPLE: JsonObject = {
    "made_at": MOMENT,
    "counted_to": "2026-11-22T12:00:00.000000Z",
    "today": PERIOD_EXAMPLE,
    "yesterday": PERIOD_EXAMPLE,
    "yesterday_by_now": PERIOD_EXAMPLE,
    "minutes": [POINT_EXAMPLE],
    "hours": [{**POINT_EXAMPLE, "sign_ups": 2, "active_people": 31}],
    "refusals": [REFUSAL_EXAMPLE],
    "balances": [BALANCE_EXAMPLE],
    "latency": LATENCY_EXAMPLE,
    "integrity": INTEGRITY_EXAMPLE,
}


class Volume(Answer):
    """What moved in one currency, in minor units."""

    currency: str
    transfers: int = Field(description="How many transfers.")
    amount: int = Field(description="The sum of these transfers.")
    display: str
    money_in: int = Field(description="The sum of top-ups.")
    money_out: int = Field(description="The sum of withdrawals, which do not exist yet.")
    refunded: int = Field(description="The sum of refunds.")


class Period(Answer):
    """A stretch of time, in days of UTC."""

    since: str
    until: str
    transfers: int
    refused: int = Field(description="Whatever the books refused, transfers and others.")
    sign_ups: int
    active_people: int | None = Field(
        description="How many people's wallets were moved; null for part of a past day."
    )
    volumes: list[Volume]


class Point(Answer):
    """A minute of a plot, or an hour, named by its beginning."""

    at: str
    transfers: int
    refused: int
    volumes: dict[str, int] = Field(
        description="The sum of transfers by currency, in minor units; nothing is left out."
    )


class Hour(Point):
    """An hour of a plot, with how many people there were in it."""

    sign_ups: int
    active_people: int = Field(description="How many people's wallets were moved.")


class RefusalCount(Answer):
    """How often the books have refused for one reason."""

    code: str
    title: str
    today: int
    yesterday: int


class CurrencyBalance(Answer):
    """Where the money of one currency is, in minor units."""

    currency: str
    people: int = Field(description="What all wallets hold together.")
    display: str
    money_in: int = Field(description="What has ever come in from outside.")
    money_out: int = Field(description="What has ever gone out; withdrawals do not exist yet.")
    adjusted: int = Field(description="What adjustments have added, or taken if below zero.")


class Latency(Answer):
    """How fast requests are answered, over all workers, since the time that is named."""

    since: str
    requests: int
    p50_ms: float | None = Field(description="Null without a request.")
    p99_ms: float | None
    error_share: float = Field(description="The share of answers with 5xx, 0 to 1.")


class SafeModeState(Answer):
    """Why no money moves."""

    entered_at: str
    reason: str


class AuditState(Answer):
    """How far the self-audit has come."""

    began_at: str | None = Field(description="When the present round began.")
    entries: int = Field(description="How many entries it has checked so far.")
    completed_at: str | None = Field(description="When the last whole round was done.")


class CheckpointState(Answer):
    """The newest signed checkpoint of the log."""

    number: int
    tree_size: int
    made_at: str


class Integrity(Answer):
    """Whether the books are what they should be, as far as the service knows."""

    model_config = ConfigDict(json_schema_extra={"examples": [INTEGRITY_EXAMPLE]})

    safe_mode: SafeModeState | None = Field(description="Null while money moves.")
    audit: AuditState
    last_checkpoint: CheckpointState | None
    sealed_entries: int = Field(description="How many entries are in the log.")


class Overview(Answer):
    """What has happened lately, and how the service is."""

    model_config = ConfigDict(json_schema_extra={"examples": [OVERVIEW_EXAMPLE]})

    made_at: str
    counted_to: str = Field(description="Up to when movements are counted; seconds ago.")
    today: Period
    yesterday: Period
    yesterday_by_now: Period = Field(description="Yesterday up to the same time of day.")
    minutes: list[Point] = Field(description="The last 60 minutes, oldest first, none left out.")
    hours: list[Hour] = Field(description="The last 48 hours, oldest first, none left out.")
    refusals: list[RefusalCount] = Field(description="The most frequent first.")
    balances: list[CurrencyBalance]
    latency: Latency
    integrity: Integrity


@router.get(
    "/overview",
    operation_id="getOverview",
    summary="See what has happened lately",
    response_model=Overview,
    responses=problem_responses(*STAFF),
)
async def get_overview(request: Request, staff: Reader) -> JsonObject:
    """Return the numbers of today and yesterday (in UTC), by minute and hour, and how things are.

    It is made at most once a second in each process, from what is counted beside the money path.
    """
    return overview_answers.overview(await staff_side(request).overviews.read())


@router.get(
    "/integrity",
    operation_id="getIntegrity",
    summary="See whether the books are intact",
    response_model=Integrity,
    responses=problem_responses(*STAFF),
)
async def get_integrity(request: Request, staff: Reader) -> JsonObject:
    """Return how far the self-audit has come, the last checkpoint, and whether money moves."""
    return overview_answers.integrity(await staff_side(request).overviews.integrity())
