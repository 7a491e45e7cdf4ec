"""What stands where on the pages of a statement; lengths are in points, 72 to an inch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from wallet.domain.history import Line
from wallet.domain.journal import Kind
from wallet.domain.statements import Statement
from wallet.infrastructure.statements.english import clock, grouped, short_day, signed
from wallet.infrastructure.statements.fonts import width_of
from wallet.infrastructure.statements.paragraphs import lines_of
from wallet.infrastructure.statements.words import last_day, name_of

TEXT, SMALL = 9.0, 7.75
TEXT_LEADING, SMALL_LEADING = 12.0, 10.25
ROW_SPACE, COLUMN_SPACE = 8.0, 14.0
DATE_WIDTH = 80.0
_TITLE_LINES_MAX, _NOTE_LINES_MAX, _REFERENCE_LINES_MAX = 6, 24, 6


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide the columns are: those of numbers as wide as they must be."""

    description: float
    amount: float
    balance: float

    @classmethod
    def of(cls, statement: Statement, width: float) -> "Columns":
        """Divide the width of the page, which is what descriptions get the rest of."""
        currency = statement.currency
        amounts = [signed(line.entry.posted_delta, currency) for line in statement.lines]
        held = [line.entry.posted_after for line in statement.lines]
        ends = (statement.opening.posted, statement.closing.posted)
        balances = [grouped(posted, currency) for posted in (*ends, *held)]
        amount = _widest([*amounts, f"Amount, {currency}"])
        balance = _widest([*balances, f"Balance, {currency}"])
        return cls(width - DATE_WIDTH - amount - balance - 3 * COLUMN_SPACE, amount, balance)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table, its texts as they stand on the page."""

    day: str
    time: str
    title: Sequence[str]
    small: Sequence[str]
    amount: str
    balance: str
    strong: bool = False

    @property
    def height(self) -> float:
        """How much of a page it takes."""
        texts = len(self.title) * TEXT_LEADING + len(self.small) * SMALL_LEADING
        return texts + ROW_SPACE


def rows_of(statement: Statement, columns: Columns) -> Sequence[Row]:
    """Return the rows of a statement: the opening balance, its lines, and the closing balance."""
    opening, closing = statement.opening, statement.closing
    first_day, final_day = statement.period.since.astimezone(UTC).date(), last_day(statement)
    rows = [_balance_row("Opening balance", first_day, opening.posted, statement)]
    rows += [_line_row(line, columns.description) for line in statement.lines]
    if not statement.lines:
        rows.append(Row("", "", ["No money came in or went out."], [], "", ""))
    label = closing_label(statement)
    return [*rows, _balance_row(label, final_day, closing.posted, statement)]


def closing_label(statement: Statement) -> str:
    """Return what the last balance is called; while more may come it closes nothing."""
    return "Closing balance" if statement.final else "Balance so far"


def pages_of(rows: Sequence[Row], first_room: float, room: float) -> Sequence[Sequence[Row]]:
    """Divide rows among pages: `first_room` high on the first one, `room` on the others.

    The last row, which is the closing balance, never stands alone on a page.
    """
    pages: list[list[Row]] = [[]]
    left = first_room
    for row in rows:
        if row.height > left:
            pages.append([])
            left = room
        pages[-1].append(row)
        left -= row.height
    if len(pages) > 1 and len(pages[-1]) == 1 and len(pages[-2]) > 1:
        pages[-1].insert(0, pages[-2].pop())
    return pages


def _balance_row(label: str, on: date, posted: int, statement: Statement) -> Row:
    return Row(short_day(on), "", [label], [], "", grouped(posted, statement.currency), strong=True)


def _line_row(line: Line, width: float) -> Row:
    entry, details = line.entry, line.details
    title = lines_of(_title(line), TEXT, width, lines_max=_TITLE_LINES_MAX)
    small: list[str] = []
    if details is not None and details.note:
        small += lines_of(details.note, SMALL, width, lines_max=_NOTE_LINES_MAX)
    if details is not None and details.reference:
        reference = f"Reference {details.reference}"
        small += lines_of(reference, SMALL, width, lines_max=_REFERENCE_LINES_MAX)
    return Row(
        short_day(entry.booked_at.astimezone(UTC).date()),
        clock(entry.booked_at),
        title,
        small,
        signed(entry.posted_delta, entry.currency),
        grouped(entry.posted_after, entry.currency),
    )


def _title(line: Line) -> str:
    """Return who it was from or to, and what it was unless that was a transfer."""
    kind, party = line.entry.kind, line.counterparty
    label = kind.word.capitalize()
    if party is None:
        return label
    handle = f" (@{party.handle})" if party.handle else ""
    word = "from" if line.entry.posted_delta > 0 else "to"
    start = word.capitalize() if kind is Kind.TRANSFER else f"{label} {word}"
    return f"{start} {name_of(party)}{handle}"


def _widest(texts: Sequence[str]) -> float:
    return max(width_of(text, TEXT, bold=True) for text in texts)
