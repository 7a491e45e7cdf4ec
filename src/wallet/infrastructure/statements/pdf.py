"""A statement as a page for people: A4, with its fonts inside, drawn by ReportLab."""

from collections.abc import Sequence
from datetime import UTC
from io import BytesIO
from threading import Lock

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from wallet.domain.statements import Statement
from wallet.infrastructure.statements.english import (
    day,
    grouped,
    instant,
    movements,
    period_of,
    signed,
)
from wallet.infrastructure.statements.fonts import (
    SUBSTITUTE,
    first_font,
    printable,
    runs_of,
    width_of,
)
from wallet.infrastructure.statements.pages import (
    COLUMN_SPACE,
    DATE_WIDTH,
    ROW_SPACE,
    SMALL,
    SMALL_LEADING,
    TEXT,
    TEXT_LEADING,
    Columns,
    Row,
    closing_label,
    pages_of,
    rows_of,
)
from wallet.infrastructure.statements.paragraphs import lines_of
from wallet.infrastructure.statements.words import last_day, writable

AUTHOR = "Wallet"
LANGUAGE = "en"
FINAL = "Final: nothing can be added to this period any more."
NOT_FINAL = "Not final yet: this period is not over, and more may be added to it."
IN_UTC = "Days and times are in UTC."
SUBSTITUTED = (
    f"{SUBSTITUTE} stands for a character that this page has no letter for; "
    "the CSV file of this statement has it."
)
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 48.0, _WIDTH - 48.0
_TOP, _BOTTOM, _FOOT = _HEIGHT - 62.0, 66.0, 40.0
_DESCRIPTION = _LEFT + DATE_WIDTH + COLUMN_SPACE
_TITLE, _PERIOD, _NAME, _NUMBER = 22.0, 11.0, 10.0, 13.0
_PERIOD_LEADING, _NAME_LEADING = 15.0, 13.0
_PERIOD_WIDTH, _NAME_WIDTH = 280.0, 200.0
_BAND_TOP, _BAND_HEIGHT, _BAND_INSET = _TOP - 72.0, 58.0, 10.0
_FIRST_TABLE, _TABLE = _BAND_TOP - _BAND_HEIGHT - 14.0, _TOP
_HEAD_HEIGHT = 20.0
_NOTES_HEIGHT = 2 * SMALL_LEADING

_Colour = tuple[float, float, float]
_INK: _Colour = (0.11, 0.13, 0.16)
_SOFT: _Colour = (0.36, 0.39, 0.43)
_ACCENT: _Colour = (0.09, 0.24, 0.40)
_RULE: _Colour = (0.84, 0.86, 0.89)
_SHADE: _Colour = (0.955, 0.965, 0.975)

_rendering = Lock()
"""ReportLab reads a font from where it stopped before: one document at a time."""


def pdf_of(statement: Statement) -> bytes:
    """Return a statement as a PDF document of A4 pages.

    Takes about 0.6 ms a line, and blocks for as long, one document after the other: call it in a
    thread. What the fonts do not have is replaced, and the page says so; no text makes it fail.
    """
    with _rendering:
        return _Document(statement).content()


