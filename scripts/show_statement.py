"""Show a person's month as a statement: PDF, CSV and camt.053, and the PDF's pages as images.

`make show-statement` writes them to docs/pictures. Images need pdftoppm (poppler-utils).
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from wallet.domain.history import Counterparty, Line
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.money import Currency
from wallet.domain.statements import BalanceAt, Holder, Period, Statement
from wallet.infrastructure.statements import camt053_of, csv_of, pdf_of

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
USD = Currency("USD")
WALLET = UUID("0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a")
OPENING = 184_250
# Who, how much in minor units, and what for: a month as many have it.
MONTH = (
    (None, 285_000, "Salary November"),
    ("Marta K", -98_000, "Rent, Lindenstrasse 12"),
    ("Jonas B", -1_850, "Pizza, thank you!"),
    ("Priya S", -4_200, "Concert ticket"),
    ("Corner Bakery C", -640, None),
    ("Jonas B", 925, "Your half of the taxi"),
    ("Olga S", -12_999, "Running shoes, size 42"),
    ("Corner Bakery C", -710, None),
    ("Amir H", 30_000, "Back for the weekend in Lisbon"),
    ("Priya S", -1_500, "Birthday present for Léa"),
    ("Energy Cooperative E", -7_840, "Electricity, customer 4711-23"),
    ("Corner Bakery C", -580, None),
    ("Chen W", -2_350, "Lunch 李小龙"),
    ("Noa L", 1_200, "תודה על הקפה"),
    (None, 5_000, "Top-up from savings"),
    ("Marta K", -2_500, "Key deposit"),
    ("Jonas B", -3_300, "Climbing hall, five visits"),
    ("Corner Bakery C", -690, None),
)


def month() -> Statement:
    """Return November 2026 of somebody called Ana."""
    period = Period.month(2026, 11)
    posted, lines = OPENING, []
    for number, (who, amount, note) in enumerate(MONTH):
        posted += amount
        booked_at = period.since + timedelta(hours=31 + number * 38, minutes=number * 17)
        name, _, initial = (who or "").rpartition(" ")
        party = Counterparty(UUID(int=number), None, name, initial) if who else None
        entry = Entry(
            account_id=WALLET,
            version=number + 41,
            instruction_id=UUID(int=0x0197A6F2 << 96 | number),
            kind=Kind.TRANSFER if who else Kind.TOP_UP,
            currency=USD,
            posted_delta=amount,
            held_delta=0,
            posted_after=posted,
            held_after=0,
            counterparty_id=None,
            booked_at=booked_at,
            details_digest=None,
            hash=b"",
        )
        lines.append(Line(entry, party, Details(b"", note) if note else None))
    return Statement(
        holder=Holder(UUID(int=1), "Ana", "Meier", "ana"),
        wallet_id=WALLET,
        currency=USD,
        period=period,
        opening=BalanceAt(WALLET, USD, 40, OPENING, 0, None),
        closing=BalanceAt(WALLET, USD, 40 + len(lines), posted, 0, None),
        lines=lines,
        made_at=datetime(2026, 12, 1, 8, 0, tzinfo=UTC),
    )


def main() -> None:
    """Write the files."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    directory.mkdir(parents=True, exist_ok=True)
    statement = month()
    pdf = directory / "statement.pdf"
    pdf.write_bytes(pdf_of(statement))
    (directory / "statement.csv").write_bytes(csv_of(statement))
    (directory / "statement.xml").write_bytes(camt053_of(statement))
    program = shutil.which("pdftoppm")
    if program is None:
        print("There is no pdftoppm here: no images.", file=sys.stderr)
        return
    subprocess.run(
        [program, "-png", "-r", "90", str(pdf), str(directory / "statement")], check=True
    )


if __name__ == "__main__":
    main()
