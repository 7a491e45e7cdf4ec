"""A statement as a page: what it says, on how many pages, and that no text can break it."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from tests.fakes.statements import ANA, line, statement

from wallet.domain.history import Counterparty
from wallet.domain.journal import Kind
from wallet.domain.statements import Holder, Period, Statement
from wallet.infrastructure.statements import pdf_of
from wallet.infrastructure.statements.pages import Row, pages_of

UNDER_WAY = datetime(2026, 11, 24, 17, 59, tzinfo=UTC)


def reader(made: Statement) -> PdfReader:
    return PdfReader(BytesIO(pdf_of(made)), strict=True)


def pages(made: Statement) -> Sequence[str]:
    return [page.extract_text() for page in reader(made).pages]


def words(made: Statement) -> str:
    """Return everything a statement says, with single spaces."""
    return re.sub(r"\s+", " ", " ".join(pages(made)))


def test_the_same_statement_gives_the_same_bytes() -> None:
    assert pdf_of(statement(line(-1))) == pdf_of(statement(line(-1)))


def test_threads_do_not_disturb_each_other() -> None:
    made = [statement(line(-1, note=note)) for note in ("Miete", "Ενοίκιο", "家賃", "שכירות")]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(pdf_of, made * 4)) == [pdf_of(each) for each in made * 4]


def test_the_file_says_what_it_is_for_lists_and_for_screen_readers() -> None:
    found = reader(statement())
    assert found.metadata is not None
    assert found.metadata.title == "Statement of Ana Meier, November 2026, USD"
    assert found.metadata.author == "Wallet"
    assert found.metadata.subject == "Wallet 0192f0c1-2345-7abc-8def-00000000a11c"
    assert found.metadata.creation_date == datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    assert str(found.root_object["/Lang"]) == "en"
    assert str(found.root_object["/ViewerPreferences"]) == "{'/DisplayDocTitle': True}"


def test_pages_are_a4_and_bring_all_their_fonts() -> None:
    content = pdf_of(statement(line(-1, note="家賃")))
    page = PdfReader(BytesIO(content)).pages[0]
    assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
    fonts = re.findall(rb"/BaseFont /(\S+)", content)
    assert sorted(fonts) == [
        b"AAAAAA+FiraGO-Bold",
        b"AAAAAA+FiraGO-Regular",
        b"AAAAAA+NotoSans-Bold",
        b"AAAAAA+NotoSans-Regular",
        b"AAAAAA+WenQuanYiMicroHei-0",
    ]
    assert content.count(b"/FontFile2 ") == len(fonts)


def test_the_first_page_names_the_holder_the_wallet_and_the_period() -> None:
    said = words(statement())
    for text in ("Statement November 2026", "Ana Meier", "@ana", "Wallet …0000a11c in USD"):
        assert text in said


def test_the_sums_of_the_period_are_on_the_first_page() -> None:
    said = words(statement(line(-123456), line(500), line(700), opening=1_000_000))
    assert "Opening balance 10,000.00 1 November 2026" in said
    assert "Money in +12.00 2 movements" in said
    assert "Money out −1,234.56 1 movement" in said
    assert "Closing balance 8,777.44 30 November 2026" in said


def test_what_is_held_is_said_beside_the_closing_balance() -> None:
    assert "Closing balance 10.00 2.50 held" in words(statement(opening=1000, held=250))


def test_a_month_without_lines_says_so() -> None:
    said = words(statement(opening=12345))
    assert "1 Nov 2026 Opening balance 123.45" in said
    assert "No money came in or went out." in said
    assert "30 Nov 2026 Closing balance 123.45" in said
    assert "Page 1 of 1" in said


def test_a_line_says_when_with_whom_how_much_and_what_was_left() -> None:
    booked_at = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
    paid = line(-1234, note="Rent", reference="INV-1", booked_at=booked_at)
    said = words(statement(paid, opening=1_000_000))
    assert "3 Nov 2026 14:05 To Bob M. (@bob) Rent Reference INV-1 −12.34 9,987.66" in said


def test_what_came_in_has_a_plus_and_its_payer() -> None:
    assert "From Bob M. (@bob) +5.00 5.00" in words(statement(line(500)))


def test_a_top_up_is_called_one() -> None:
    assert "Top-up +5.00 5.00" in words(statement(line(500, kind=Kind.TOP_UP, party=None)))


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "+123,456,789,012"), ("KWD", "+123,456,789.012")]
)
def test_amounts_have_the_digits_of_the_currency(currency: str, amount: str) -> None:
    said = words(statement(line(123_456_789_012), currency=currency))
    assert f"Money in {amount} 1 movement" in said
    assert f"Amount, {currency} Balance, {currency}" in said


def test_a_period_that_is_over_is_final() -> None:
    said = words(statement())
    assert "Made on 1 December 2026, 09:30 UTC" in said
    assert "Final: nothing can be added to this period any more." in said
    assert "Not final" not in said


def test_a_period_that_is_not_over_closes_nothing() -> None:
    said = words(statement(made_at=UNDER_WAY))
    assert "Not final yet: this period is not over, and more may be added to it." in said
    assert "24 Nov 2026 Balance so far 0.00" in said
    assert "Closing balance" not in said


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        ("2026-02-01T00:00Z", "2026-03-01T00:00Z", "February 2026"),
        ("2026-12-01T00:00Z", "2027-01-01T00:00Z", "December 2026"),
        ("2026-11-03T00:00Z", "2026-11-04T00:00Z", "3 November 2026"),
        ("2026-11-03T00:00Z", "2026-11-10T00:00Z", "3 November 2026 to 9 November 2026"),
        (
            "2026-11-03T14:05Z",
            "2026-11-24T00:00Z",
            "3 November 2026, 14:05 UTC to 24 November 2026, 00:00 UTC",
        ),
    ],
)
def test_the_period_is_said_in_words(since: str, until: str, text: str) -> None:
    period = Period(datetime.fromisoformat(since), datetime.fromisoformat(until))
    assert f"Statement {text} Made on" in words(statement(period=period))


def test_every_page_has_the_head_of_the_table_and_its_number() -> None:
    said = pages(statement(*[line(-1, note=f"note {n}") for n in range(50)], opening=1000))
    assert len(said) == 3
    for number, page in enumerate(said, start=1):
        assert re.search(r"Date\s+Description\s+Amount, USD\s+Balance, USD", page)
        assert f"Page {number} of 3" in page
    assert [("Closing balance" in page) for page in said] == [True, False, True]
    assert "Statement, November 2026" in said[2]


def test_two_thousand_lines_are_all_there() -> None:
    said = words(statement(*[line(1, note=f"note {n}.") for n in range(2000)]))
    assert [f"note {n}." in said for n in range(2000)] == [True] * 2000
    assert "20.00" in said


def test_markup_in_a_note_is_text() -> None:
    assert "<b>Tom & Jerry</b> &amp; <para>" in words(
        statement(line(-1, note="<b>Tom & Jerry</b> &amp; <para>"))
    )


def test_greek_and_cyrillic_and_many_letters_of_one_font_can_be_read() -> None:
    han = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    said = words(statement(line(-1, note="Ευχαριστώ. Спасибо. Dziękuję."), line(-1, note=han)))
    assert "Ευχαριστώ. Спасибо. Dziękuję." in said
    assert han in said.replace(" ", "")


def test_an_emoji_is_named() -> None:
    said = words(
        statement(line(-1, note="Pizza \U0001f355 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea"))
    )
    assert "Pizza [slice of pizza] [thumbs up sign] DE" in said


def test_letters_that_no_font_has_are_replaced_and_a_note_says_so() -> None:
    said = words(statement(line(-1, note="தமிழ்")))
    assert "To Bob M. (@bob) □□□□ −0.01" in said
    assert "□ stands for a character that this page has no letter for" in said


def test_without_replaced_letters_there_is_no_note_about_them() -> None:
    assert "□" not in words(statement(line(-1, note="Miete")))


def test_the_largest_amounts_and_the_longest_names_fit_on_the_page() -> None:
    long = Counterparty(UUID(int=1), "h" * 30, "Wolfeschlegelsteinhausenbergerdorff " * 11, "W")
    holder = Holder(ANA.user_id, "Maximiliane " * 30, "Hohenzollern", "h" * 30)
    made = statement(
        line(10**15, party=long, note="W" * 500, reference="R" * 100),
        opening=-9 * 10**15,
        currency="KWD",
        holder=holder,
    )
    page = reader(made).pages[0]
    places: list[float] = []
    page.extract_text(visitor_text=lambda text, _, matrix, *__: places.append(matrix[4]))
    assert min(place for place in places if place) >= 48
    assert "+1,000,000,000,000.000 −8,000,000,000,000.000" in words(made)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=20))
def test_whatever_people_write_there_is_a_page(note: str, name: str) -> None:
    made = statement(
        line(-1, note=note, reference=note, party=Counterparty(UUID(int=1), None, name, name[:1])),
        holder=Holder(ANA.user_id, name, note, None),
    )
    assert pdf_of(made).startswith(b"%PDF-")


def test_the_closing_balance_never_stands_alone_on_a_page() -> None:
    rows = [Row("", "", [f"row {number}"], [], "", "") for number in range(4)]
    height = rows[0].height
    pages = pages_of(rows, first_room=3 * height, room=3 * height)
    assert [len(page) for page in pages] == [2, 2]
    assert [row.title for page in pages for row in page] == [row.title for row in rows]
