"""A statement as ISO 20022 camt.053, checked against the schema that ISO publishes.

The schema is a file of the package `camt053`; none of that package's code is run.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring

import pytest
import xmlschema
from tests.fakes.statements import ANA, line, statement

from wallet.domain.history import Counterparty
from wallet.domain.journal import Kind
from wallet.domain.statements import Holder, Period, Statement
from wallet.infrastructure.statements import camt053_of

NAMES = {"": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


@cache
def schema() -> xmlschema.XMLSchema:
    path = distribution("camt053").locate_file("camt053/xsd/camt.053.001.08.xsd")
    return xmlschema.XMLSchema(Path(str(path)))


def read(made: Statement) -> Element:
    """Return the statement's element, after the whole document was found valid."""
    content = camt053_of(made)
    schema().validate(content.decode())
    found = fromstring(content).find("BkToCstmrStmt/Stmt", NAMES)  # noqa: S314 (it is our own)
    assert found is not None
    return found


def texts(element: Element, path: str) -> Sequence[str | None]:
    return [each.text for each in element.findall(path, NAMES)]


def test_the_schema_is_that_of_iso_and_refuses_what_is_not_a_statement() -> None:
    assert schema().target_namespace == "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
    wrong = camt053_of(statement(line(-1))).replace(b"<Cd>BOOK</Cd>", b"<Cd></Cd>")
    assert not schema().is_valid(wrong.decode())


def test_a_statement_without_lines_has_both_balances_and_no_entry() -> None:
    found = read(statement(opening=12345))
    assert texts(found, "Bal/Tp/CdOrPrtry/Cd") == ["OPBD", "CLBD"]
    assert texts(found, "Bal/Amt") == ["123.45", "123.45"]
    assert texts(found, "Bal/CdtDbtInd") == ["CRDT", "CRDT"]
    assert texts(found, "Bal/Dt/Dt") == ["2026-11-01", "2026-11-30"]
    assert texts(found, "Ntry") == []
    assert texts(found, "TxsSummry/TtlNtries/NbOfNtries") == ["0"]
    assert texts(found, "TxsSummry/TtlNtries/Sum") == ["0.00"]


def test_balances_below_zero_are_debits_without_a_sign() -> None:
    found = read(statement(line(-250), opening=-100))
    assert texts(found, "Bal/Amt") == ["1.00", "3.50"]
    assert texts(found, "Bal/CdtDbtInd") == ["DBIT", "DBIT"]


def test_the_account_is_the_wallet_and_its_owner() -> None:
    found = read(statement())
    assert texts(found, "Acct/Id/Othr/Id") == ["0192f0c123457abc8def00000000a11c"]
    assert texts(found, "Acct/Ccy") == ["USD"]
    assert texts(found, "Acct/Ownr/Nm") == ["Ana Meier"]
    assert texts(found, "Acct/Ownr/Id/PrvtId/Othr/Id") == ["0192f0c10000700080000000000000" + "0a"]


def test_the_period_is_given_by_its_first_and_its_last_moment() -> None:
    found = read(statement())
    assert texts(found, "CreDtTm") == ["2026-12-01T09:30:00.000000Z"]
    assert texts(found, "FrToDt/FrDtTm") == ["2026-11-01T00:00:00.000000Z"]
    assert texts(found, "FrToDt/ToDtTm") == ["2026-11-30T23:59:59.999999Z"]
    assert texts(found, "AddtlStmtInf") == []


def test_a_period_that_is_not_over_is_said_not_to_be_final() -> None:
    found = read(statement(made_at=datetime(2026, 11, 24, 17, 59, tzinfo=UTC)))
    assert texts(found, "Bal/Dt/Dt") == ["2026-11-01", "2026-11-24"]
    assert texts(found, "AddtlStmtInf") == [
        "Not final: made before the period was over, so lines may still be added."
    ]


