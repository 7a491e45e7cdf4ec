"""Tallies: what happened per minute, counted beside the money path for whoever watches it.

Movements are counted a few seconds after they were booked, once nothing of that time can be
committed any more, and once more a while later: so the numbers are exact, and a counter
that starts again goes on where the last one was. What is younger is counted when asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from wallet.domain.accounts import Purpose

LAG = timedelta(seconds=20)
"""How old a movement is when it is counted for good: no transaction lasts as long."""
STEP_MAX = timedelta(minutes=10)
"""How much is counted at once; each such stretch is counted anew some time after its end."""
RECOUNT_AFTER = timedelta(minutes=10)
KEPT = timedelta(days=8)
HOURS_KEPT = timedelta(hours=72)
"""How long it is kept who was active in which hour."""
SHOWN = timedelta(hours=49)
"""How far back the first count of a ledger begins that nobody has counted before."""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one kind of instruction came to in one currency from `since` on.

    `refusal_code` is empty for what was accepted; `amount` is a sum of minor units.
    """

    since: datetime
    kind: int
    currency: str
    refusal_code: str
    instructions: int
    amount: int


@dataclass(frozen=True, slots=True)
class TallyProgress:
    """Up to when everything is counted, and up to when it was counted a second time."""

    counted_to: datetime
    recounted_to: datetime


@dataclass(frozen=True, slots=True)
class TallyStep:
    """What is to be counted next."""

    since: datetime
    until: datetime
    again: bool


def next_step(
    progress: TallyProgress, now: datetime, step_max: timedelta = STEP_MAX
) -> TallyStep | None:
    """Return what to count now, or None if nothing is old enough; `step_max` is whole minutes."""
    ends = progress.recounted_to + step_max
    if ends + RECOUNT_AFTER <= now and ends <= progress.counted_to:
        return TallyStep(progress.recounted_to, ends, again=True)
    until = min(now - LAG, progress.counted_to + step_max)
    if until <= progress.counted_to:
        return None
    return TallyStep(progress.counted_to, until, again=False)


def first_progress(now: datetime, first_booked_at: datetime | None) -> TallyProgress:
    """Return where a ledger begins that nobody has counted yet, and that may have no movements."""
    since = max(floor_to(now - SHOWN, HOUR), first_booked_at or now - LAG)
    return TallyProgress(since, floor_to(since, STEP_MAX))


def caught_up(progress: TallyProgress, now: datetime) -> TallyProgress:
    """Return where to go on: after a long standstill, what nobody looks at is left out."""
    first = first_progress(now, progress.counted_to)
    return first if first.counted_to > progress.counted_to else progress


def floor_to(moment: datetime, span: timedelta) -> datetime:
    """Return the beginning of the minute, hour or day (in UTC) of a moment."""
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return moment - since_epoch % span


class Tallies(Protocol):
    """Where tallies are kept; one process counts at a time."""

    async def now(self) -> datetime:
        """Return the time of the clock that movements are booked by."""
        ...

    async def lease(self, holder: UUID, lease_s: float) -> TallyProgress | None:
        """Lock the progress for `holder`; None if somebody else counts, or did within a lease."""
        ...

    async def first_booked_at(self) -> datetime | None:
        """Return when money moved for the first time, or None if it never has."""
        ...

    async def begin(self, progress: TallyProgress) -> None:
        """Keep where counting begins, unless it has begun."""
        ...

    async def add(self, since: datetime, until: datetime) -> None:
        """Count what was booked from `since` up to, but not including, `until`."""
        ...

    async def replace(self, since: datetime, until: datetime) -> None:
        """Forget what was counted of this time, and count it anew."""
        ...

    async def advance(self, progress: TallyProgress) -> None:
        """Keep how far counting has come, and drop what is older than `KEPT`."""
        ...

    async def progress(self) -> TallyProgress | None:
        """Return how far counting has come, or None if it never began."""
        ...

    async def by_hour(self, since: datetime) -> Sequence[Tally]:
        """Return what was counted since then, in hours."""
        ...

    async def by_minute(self, since: datetime, until: datetime) -> Sequence[Tally]:
        """Return what was counted from `since` up to `until`, in minutes."""
        ...

    async def uncounted(self, since: datetime) -> Sequence[Tally]:
        """Count what was booked since then, in minutes, and keep nothing."""
        ...

    async def active_people(self, day: datetime, uncounted_since: datetime) -> int:
        """Return how many people's wallets were moved on a day of UTC."""
        ...

    async def active_by_hour(
        self, since: datetime, uncounted_since: datetime
    ) -> Mapping[datetime, int]:
        """Return how many people's wallets were moved in each hour from `since` on, if any."""
        ...

    async def sign_ups_by_hour(self, since: datetime) -> Mapping[datetime, int]:
        """Return how many people have signed up in each hour from `since` on, if any."""
        ...

    async def sign_ups(self, since: datetime, until: datetime) -> int:
        """Return how many people have signed up in a time."""
        ...

    async def system_balances(self) -> Mapping[tuple[str, Purpose], int]:
        """Return what the system accounts hold together, by currency and purpose."""
        ...
