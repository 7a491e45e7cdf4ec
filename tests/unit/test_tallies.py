"""Counting per minute: what is counted next, and how tallies become an overview."""

from datetime import UTC, datetime, timedelta

import pytest

from wallet.domain.accounts import Purpose
from wallet.domain.ids import first_id_at, instant_of, uuid7
from wallet.domain.journal import Kind
from wallet.domain.overview import Spans, balances_of, series, summed
from wallet.domain.tallies import (
    MINUTE,
    Tally,
    TallyProgress,
    TallyStep,
    first_progress,
    floor_to,
    next_step,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    hour, minute, second = map(int, text.split(":"))
    return NOON.replace(hour=hour, minute=minute, second=second)


def step(counted_to: str, recounted_to: str, now: str) -> tuple[datetime, datetime, bool] | None:
    found = next_step(TallyProgress(at(counted_to), at(recounted_to)), at(now))
    return None if found is None else (found.since, found.until, found.again)


@pytest.mark.parametrize(
    ("counted_to", "recounted_to", "now", "expected"),
    [
        # What is younger than twenty seconds waits.
        ("12:00:00", "12:00:00", "12:00:20", None),
        ("12:00:00", "12:00:00", "12:00:19", None),
        ("12:00:00", "12:00:00", "12:00:25", ("12:00:00", "12:00:05", False)),
        # Whoever is far behind counts ten minutes at once.
        ("06:00:00", "06:00:00", "12:00:00", ("06:00:00", "06:10:00", False)),
        # Ten minutes after its end a stretch is counted anew, and that comes first.
        ("12:19:40", "12:00:00", "12:19:59", None),
        ("12:19:40", "12:00:00", "12:20:00", ("12:00:00", "12:10:00", True)),
        ("12:19:40", "12:10:00", "12:20:05", ("12:19:40", "12:19:45", False)),
        # But never what is not counted yet.
        ("12:09:00", "12:00:00", "12:20:00", ("12:09:00", "12:19:00", False)),
    ],
)
def test_what_is_counted_next(
    counted_to: str, recounted_to: str, now: str, expected: tuple[str, str, bool] | None
) -> None:
    if counted_to == "12:19:40" and now == "12:19:59":
        # Twenty seconds back is before what is counted: there is nothing to do.
        assert step(counted_to, recounted_to, now) is None
        return
    wanted = None if expected is None else (at(expected[0]), at(expected[1]), expected[2])
    assert step(counted_to, recounted_to, now) == wanted


def test_counting_reaches_the_present_and_counts_everything_twice_without_a_gap() -> None:
    now = at("12:00:00")
    progress = first_progress(now, NOON - timedelta(hours=3, minutes=7))
    once: list[TallyStep] = []
    again: list[TallyStep] = []
    for _ in range(200):
        following = next_step(progress, now)
        if following is None:
            break
        if following.again:
            again.append(following)
            progress = TallyProgress(progress.counted_to, following.until)
        else:
            once.append(following)
            progress = TallyProgress(following.until, progress.recounted_to)
    assert [s.since for s in once[1:]] == [s.until for s in once[:-1]]
    assert [s.since for s in again[1:]] == [s.until for s in again[:-1]]
    assert (once[0].since, once[-1].until) == (at("08:53:00"), at("11:59:40"))
    assert (again[0].since, again[-1].until) == (at("08:50:00"), at("11:50:00"))


def test_a_ledger_begins_to_be_counted_at_its_first_movement_or_two_days_ago() -> None:
    assert first_progress(NOON, None).counted_to == NOON - timedelta(seconds=20)
    lately = NOON - timedelta(minutes=3)
    assert first_progress(NOON, lately) == TallyProgress(lately, at("11:50:00"))
    long_ago = NOON - timedelta(days=300)
    assert first_progress(NOON, long_ago).counted_to == NOON - timedelta(hours=49)


def transfers(since: datetime, count: int, amount: int, currency: str = "USD") -> Tally:
    return Tally(since, Kind.TRANSFER, currency, "", count, amount)


def test_tallies_are_summed_by_what_they_tell_of() -> None:
    refused = Tally(NOON, Kind.TOP_UP_REQUEST, "USD", "wallet-frozen", 3, 999)
    sums = summed(
        [
            transfers(NOON, 2, 50),
            transfers(NOON, 1, 7, "JPY"),
            transfers(NOON - MINUTE, 1, 10**6),
            Tally(NOON, Kind.TOP_UP, "USD", "", 1, 100),
            Tally(NOON, Kind.REFUND, "USD", "", 1, 20),
            Tally(NOON, Kind.ADJUSTMENT, "USD", "", 1, 5),
            refused,
        ],
        NOON,
        NOON + MINUTE,
    )
    assert (sums.transfers, sums.refused, sums.refusals) == (3, 3, {"wallet-frozen": 3})
    dollars, yen = sums.volumes["USD"], sums.volumes["JPY"]
    assert (dollars.transfers, dollars.amount, dollars.money_in, dollars.refunded) == (
        2, 50, 100, 20,
    )  # fmt: skip
    assert (yen.transfers, yen.amount, yen.money_in) == (1, 7, 0)


def test_a_series_has_a_point_for_every_span_whether_or_not_anything_happened() -> None:
    points = series([transfers(NOON + MINUTE, 1, 5)], NOON, MINUTE, 3)
    assert [(point.at, point.sums.transfers) for point in points] == [
        (NOON, 0), (NOON + MINUTE, 1), (NOON + 2 * MINUTE, 0),
    ]  # fmt: skip


def test_an_overview_tells_of_days_of_utc() -> None:
    spans = Spans(datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC))
    assert spans.today == datetime(2026, 11, 22, tzinfo=UTC)
    assert spans.yesterday == datetime(2026, 11, 21, tzinfo=UTC)
    assert spans.a_day_ago == spans.yesterday
    assert spans.first_minute == datetime(2026, 11, 21, 23, 1, tzinfo=UTC)
    late = Spans(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    assert late.first_hour == late.yesterday


def test_what_people_hold_is_what_came_in_and_was_adjusted() -> None:
    found = balances_of(
        {("USD", Purpose.FUNDING): -1_000, ("USD", Purpose.ADJUSTMENT): 30,
         ("EUR", Purpose.FUNDING): 0}
    )  # fmt: skip
    assert [(b.currency, b.people, b.money_in, b.adjusted) for b in found] == [
        ("EUR", 0, 0, 0), ("USD", 970, 1_000, -30),
    ]  # fmt: skip


def test_the_beginning_of_a_span_is_that_of_utc() -> None:
    assert floor_to(datetime(2026, 11, 22, 12, 34, 56, 789, tzinfo=UTC), MINUTE) == datetime(
        2026, 11, 22, 12, 34, tzinfo=UTC
    )
    assert floor_to(datetime(1970, 1, 1, tzinfo=UTC), MINUTE) == datetime(1970, 1, 1, tzinfo=UTC)


def test_an_id_tells_when_it_was_made_and_others_do_not() -> None:
    made = uuid7(1_767_225_600_123, bytes(10))
    assert instant_of(made) == datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)
    assert first_id_at(datetime(2026, 1, 1, tzinfo=UTC)) < made
    assert first_id_at(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)) > made
    for other in ("00000000-0000-0000-0000-000000000001", "6f3c0c2e-26a5-4a7e-9d53-1f1f6a9f5c11"):
        assert instant_of(type(made)(other)) is None
    # Nothing is ever looked for around a time that cannot be told.
    assert instant_of(type(made)("ffffffff-ffff-7fff-bfff-ffffffffffff")) is None
    assert instant_of(type(made)("00000000-0000-7fff-bfff-ffffffffffff")) == datetime(
        1970, 1, 1, tzinfo=UTC
    )
