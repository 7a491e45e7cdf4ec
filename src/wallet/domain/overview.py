"""The overview: tallies put together for somebody who watches, by pure arithmetic."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wallet.domain.accounts import Purpose
from wallet.domain.audits import Progress
from wallet.domain.journal import Kind
from wallet.domain.proofs import Checkpoint
from wallet.domain.safe_mode import SafeModeEntered
from wallet.domain.tallies import DAY, HOUR, MINUTE, Tally, floor_to

MINUTES_SHOWN = 60
HOURS_SHOWN = 48


@dataclass(slots=True)
class Volume:
    """What moved in one currency in some time, in minor units."""

    transfers: int = 0
    amount: int = 0
    money_in: int = 0
    refunded: int = 0


@dataclass(slots=True)
class Sums:
    """Tallies of some time, summed up."""

    transfers: int = 0
    refused: int = 0
    volumes: dict[str, Volume] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def add(self, tally: Tally) -> None:
        """Add one tally."""
        if tally.refusal_code:
            self.refused += tally.instructions
            before = self.refusals.get(tally.refusal_code, 0)
            self.refusals[tally.refusal_code] = before + tally.instructions
            return
        volume = self.volumes.setdefault(tally.currency, Volume())
        if tally.kind == Kind.TRANSFER:
            self.transfers += tally.instructions
            volume.transfers += tally.instructions
            volume.amount += tally.amount
        elif tally.kind == Kind.TOP_UP:
            volume.money_in += tally.amount
        elif tally.kind == Kind.REFUND:
            volume.refunded += tally.amount


@dataclass(frozen=True, slots=True)
class Period:
    """The sums of a stretch of time; people who were active are known of whole days only."""

    since: datetime
    until: datetime
    sums: Sums
    sign_ups: int
    active_people: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """The sums of a minute or an hour, which begins at `at`."""

    at: datetime
    sums: Sums


@dataclass(frozen=True, slots=True)
class Hour(Point):
    """The sums of an hour, and how many people there were in it."""

    sign_ups: int
    active_people: int


@dataclass(frozen=True, slots=True)
class Spans:
    """The times that an overview made at `now` tells of."""

    now: datetime

    @property
    def today(self) -> datetime:
        """When the day began, in UTC."""
        return floor_to(self.now, DAY)

    @property
    def yesterday(self) -> datetime:
        """When the day before began."""
        return self.today - DAY

    @property
    def a_day_ago(self) -> datetime:
        """The same time of yesterday, to the minute."""
        return floor_to(self.now - DAY, MINUTE)

    @property
    def first_minute(self) -> datetime:
        """Where the series of minutes begins."""
        return floor_to(self.now, MINUTE) - (MINUTES_SHOWN - 1) * MINUTE

    @property
    def first_hour(self) -> datetime:
        """Where the series of hours begins; yesterday is in it."""
        return floor_to(self.now, HOUR) - (HOURS_SHOWN - 1) * HOUR

    @property
    def hours(self) -> list[datetime]:
        """Where each hour of that series begins."""
        return [self.first_hour + n * HOUR for n in range(HOURS_SHOWN)]


@dataclass(frozen=True, slots=True)
class CurrencyBalance:
    """Where the money of one currency is, in minor units."""

    currency: str
    people: int
    money_in: int
    adjusted: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How fast requests were answered since a time, in milliseconds; errors are a share."""

    since: datetime
    requests: int
    p50_ms: float | None
    p99_ms: float | None
    error_share: float


@dataclass(frozen=True, slots=True)
class Integrity:
    """Whether the books are what they should be, as far as is known."""

    safe_mode: SafeModeEntered | None
    audit: Progress
    last_checkpoint: Checkpoint | None
    sealed_entries: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What has happened lately, and how the service is."""

    made_at: datetime
    counted_to: datetime
    today: Period
    yesterday: Period
    yesterday_by_now: Period
    minutes: Sequence[Point]
    hours: Sequence[Hour]
    balances: Sequence[CurrencyBalance]
    latency: Latency
    integrity: Integrity


def summed(tallies: Iterable[Tally], since: datetime, until: datetime) -> Sums:
    """Sum up the tallies that begin in a time."""
    sums = Sums()
    for tally in tallies:
        if since <= tally.since < until:
            sums.add(tally)
    return sums


def series(tallies: Iterable[Tally], since: datetime, span: timedelta, points: int) -> list[Point]:
    """Return one point for each span from `since` on, whether or not anything happened in it."""
    sums: defaultdict[datetime, Sums] = defaultdict(Sums)
    for tally in tallies:
        sums[floor_to(tally.since, span)].add(tally)
    return [Point(at, sums[at]) for at in (since + n * span for n in range(points))]


def with_people(points: Iterable[Point], people: Mapping[datetime, tuple[int, int]]) -> list[Hour]:
    """Return hours with how many people signed up in them, and how many moved money."""
    return [Hour(point.at, point.sums, *people[point.at]) for point in points]


def balances_of(system: Mapping[tuple[str, Purpose], int]) -> list[CurrencyBalance]:
    """Return where the money is, from what system accounts hold: all accounts sum up to zero."""
    found = []
    for currency in sorted({currency for currency, _ in system}):
        money_in = -system.get((currency, Purpose.FUNDING), 0)
        adjusted = -system.get((currency, Purpose.ADJUSTMENT), 0)
        found.append(CurrencyBalance(currency, money_in + adjusted, money_in, adjusted))
    return found