def test_a_transfer_that_went_out_is_a_debit_with_its_creditor() -> None:
    booked_at = datetime(2026, 11, 3, 14, 5, 6, 7, tzinfo=UTC)
    entry = read(statement(line(-1234, note="Rent", reference="INV-1", booked_at=booked_at))).find(
        "Ntry", NAMES
    )
    assert entry is not None
    amount = entry.find("Amt", NAMES)
    assert amount is not None
    assert (amount.text, amount.get("Ccy")) == ("12.34", "USD")
    assert texts(entry, "NtryRef") == ["11"]
    assert texts(entry, "CdtDbtInd") == ["DBIT"]
    assert texts(entry, "Sts/Cd") == ["BOOK"]
    assert texts(entry, "BookgDt/Dt") == texts(entry, "ValDt/Dt") == ["2026-11-03"]
    assert texts(entry, "AcctSvcrRef") == ["00000000000070008000000000000001"]
    assert texts(entry, "BkTxCd/Domn/Cd") == ["PMNT"]
    assert texts(entry, "BkTxCd/Domn/Fmly/Cd") == ["ICDT"]
    assert texts(entry, "BkTxCd/Domn/Fmly/SubFmlyCd") == ["BOOK"]
    assert texts(entry, "BkTxCd/Prtry/Cd") == ["transfer"]
    details = entry.find("NtryDtls/TxDtls", NAMES)
    assert details is not None
    assert texts(details, "Refs/EndToEndId") == ["INV-1"]
    assert texts(details, "RltdPties/Cdtr/Pty/Nm") == ["Bob M."]
    assert texts(details, "RltdPties/Cdtr/Pty/Id/PrvtId/Othr/Id") == [
        "0192f0c100007000800000000000000b",
        "bob",
    ]
    assert texts(details, "RltdPties/Dbtr") == []
    assert texts(details, "RmtInf/Ustrd") == ["Rent"]
    assert texts(details, "RltdDts/TxDtTm") == ["2026-11-03T14:05:06.000007Z"]


def test_a_transfer_that_came_in_is_a_credit_with_its_debtor() -> None:
    found = read(statement(line(500)))
    assert texts(found, "Ntry/CdtDbtInd") == ["CRDT"]
    assert texts(found, "Ntry/BkTxCd/Domn/Fmly/Cd") == ["RCDT"]
    assert texts(found, "Ntry/NtryDtls/TxDtls/RltdPties/Dbtr/Pty/Nm") == ["Bob M."]


def test_a_top_up_has_no_party_and_is_another_kind_of_credit() -> None:
    found = read(statement(line(500, kind=Kind.TOP_UP, party=None)))
    assert texts(found, "Ntry/BkTxCd/Domn/Fmly/SubFmlyCd") == ["OTHR"]
    assert texts(found, "Ntry/BkTxCd/Prtry/Cd") == ["top-up"]
    assert texts(found, "Ntry/NtryDtls/TxDtls/RltdPties") == []


def test_totals_are_given_for_each_side_and_for_both() -> None:
    found = read(statement(line(-1234), line(500), line(-66), opening=9000))
    summary = found.find("TxsSummry", NAMES)
    assert summary is not None
    assert texts(summary, "TtlNtries/NbOfNtries") == ["3"]
    assert texts(summary, "TtlNtries/Sum") == ["18.00"]
    assert texts(summary, "TtlNtries/TtlNetNtry/Amt") == ["8.00"]
    assert texts(summary, "TtlNtries/TtlNetNtry/CdtDbtInd") == ["DBIT"]
    assert texts(summary, "TtlCdtNtries/NbOfNtries") == ["1"]
    assert texts(summary, "TtlCdtNtries/Sum") == ["5.00"]
    assert texts(summary, "TtlDbtNtries/NbOfNtries") == ["2"]
    assert texts(summary, "TtlDbtNtries/Sum") == ["13.00"]


