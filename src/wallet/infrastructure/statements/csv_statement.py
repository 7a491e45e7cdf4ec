"""A statement as a table: RFC 4180 in UTF-8, for spreadsheets and accountants.

The first row after the header is the opening balance and the last one the closing balance. They
have no amount, so that the sum of `amount_decimal` is what came in less what went out.
"""

import csv
import json
import re
from collections.abc import Sequence
from datetime import datetime
from io import StringIO

from wallet.domain.history import Line
from wallet.domain.statements import BalanceAt, Statement
from wallet.infrastructure.statements.words import decimal, known_until, moment, writable

COLUMNS = (
    "booked_at",
    "id",
    "kind",
    "direction",
    "amount",
    "amount_decimal",
    "currency",
    "balance_after",
    "balance_after_decimal",
    "counterparty_first_name",
    "counterparty_initial",
    "counterparty_handle",
    "counterparty_user_id",
    "note",
    "reference",
    "metadata",
)
"""The names of the columns, in order; new ones are only ever added at the end."""

_BYTE_ORDER_MARK = "\ufeff"
_BLANK = r"\x20\xa0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\""
_BREAK = r";\t\r\n"
_FORMULA = r"[=+\-@＝＋－＠﹦﹢﹣﹫]"  # noqa: RUF001 (full-width forms are formulas to some)
_DANGER = re.compile(
    rf"\A(?=[\t\r\n]|[{_BLANK}{_BREAK}]*{_FORMULA})|(?<=[{_BREAK}])(?=[{_BLANK}]*{_FORMULA})"
)
"""Places before a formula: at the beginning, or where a spreadsheet may split a cell."""


def csv_of(statement: Statement) -> bytes:
    """Return a statement as CSV.

    `amount` is in minor units and positive, as in the JSON, with its `direction`; `amount_decimal`
    has a minus for what went out. Balances are what was posted, holds included. The file begins
    with a byte order mark: without it, spreadsheets read UTF-8 as some older code page.
    """
    rows = StringIO(newline="")
    table = csv.writer(rows, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerow(_balance_row("opening-balance", statement.opening, statement.period.since))
    table.writerows(_line_row(line) for line in statement.lines)
    table.writerow(_balance_row("closing-balance", statement.closing, known_until(statement)))
    return (_BYTE_ORDER_MARK + rows.getvalue()).encode()


def harmless(text: str) -> str:
    """Return text with an apostrophe before whatever a spreadsheet would take for a formula.

    That is not only at the beginning: where the list separator is a semicolon, spreadsheets split
    these files at semicolons, tabs and line ends, inside of quotes too.
    """
    return _DANGER.sub("'", writable(text))


def _balance_row(kind: str, balance: BalanceAt, at: datetime) -> Sequence[object]:
    posted, currency = balance.posted, balance.currency
    money = ("", "", currency, posted, decimal(posted, currency))
    return (moment(at), "", kind, "", *money, "", "", "", "", "", "", "")


def _line_row(line: Line) -> Sequence[object]:
    entry, party, details = line.entry, line.counterparty, line.details
    return (
        moment(entry.booked_at),
        entry.instruction_id,
        entry.kind.word,
        "in" if entry.posted_delta > 0 else "out",
        abs(entry.posted_delta),
        decimal(entry.posted_delta, entry.currency),
        entry.currency,
        entry.posted_after,
        decimal(entry.posted_after, entry.currency),
        "" if party is None else harmless(party.first_name),
        "" if party is None else harmless(party.initial),
        "" if party is None else harmless(party.handle or ""),
        "" if party is None else party.user_id,
        "" if details is None else harmless(details.note or ""),
        "" if details is None else harmless(details.reference or ""),
        _json({} if details is None else dict(details.metadata or {})),
    )


def _json(metadata: dict[str, str]) -> str:
    """Return metadata as JSON that holds no line end, tab or semicolon to split it at."""
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return writable(text).replace(";", r"\u003b")