class _Document:
    """One statement on its way to paper; places are in points from the lower left corner."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._columns = Columns.of(statement, _RIGHT - _LEFT)
        self._amounts = _RIGHT - self._columns.balance - COLUMN_SPACE
        self._period = period_of(statement.period)
        self._file = BytesIO()
        self._canvas = Canvas(
            self._file,
            pagesize=A4,
            pageCompression=1,
            invariant=1,
            lang=LANGUAGE,
            initialFontName=first_font(),  # type: ignore[arg-type]  # The stubs say float.
        )
        self._begin_page()

    def content(self) -> bytes:
        """Draw all pages and return the file."""
        self._describe()
        rows = rows_of(self._statement, self._columns)
        room = _TABLE - _HEAD_HEIGHT - _BOTTOM - _NOTES_HEIGHT
        pages = pages_of(rows, room - (_TABLE - _FIRST_TABLE), room)
        for number, page in enumerate(pages, start=1):
            if number == 1:
                self._draw_opening()
            else:
                self._draw_running_head()
            below = self._draw_table(page, _FIRST_TABLE if number == 1 else _TABLE)
            if number == len(pages):
                self._draw_notes(below, rows)
            self._draw_foot(f"Page {number} of {len(pages)}")
            self._end_page()
        self._canvas.save()
        return self._file.getvalue()

    def _begin_page(self) -> None:
        """Begin with nothing chosen: a colour or a font that is in use is not chosen again."""
        self._text = self._canvas.beginText()
        self._colour: _Colour | None = None
        self._font: tuple[str, float] | None = None
        self._stroke: tuple[_Colour, float] | None = None

    def _end_page(self) -> None:
        """Put the text over the lines, and begin another page."""
        self._canvas.drawText(self._text)
        self._canvas.showPage()
        self._begin_page()

    def _describe(self) -> None:
        """Say what the document is, for lists of files and for screen readers."""
        statement, canvas = self._statement, self._canvas
        stamp = f"D:{statement.made_at.astimezone(UTC):%Y%m%d%H%M%S}+00'00'"
        canvas.setTitle(f"Statement of {self._holder()}, {self._period}, {statement.currency}")
        canvas.setAuthor(AUTHOR)
        canvas.setCreator(AUTHOR)
        canvas.setSubject(f"Wallet {statement.wallet_id}")
        canvas.setDateFormatter(lambda *_: stamp)
        canvas.setViewerPreference("DisplayDocTitle", "true")

    def _holder(self) -> str:
        holder = self._statement.holder
        return writable(f"{holder.first_name} {holder.last_name}")

    def _wallet(self) -> str:
        return f"Wallet …{self._statement.wallet_id.hex[-8:]}"

    def _draw_opening(self) -> None:
        """Draw what only the first page has: the title, whose it is, and the sums."""
        statement = self._statement
        self._write(_LEFT, _TOP, "Statement", _TITLE, bold=True, colour=_ACCENT)
        y = _TOP - 20.0
        for text in lines_of(self._period, _PERIOD, _PERIOD_WIDTH, lines_max=2):
            self._write(_LEFT, y, text, _PERIOD)
            y -= _PERIOD_LEADING
        made = f"Made on {instant(statement.made_at)}"
        self._write(_LEFT, y, made, SMALL, colour=_SOFT)
        if not statement.final:
            self._write(_LEFT, y - SMALL_LEADING, NOT_FINAL, SMALL, bold=True, colour=_ACCENT)
        name = lines_of(self._holder(), _NAME, _NAME_WIDTH, lines_max=2, bold=True)
        handle = [f"@{statement.holder.handle}"] if statement.holder.handle else []
        y = _TOP + 5.0
        for index, text in enumerate([*name, *handle, f"{self._wallet()} in {statement.currency}"]):
            bold = index < len(name)
            self._write(_RIGHT, y, text, _NAME if bold else TEXT, bold=bold, to_left=True)
            y -= _NAME_LEADING
        self._draw_sums()

    def _draw_sums(self) -> None:
        statement, currency = self._statement, self._statement.currency
        totals, held = statement.totals, statement.closing.held
        after = f"{grouped(held, currency)} held" if held else day(last_day(statement))
        first_day = statement.period.since.astimezone(UTC).date()
        sums = (
            ("Opening balance", grouped(statement.opening.posted, currency), day(first_day)),
            ("Money in", signed(totals.amount_in, currency), movements(totals.lines_in)),
            ("Money out", signed(-totals.amount_out, currency), movements(totals.lines_out)),
            (closing_label(statement), grouped(statement.closing.posted, currency), after),
        )
        self._canvas.setFillColorRGB(*_SHADE)
        self._canvas.rect(
            _LEFT, _BAND_TOP - _BAND_HEIGHT, _RIGHT - _LEFT, _BAND_HEIGHT, stroke=0, fill=1
        )
        cell = (_RIGHT - _LEFT) / len(sums)
        widest = max(width_of(value, 1.0, bold=True) for _, value, _ in sums)
        size = min(_NUMBER, (cell - 2 * _BAND_INSET) / widest)
        for index, (label, value, remark) in enumerate(sums):
            x = _LEFT + index * cell + _BAND_INSET
            self._write(x, _BAND_TOP - 17.0, label, SMALL, colour=_SOFT)
            self._write(x, _BAND_TOP - 34.0, value, size, bold=True)
            self._write(x, _BAND_TOP - 48.0, remark, SMALL, colour=_SOFT)

    def _draw_running_head(self) -> None:
        y = _HEIGHT - 40.0
        self._write(_LEFT, y, f"Statement, {self._period}", SMALL, colour=_SOFT)
        holder = lines_of(self._holder(), SMALL, _NAME_WIDTH, lines_max=1)
        for text in holder:
            self._write(_RIGHT, y, text, SMALL, colour=_SOFT, to_left=True)

    def _draw_table(self, rows: Sequence[Row], top: float) -> float:
        """Draw the head of the table and rows below it; return where they end."""
        currency = self._statement.currency
        y = top - 13.0
        for x, text, to_left in (
            (_LEFT, "Date", False),
            (_DESCRIPTION, "Description", False),
            (self._amounts, f"Amount, {currency}", True),
            (_RIGHT, f"Balance, {currency}", True),
        ):
            self._write(x, y, text, SMALL, bold=True, colour=_ACCENT, to_left=to_left)
        y = top - _HEAD_HEIGHT
        self._draw_rule(y, _ACCENT, 0.8)
        for row in rows:
            self._draw_row(row, y)
            y -= row.height
            self._draw_rule(y, _RULE, 0.4)
        return y

    def _draw_row(self, row: Row, top: float) -> None:
        """Draw a row in the order in which it is read aloud."""
        first = y = top - ROW_SPACE / 2 - 9.0
        self._write(_LEFT, first, row.day, TEXT, bold=row.strong)
        if row.time:
            self._write(_LEFT + DATE_WIDTH, first, row.time, SMALL, colour=_SOFT, to_left=True)
        for text in row.title:
            self._write(_DESCRIPTION, y, text, TEXT, bold=row.strong)
            y -= TEXT_LEADING
        y += TEXT_LEADING - SMALL_LEADING - 2.0
        for text in row.small:
            self._write(_DESCRIPTION, y, text, SMALL, colour=_SOFT)
            y -= SMALL_LEADING
        self._write(self._amounts, first, row.amount, TEXT, bold=row.strong, to_left=True)
        self._write(_RIGHT, first, row.balance, TEXT, bold=row.strong, to_left=True)

    def _draw_notes(self, top: float, rows: Sequence[Row]) -> None:
        """Draw what must be known to read the table, below its end."""
        texts = [
            printable(self._holder()),
            *(text for row in rows for text in (*row.title, *row.small)),
        ]
        notes = [IN_UTC]
        if any(SUBSTITUTE in text for text in texts):
            notes.append(SUBSTITUTED)
        y = top - 4.0
        for note in notes:
            y -= SMALL_LEADING
            self._write(_LEFT, y, note, SMALL, colour=_SOFT)

    def _draw_foot(self, page: str) -> None:
        self._draw_rule(_FOOT + 14.0, _RULE, 0.4)
        remark = FINAL if self._statement.final else NOT_FINAL
        self._write(_LEFT, _FOOT, f"{self._wallet()}. {remark}", SMALL, colour=_SOFT)
        self._write(_RIGHT, _FOOT, page, SMALL, colour=_SOFT, to_left=True)

    def _draw_rule(self, y: float, colour: _Colour, thickness: float) -> None:
        if self._stroke != (colour, thickness):
            self._stroke = (colour, thickness)
            self._canvas.setStrokeColorRGB(*colour)
            self._canvas.setLineWidth(thickness)
        self._canvas.line(_LEFT, y, _RIGHT, y)

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: _Colour = _INK,
        to_left: bool = False,
    ) -> None:
        """Write one line that begins at x, or ends there."""
        if not text:
            return
        if to_left:
            x -= width_of(text, size, bold=bold)
        self._text.setTextOrigin(x, y)
        if self._colour != colour:
            self._colour = colour
            self._text.setFillColorRGB(*colour)
        for font, run in runs_of(text, bold=bold):
            if self._font != (font, size):
                self._font = (font, size)
                self._text.setFont(font, size)
            self._text.textOut(run)