def test_a_sum_of_more_digits_than_the_schema_has_room_for_is_left_out() -> None:
    # More than one line may move, in place of the thousand lines that would come to as much.
    summary = read(statement(line(6 * 10**17), line(-6 * 10**17))).find("TxsSummry", NAMES)
    assert summary is not None
    assert texts(summary, "TtlNtries/NbOfNtries") == ["2"]
    assert texts(summary, "TtlNtries/Sum") == []
    assert texts(summary, "TtlCdtNtries/Sum") == ["6000000000000000.00"]


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("JPY", "1234"), ("USD", "12.34"), ("KWD", "1.234"), ("CLF", "0.1234")],
)
def test_amounts_have_the_digits_of_the_currency(currency: str, amount: str) -> None:
    found = read(statement(line(-1234), currency=currency))
    assert texts(found, "Ntry/Amt") == [amount]


def test_the_largest_amounts_and_balances_are_valid() -> None:
    largest = statement(line(10**15), opening=8 * 10**15, currency="KWD")
    assert texts(read(largest), "Bal/Amt") == ["8000000000000.000", "9000000000000.000"]


def test_a_long_note_is_cut_into_pieces_that_join_to_the_whole() -> None:
    note = ("x" * 139 + " ") + "y" * 140 + " " + "z" * 20
    found = texts(read(statement(line(-1, note=note))), "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd")
    assert [len(text or "") for text in found] == [140, 140, 21]
    assert "".join(text or "" for text in found) == note


def test_a_reference_of_35_characters_is_the_end_to_end_id() -> None:
    found = read(statement(line(-1, reference="R" * 35)))
    assert texts(found, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["R" * 35]
    assert texts(found, "Ntry/AddtlNtryInf") == []


def test_a_longer_reference_is_given_in_full_beside_the_entry() -> None:
    found = read(statement(line(-1, reference="R" * 100)))
    assert texts(found, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["NOTPROVIDED"]
    assert texts(found, "Ntry/AddtlNtryInf") == ["Reference: " + "R" * 100]


def test_without_a_reference_none_is_provided() -> None:
    found = read(statement(line(-1), line(-1, erased=True)))
    assert texts(found, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["NOTPROVIDED", "NOTPROVIDED"]
    assert texts(found, "Ntry/NtryDtls/TxDtls/RmtInf") == []


def test_markup_in_a_note_is_text() -> None:
    found = read(statement(line(-1, note="<Amt>&amp;</Amt> ]]>")))
    assert texts(found, "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd") == ["<Amt>&amp;</Amt> ]]>"]


def test_characters_that_xml_does_not_allow_are_removed_or_replaced() -> None:
    note = "a\x00b\x08c\x0bd\x1be\ufffef\ud800g\r\nh\U0001f355"
    found = read(statement(line(-1, note=note, reference="\x01\x02")))
    assert texts(found, "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd") == ["abcde\ufffdf\ufffdg\nh\U0001f355"]
    assert texts(found, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["NOTPROVIDED"]


def test_names_that_are_too_long_or_empty_leave_the_document_valid() -> None:
    nobody = Holder(ANA.user_id, "\x00", "", None)
    long = Counterparty(UUID(int=1), "h" * 40, "Ñ" * 400, "")
    assert texts(read(statement(holder=nobody)), "Acct/Ownr/Nm") == []
    party = "Ntry/NtryDtls/TxDtls/RltdPties/Dbtr/Pty"
    assert texts(read(statement(line(1, party=long))), f"{party}/Nm") == ["Ñ" * 140]


def test_the_same_statement_gives_the_same_bytes() -> None:
    assert camt053_of(statement(line(-1))) == camt053_of(statement(line(-1)))


def test_statements_of_two_periods_have_two_ids() -> None:
    ids = {
        text
        for month in (10, 11)
        for text in texts(read(statement(period=Period.month(2026, month))), "Id")
    }
    assert len(ids) == 2
    assert {len(text or "") for text in ids} == {32}
