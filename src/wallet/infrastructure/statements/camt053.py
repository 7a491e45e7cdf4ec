"""A statement as a bank sends it to accounting software: ISO 20022 camt.053.001.08.

That version is the one that banks and their customers exchange; later ones add nothing that a
wallet could fill in. Only what is known is said: there is no IBAN, no bank and no address here.
"""

from uuid import uuid5
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from wallet.domain.history import Counterparty, Line
from wallet.domain.journal import Kind
from wallet.domain.statements import BalanceAt, Statement
from wallet.infrastructure.statements.words import (
    decimal,
    last_day,
    last_moment,
    moment,
    name_of,
    writable,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
NOT_FINAL = "Not final: made before the period was over, so lines may still be added."
NOT_PROVIDED = "NOTPROVIDED"
_ISSUER = "wallet"
_WITHIN = (Kind.TRANSFER, Kind.REFUND)
"""What moves money between people of this house."""
_ID_LENGTH_MAX = 35
_NAME_LENGTH_MAX = 140
_REMITTANCE_LENGTH_MAX = 140
_INFORMATION_LENGTH_MAX = 500
_SUM_DIGITS_MAX = 18


def camt053_of(statement: Statement) -> bytes:
    """Return a statement as an XML document, valid against the schema of camt.053.001.08.

    Amounts are decimals with the digits that ISO 4217 gives the currency, and days are those of
    UTC. Ids are UUIDs without dashes, which is what 35 characters have room for.
    """
    document = Element("Document", {"xmlns": NAMESPACE})
    message = SubElement(document, "BkToCstmrStmt")
    header = SubElement(message, "GrpHdr")
    _put(header, "MsgId", _id_of(statement, moment(statement.made_at)))
    _put(header, "CreDtTm", moment(statement.made_at))
    _write_statement(SubElement(message, "Stmt"), statement)
    indent(document)
    content: bytes = tostring(document, encoding="UTF-8", xml_declaration=True)
    return content + b"\n"


def _write_statement(parent: Element, statement: Statement) -> None:
    _put(parent, "Id", _id_of(statement, str(statement.closing.version)))
    pages = SubElement(parent, "StmtPgntn")
    _put(pages, "PgNb", "1")
    _put(pages, "LastPgInd", "true")
    _put(parent, "CreDtTm", moment(statement.made_at))
    period = SubElement(parent, "FrToDt")
    _put(period, "FrDtTm", moment(statement.period.since))
    _put(period, "ToDtTm", moment(last_moment(statement)))
    _write_account(SubElement(parent, "Acct"), statement)
    first_day = statement.period.since.date().isoformat()
    _write_balance(SubElement(parent, "Bal"), "OPBD", statement.opening, first_day)
    _write_balance(
        SubElement(parent, "Bal"), "CLBD", statement.closing, last_day(statement).isoformat()
    )
    _write_totals(SubElement(parent, "TxsSummry"), statement)
    for line in statement.lines:
        _write_entry(SubElement(parent, "Ntry"), line)
    if not statement.final:
        _put(parent, "AddtlStmtInf", NOT_FINAL)


def _write_account(parent: Element, statement: Statement) -> None:
    holder = statement.holder
    _put(parent, "Id/Othr/Id", statement.wallet_id.hex)
    _put(parent, "Ccy", statement.currency)
    owner = SubElement(parent, "Ownr")
    _put(owner, "Nm", _clean(f"{holder.first_name} {holder.last_name}")[:_NAME_LENGTH_MAX])
    _put(owner, "Id/PrvtId/Othr/Id", holder.user_id.hex)


def _write_balance(parent: Element, code: str, balance: BalanceAt, day: str) -> None:
    _put(parent, "Tp/CdOrPrtry/Cd", code)
    _write_amount(parent, balance.posted, balance.currency)
    _put(parent, "Dt/Dt", day)


def _write_totals(parent: Element, statement: Statement) -> None:
    totals, currency = statement.totals, statement.currency
    everything = SubElement(parent, "TtlNtries")
    _put(everything, "NbOfNtries", str(len(statement.lines)))
    _write_sum(everything, decimal(totals.amount_in + totals.amount_out, currency))
    net = totals.amount_in - totals.amount_out
    _put(everything, "TtlNetNtry/Amt", decimal(abs(net), currency))
    _put(everything[-1], "CdtDbtInd", _side(net))
    for tag, count, total in (
        ("TtlCdtNtries", totals.lines_in, totals.amount_in),
        ("TtlDbtNtries", totals.lines_out, totals.amount_out),
    ):
        side = SubElement(parent, tag)
        _put(side, "NbOfNtries", str(count))
        _write_sum(side, decimal(total, currency))


def _write_sum(parent: Element, total: str) -> None:
    """Write a sum unless it has more digits than the schema allows; the count says enough then."""
    if sum(map(str.isdigit, total)) <= _SUM_DIGITS_MAX:
        _put(parent, "Sum", total)


def _write_entry(parent: Element, line: Line) -> None:
    entry = line.entry
    day = entry.booked_at.date().isoformat()
    _put(parent, "NtryRef", str(entry.version))
    _write_amount(parent, entry.posted_delta, entry.currency)
    _put(parent, "Sts/Cd", "BOOK")
    _put(parent, "BookgDt/Dt", day)
    _put(parent, "ValDt/Dt", day)
    _put(parent, "AcctSvcrRef", entry.instruction_id.hex)
    _write_code(SubElement(parent, "BkTxCd"), line)
    _write_transaction(SubElement(SubElement(parent, "NtryDtls"), "TxDtls"), line)
    reference = _reference(line)
    if len(reference) > _ID_LENGTH_MAX:
        _put(parent, "AddtlNtryInf", f"Reference: {reference}"[:_INFORMATION_LENGTH_MAX])


def _write_code(parent: Element, line: Line) -> None:
    """Write what kind of entry it is: payments within the house, or money from outside of it."""
    domain = SubElement(parent, "Domn")
    _put(domain, "Cd", "PMNT")
    family = SubElement(domain, "Fmly")
    _put(family, "Cd", "RCDT" if line.entry.posted_delta > 0 else "ICDT")
    _put(family, "SubFmlyCd", "BOOK" if line.entry.kind in _WITHIN else "OTHR")
    own = SubElement(parent, "Prtry")
    _put(own, "Cd", line.entry.kind.word)
    _put(own, "Issr", _ISSUER)


def _write_transaction(parent: Element, line: Line) -> None:
    entry, party, reference = line.entry, line.counterparty, _reference(line)
    references = SubElement(parent, "Refs")
    _put(references, "AcctSvcrRef", entry.instruction_id.hex)
    fits = 0 < len(reference) <= _ID_LENGTH_MAX
    _put(references, "EndToEndId", reference if fits else NOT_PROVIDED)
    _write_amount(parent, entry.posted_delta, entry.currency)
    if party is not None:
        role = "Dbtr" if entry.posted_delta > 0 else "Cdtr"
        parties = SubElement(parent, "RltdPties")
        _write_party(SubElement(SubElement(parties, role), "Pty"), party)
    _write_note(parent, "" if line.details is None else line.details.note or "")
    _put(parent, "RltdDts/TxDtTm", moment(entry.booked_at))


def _write_party(parent: Element, party: Counterparty) -> None:
    _put(parent, "Nm", _clean(name_of(party))[:_NAME_LENGTH_MAX])
    _put(parent, "Id/PrvtId/Othr/Id", party.user_id.hex)
    if party.handle:
        other = SubElement(parent[-1][0], "Othr")
        _put(other, "Id", party.handle[:_ID_LENGTH_MAX])
        _put(other, "SchmeNm/Prtry", "handle")


def _write_note(parent: Element, note: str) -> None:
    text = _clean(note)
    starts = range(0, len(text), _REMITTANCE_LENGTH_MAX)
    chunks = [text[start : start + _REMITTANCE_LENGTH_MAX] for start in starts]
    if chunks:
        remittance = SubElement(parent, "RmtInf")
        for chunk in chunks:
            _put(remittance, "Ustrd", chunk)


def _write_amount(parent: Element, amount: int, currency: str) -> None:
    """Write an amount in minor units: never below zero, its sign being a word beside it."""
    _put(parent, "Amt", decimal(abs(amount), currency))
    parent[-1].set("Ccy", currency)
    _put(parent, "CdtDbtInd", _side(amount))


def _side(amount: int) -> str:
    return "DBIT" if amount < 0 else "CRDT"


def _reference(line: Line) -> str:
    return "" if line.details is None else _clean(line.details.reference or "")


def _clean(text: str) -> str:
    return writable(text).replace("\r\n", "\n").replace("\r", "\n").strip()


def _put(parent: Element, path: str, text: str) -> None:
    """Add new elements along a path, and text in the last; empty text adds nothing."""
    if text:
        for tag in path.split("/"):
            parent = SubElement(parent, tag)
        parent.text = text


def _id_of(statement: Statement, distinction: str) -> str:
    """Return an id that is the same whenever the same statement is asked for."""
    period = statement.period
    name = f"{moment(period.since)}/{moment(period.until)}/{distinction}"
    return uuid5(statement.wallet_id, name).hex
