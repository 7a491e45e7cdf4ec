"""Statements for tests: lines are given as deltas, and everything else follows from them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from wallet.domain.history import Counterparty, Line
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.money import Currency
from wallet.domain.statements import BalanceAt, Holder, Period, Statement

WALLET_ID = UUID("0192f0c1-2345-7abc-8def-00000000a11c")
ANA = Holder(UUID("0192f0c1-0000-7000-8000-00000000000a"), "Ana", "Meier", "ana")
BOB = Counterparty(UUID("0192f0c1-0000-7000-8000-00000000000b"), "bob", "Bob", "M")
NOVEMBER = Period.month(2026, 11)
AFTERWARDS = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def line(
    delta: int,
    *,
    kind: Kind = Kind.TRANSFER,
    party: Counterparty | None = BOB,
    note: str | None = None,
    reference: str | None = None,
    metadata: Mapping[str, str] | None = None,
    booked_at: datetime | None = None,
    erased: bool = False,
) -> Line:
    """Return a line of minor units; its version, balance and time are those `statement` gives."""
    entry = Entry(
        account_id=WALLET_ID,
        version=0,
        instruction_id=UUID(int=0),
        kind=kind,
        currency=Currency("USD"),
        posted_delta=delta,
        held_delta=0,
        posted_after=0,
        held_after=0,
        counterparty_id=None if party is None else party.user_id,
        booked_at=booked_at or datetime.min,  # noqa: DTZ901
        details_digest=None,
        hash=b"",
    )
    details = None if erased else Details(b"", note, reference, metadata)
    return Line(entry, party, details)


def statement(
    *lines: Line,
    opening: int = 0,
    held: int = 0,
    currency: str = "USD",
    holder: Holder = ANA,
    period: Period = NOVEMBER,
    made_at: datetime = AFTERWARDS,
) -> Statement:
    """Return a statement of these lines, one an hour from the beginning of the period on."""
    code = Currency(currency)
    booked = _booked(lines, opening, code, period)
    posted = booked[-1].entry.posted_after if booked else opening
    return Statement(
        holder=holder,
        wallet_id=WALLET_ID,
        currency=code,
        period=period,
        opening=BalanceAt(WALLET_ID, code, 10, opening, 0, period.since),
        closing=BalanceAt(WALLET_ID, code, 10 + len(lines), posted, held, None),
        lines=booked,
        made_at=made_at,
    )


def _booked(
    lines: Sequence[Line], opening: int, currency: Currency, period: Period
) -> Sequence[Line]:
    posted, booked = opening, []
    for number, each in enumerate(lines, start=1):
        entry = each.entry
        posted += entry.posted_delta
        given = entry.booked_at.tzinfo is not None
        full = Entry(
            account_id=WALLET_ID,
            version=10 + number,
            instruction_id=UUID(int=(7 << 76) + (2 << 62) + number),
            kind=entry.kind,
            currency=currency,
            posted_delta=entry.posted_delta,
            held_delta=0,
            posted_after=posted,
            held_after=0,
            counterparty_id=entry.counterparty_id,
            booked_at=entry.booked_at if given else period.since + timedelta(hours=number),
            details_digest=None,
            hash=b"",
        )
        booked.append(Line(full, each.counterparty, each.details))
    return booked
