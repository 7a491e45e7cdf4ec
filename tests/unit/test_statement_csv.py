"""A statement as CSV: what spreadsheets read, and what they must not run."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.statements import BOB, line, statement

from wallet.domain.history import Counterparty
from wallet.domain.journal import Kind
from wallet.domain.statements import Statement
from wallet.infrastructure.statements import csv_of
from wallet.infrastructure.statements.csv_statement import harmless


def rows(made: Statement) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(StringIO(csv_of(made).decode("utf-8-sig"), newline="")))


def note_of(note: str) -> str:
    return rows(statement(line(-1, note=note)))[1]["note"]


def test_the_file_begins_with_a_byte_order_mark_and_the_names_of_the_columns() -> None:
    first = csv_of(statement()).split(b"\r\n")[0]
    assert first == (
        b"\xef\xbb\xbfbooked_at,id,kind,direction,amount,amount_decimal,currency,balance_after,"
        b"balance_after_decimal,counterparty_first_name,counterparty_initial,counterparty_handle,"
        b"counterparty_user_id,note,reference,metadata"
    )


def test_a_line_that_went_out_is_written_in_full() -> None:
    booked_at = datetime(2026, 11, 3, 14, 5, 6, 7, tzinfo=UTC)
    paid = line(
        -1234,
        note="Rent, November",
        reference="INV-1",
        metadata={"order": "4711", "a": "b"},
        booked_at=booked_at,
    )
    text = csv_of(statement(paid, opening=5000)).decode("utf-8-sig")
    assert text.split("\r\n")[2] == (
        "2026-11-03T14:05:06.000007Z,00000000-0000-7000-8000-000000000001,transfer,out,1234,-12.34,"
        "USD,3766,37.66,Bob,M,bob,0192f0c1-0000-7000-8000-00000000000b,"
        '"Rent, November",INV-1,"{""a"":""b"",""order"":""4711""}"'
    )


def test_a_line_without_a_counterparty_leaves_its_columns_empty() -> None:
    found = rows(statement(line(500, kind=Kind.TOP_UP, party=None)))[1]
    assert [value for name, value in found.items() if name.startswith("counterparty")] == [""] * 4
    assert (found["kind"], found["direction"], found["amount_decimal"]) == ("top-up", "in", "5.00")


def test_a_line_whose_details_were_erased_is_still_there() -> None:
    found = rows(statement(line(-1, erased=True)))[1]
    assert (found["note"], found["reference"], found["metadata"]) == ("", "", "{}")


def test_the_opening_balance_comes_first_and_the_closing_one_last_both_without_an_amount() -> None:
    found = rows(statement(line(-1234), line(99), opening=5000))
    assert [each["kind"] for each in found] == [
        "opening-balance",
        "transfer",
        "transfer",
        "closing-balance",
    ]
    assert found[0] | {"metadata": ""} == {
        "booked_at": "2026-11-01T00:00:00.000000Z",
        "id": "",
        "kind": "opening-balance",
        "direction": "",
        "amount": "",
        "amount_decimal": "",
        "currency": "USD",
        "balance_after": "5000",
        "balance_after_decimal": "50.00",
        "counterparty_first_name": "",
        "counterparty_initial": "",
        "counterparty_handle": "",
        "counterparty_user_id": "",
        "note": "",
        "reference": "",
        "metadata": "",
    }
    assert found[3]["booked_at"] == "2026-12-01T00:00:00.000000Z"
    assert (found[3]["balance_after"], found[3]["balance_after_decimal"]) == ("3865", "38.65")


def test_the_closing_balance_of_a_period_that_is_not_over_is_that_of_when_it_was_made() -> None:
    made_at = datetime(2026, 11, 24, 17, 59, tzinfo=UTC)
    assert rows(statement(made_at=made_at))[-1]["booked_at"] == "2026-11-24T17:59:00.000000Z"


@pytest.mark.parametrize(
    ("currency", "decimal"), [("JPY", "-1234"), ("USD", "-12.34"), ("KWD", "-1.234")]
)
def test_decimals_have_the_digits_of_the_currency(currency: str, decimal: str) -> None:
    assert rows(statement(line(-1234), currency=currency))[1]["amount_decimal"] == decimal


@pytest.mark.parametrize(
    ("note", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-5 off", "'-5 off"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\x00\x1f=1", "'=1"),
        ("\tbread", "'\tbread"),
        ("\rbread", "'\rbread"),
        ("\nbread", "'\nbread"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠x", "'＠x"),
        (' "=1"', '\' "=1"'),
    ],
)
def test_what_a_spreadsheet_would_run_is_written_as_text(note: str, written: str) -> None:
    assert note_of(note) == written


@pytest.mark.parametrize(
    ("note", "written"),
    [
        ("x;=1", "x;'=1"),
        ("x; =1", "x;' =1"),
        ("x\t=1", "x\t'=1"),
        ("x\n=1", "x\n'=1"),
        ("x\r\n@a", "x\r\n'@a"),
        ('x;"=1"', 'x;\'"=1"'),
    ],
)
def test_formulas_behind_a_place_where_a_cell_may_be_split_are_text_too(
    note: str, written: str
) -> None:
    assert note_of(note) == written


@pytest.mark.parametrize(
    "note", ["1+1=2", "me@example.org", "A-B", "'=1", "milk; bread", 'say "hi"', "a,b", "a\r\nb"]
)
def test_other_text_comes_back_as_it_was_written(note: str) -> None:
    assert note_of(note) == note


def test_names_handles_and_references_are_harmless_too() -> None:
    mallory = Counterparty(UUID(int=1), "-x", "=cmd", "@")
    found = rows(statement(line(-1, party=mallory, reference="+1")))[1]
    assert found["counterparty_first_name"] == "'=cmd"
    assert found["counterparty_initial"] == "'@"
    assert found["counterparty_handle"] == "'-x"
    assert found["reference"] == "'+1"


def test_metadata_is_json_that_a_semicolon_cannot_split() -> None:
    found = rows(statement(line(-1, metadata={"k": "a;=1\n=2", "ü": "\ud800"})))[1]
    assert found["metadata"] == r'{"k":"a\u003b=1\n=2","ü":"' + "\ufffd" + '"}'


def test_control_characters_and_half_characters_are_no_part_of_the_file() -> None:
    assert note_of("a\x00b\x1b[31mc\x85d\ud83de") == "ab[31mcd\ufffde"


@given(st.text(st.characters()))
def test_whatever_is_written_no_part_of_it_becomes_a_formula(text: str) -> None:
    content = csv_of(statement(line(-1, note=text, party=BOB))).decode("utf-8-sig")
    for separator in (";", "\t"):
        for row in content.replace("\r", "\n").replace(separator, "\n").split("\n"):
            assert row.lstrip(' "\u3000\xa0').startswith(tuple("=+-@＝＋－＠")) is False


@given(st.text(st.characters()))
def test_only_apostrophes_are_added(text: str) -> None:
    plain = harmless(text).replace("'", "")
    assert plain == harmless(plain).replace("'", "")
    assert len(harmless(text)) <= 2 * len(text) + 1
