"""What every unit of work promises of balances of the past, statements and insight."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.contracts.books import Books
from tests.stories.world import person, wallet

from wallet.application.statements import StatementFormat, Statements
from wallet.domain.errors import Overloaded
from wallet.domain.insights import Flow, Insight, MonthsInvalid
from wallet.domain.journal import Kind
from wallet.domain.statements import Period, PeriodInvalid, Statement, StatementTooLong, Totals
from wallet.domain.wallets import WalletNotFound

INSTANT = timedelta(microseconds=1)
NOW = datetime(2100, 1, 1, tzinfo=UTC)


class NoWriter:
    """Writes nothing."""

    async def write(self, statement: Statement, form: StatementFormat) -> bytes:
        raise Overloaded


def statements_of(books: Books) -> Statements:
    return Statements(unit_of_work=books.unit_of_work, writer=NoWriter(), clock=lambda: NOW)


@pytest.fixture
async def told(books: Books) -> Books:
    """Alice has 100, pays 30 to Bob, 20 to Carol, and gets 5 from Bob."""
    await books.carry_out(books.pay(30, note="rent"))
    await books.carry_out(books.world.transfer(books.alice, books.carol, 20))
    await books.carry_out(books.world.transfer(books.bob, books.alice, 5))
    return books


async def times(books: Books) -> list[datetime]:
    return [line.entry.booked_at for line in (await books.page(books.alice)).lines][::-1]


def usd(name: str) -> UUID:
    return wallet(name, "USD")


async def test_the_balance_of_an_instant_is_that_after_the_last_entry_before_it(
    told: Books,
) -> None:
    booked = await times(told)
    found = []
    for instant in (*booked, booked[-1] + INSTANT, NOW):
        balance = await statements_of(told).balance_at(person(told.alice), usd(told.alice), instant)
        found.append((balance.version, balance.posted, balance.available))
    assert found == [(0, 0, 0), (1, 100, 100), (2, 70, 70), (3, 50, 50), (4, 55, 55), (4, 55, 55)]


async def test_a_statement_begins_and_ends_with_what_the_wallet_held(told: Books) -> None:
    booked = await times(told)
    made = await statements_of(told).of(
        person(told.alice), usd(told.alice), Period(booked[1], booked[3]), StatementFormat.JSON
    )
    assert (made.opening.posted, made.closing.posted, made.final) == (100, 50, True)
    assert [line.entry.posted_delta for line in made.lines] == [-30, -20]
    assert made.totals == Totals(0, 0, 50, 2)
    assert made.lines[0].details is not None
    assert made.lines[0].details.note == "rent"
    assert made.holder.user_id == person(told.alice)


async def test_the_statements_of_following_periods_fit_together(told: Books) -> None:
    booked = await times(told)
    ends = [booked[0] - INSTANT, *booked, NOW]
    whole, closing = 0, 0
    for period in map(Period, ends, ends[1:]):
        made = await statements_of(told).of(
            person(told.alice), usd(told.alice), period, StatementFormat.CSV
        )
        assert made.opening.posted == closing
        totals = made.totals
        assert made.closing.posted == closing + totals.amount_in - totals.amount_out
        closing = made.closing.posted
        whole += len(made.lines)
    assert (whole, closing) == (4, 55)


async def test_a_statement_of_what_is_not_over_is_not_final(told: Books) -> None:
    period = Period(datetime(2020, 1, 1, tzinfo=UTC), NOW)
    made = await statements_of(told).of(
        person(told.alice), usd(told.alice), period, StatementFormat.JSON
    )
    assert (made.final, made.closing.posted, len(made.lines)) == (False, 55, 4)


async def test_nobody_looks_back_at_the_wallet_of_somebody_else(told: Books) -> None:
    period = Period(datetime(2020, 1, 1, tzinfo=UTC), NOW)
    for wallet_id in (usd(told.bob), uuid4()):
        made = statements_of(told)
        with pytest.raises(WalletNotFound):
            await made.of(person(told.alice), wallet_id, period, StatementFormat.JSON)
        with pytest.raises(WalletNotFound):
            await made.balance_at(person(told.alice), wallet_id, NOW)
        with pytest.raises(WalletNotFound):
            await made.insight(person(told.alice), wallet_id, (2026, 1), (2026, 1))


async def test_a_statement_that_would_be_too_long_says_how_far_one_reaches(
    told: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.application.statements.LINES_MAX", 3)
    period = Period(datetime(2020, 1, 1, tzinfo=UTC), NOW)
    with pytest.raises(StatementTooLong) as refused:
        await statements_of(told).of(
            person(told.alice), usd(told.alice), period, StatementFormat.JSON
        )
    booked = await times(told)
    facts = {"entries": 4, "lines_max": 3, "booked_to": booked[3].isoformat()}
    assert refused.value.facts == facts
    shorter = Period(period.since, datetime.fromisoformat(facts["booked_to"]))  # type: ignore[arg-type]
    made = await statements_of(told).of(
        person(told.alice), usd(told.alice), shorter, StatementFormat.JSON
    )
    assert len(made.lines) == 3


def test_a_period_ends_after_it_begins() -> None:
    assert Period.month(2026, 12).until == datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(PeriodInvalid):
        Period(NOW, NOW)


async def insight(books: Books) -> Insight:
    now = (await times(books))[-1]
    return await statements_of(books).insight(
        person(books.alice), usd(books.alice), (now.year - 1, now.month), (now.year, now.month)
    )


async def test_insight_sums_up_each_month_by_kind(told: Books) -> None:
    found = await insight(told)
    assert [month.total for month in found.months[:-1]] == [Flow()] * 12
    month = found.months[-1]
    assert month.complete
    assert month.total == Flow(105, 2, 50, 2)
    assert month.kinds == {Kind.TRANSFER: Flow(5, 1, 50, 2), Kind.TOP_UP: Flow(100, 1, 0, 0)}
    assert month.others == month.total, "nobody here has signed up, so nobody is named"


async def test_insight_looks_at_the_newest_lines_where_there_are_too_many(
    told: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.domain.insights.shortened.__defaults__", (2,))
    month = (await insight(told)).months[-1]
    assert (month.complete, month.total) == (False, Flow(5, 1, 20, 1))


async def test_months_are_given_in_order_and_not_too_many(told: Books) -> None:
    made = statements_of(told)
    for first, last in [((2026, 2), (2026, 1)), ((2024, 1), (2026, 1))]:
        with pytest.raises(MonthsInvalid):
            await made.insight(person(told.alice), usd(told.alice), first, last)
