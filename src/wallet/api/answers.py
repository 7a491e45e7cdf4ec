"""Answers about money, rendered by pure functions from what is stored.

The first time and every time, a key's answer is made here from the instruction and the caller's own
entry: so the bodies are identical to the byte, and never show the other party's account.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from wallet.application.idempotency import KeyOutcome
from wallet.application.top_ups import TopUp
from wallet.domain.adjustments import adjustment_id_of
from wallet.domain.errors import Rejected
from wallet.domain.funding import Funding, FundingStatus, TopUpDeclined
from wallet.domain.history import Counterparty, Line
from wallet.domain.insights import Insight
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.ledger import Outcome
from wallet.domain.money import display
from wallet.domain.search import Count
from wallet.domain.statements import BalanceAt, Statement
from wallet.domain.wallets import WalletView

TOP_UP_STATUS: Mapping[FundingStatus, str] = {
    FundingStatus.PENDING: "pending",
    FundingStatus.SETTLED: "completed",
    FundingStatus.DECLINED: "declined",
}


@lru_cache(maxsize=256)
def moment(value: datetime) -> str:
    """Return a time as RFC 3339 in UTC, always with six digits of a second."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="microseconds")[:-6] + "Z"


def moment_or_none(value: datetime | None) -> str | None:
    """Return a time that there may be."""
    return None if value is None else moment(value)


def balance_after(entry: Entry) -> dict[str, Any]:
    """Return the balance of the caller's wallet after an entry."""
    available = entry.posted_after - entry.held_after
    return {
        "wallet_id": str(entry.account_id),
        "currency": entry.currency,
        "posted": entry.posted_after,
        "held": entry.held_after,
        "available": available,
        "version": entry.version,
        "display": display(available, entry.currency),
    }


def balance(wallet: WalletView) -> dict[str, Any]:
    """Return the balance of a wallet as it is now."""
    return {
        "wallet_id": str(wallet.id),
        "currency": wallet.currency,
        "posted": wallet.posted,
        "held": wallet.held,
        "available": wallet.available,
        "version": wallet.version,
        "display": display(wallet.available, wallet.currency),
    }


def wallet_document(wallet: WalletView) -> dict[str, Any]:
    """Return a wallet with its balance."""
    return {
        "id": str(wallet.id),
        **balance(wallet),
        "overdraft_limit": -wallet.floor,
        "frozen": wallet.freeze.name.lower() if wallet.freeze.name else "none",
        "status": "open" if wallet.closed_at is None else "closed",
        "created_at": moment(wallet.created_at),
    }


def transfer(outcome: Outcome) -> dict[str, Any]:
    """Return an accepted transfer as its payer sees it."""
    header, entry = outcome.header, outcome.entry
    return {
        "id": str(header.id),
        "kind": header.kind.word,
        "status": "completed",
        "amount": header.amount,
        "currency": header.currency,
        "display": display(header.amount, header.currency),
        "wallet_id": str(header.account_id),
        "to_user_id": str(header.counterparty_owner_id),
        **_written(outcome.details),
        "booked_at": moment(outcome.booked_at),
        "balance": None if entry is None else balance_after(entry),
    }


def transfer_batch(outcome: Outcome, *, atomic: bool) -> dict[str, Any]:
    """Return what became of a batch of transfers, with one result per transfer, in order."""
    results = [_batch_result(index, part) for index, part in enumerate(outcome.parts)]
    refused = sum(part.refusal is not None for part in outcome.parts)
    return {
        "id": str(outcome.header.id),
        "kind": outcome.header.kind.word,
        "atomic": atomic,
        "booked_at": moment(outcome.booked_at),
        "accepted": len(results) - refused,
        "refused": refused,
        "results": results,
    }


def _batch_result(index: int, part: Outcome) -> dict[str, Any]:
    if part.refusal is not None:
        return {
            "index": index,
            "status": "refused",
            "transfer": None,
            "refusal": refusal(part.refusal),
        }
    return {"index": index, "status": "completed", "transfer": transfer(part), "refusal": None}


def preview(outcome: Outcome) -> dict[str, Any]:
    """Return what a transfer would come to; its id and time are left out, for it has none."""
    if outcome.refusal is not None:
        facts = refusal(outcome.refusal)
        return {"dry_run": True, "outcome": "refused", "transfer": None, "refusal": facts}
    document = transfer(outcome)
    del document["id"], document["booked_at"], document["status"]
    return {"dry_run": True, "outcome": "accepted", "transfer": document, "refusal": None}


def refusal(reason: Rejected) -> dict[str, Any]:
    """Return why something was refused, outside of a problem."""
    return {"code": reason.code, "title": reason.title(), **reason.facts}


def top_up(result: TopUp) -> dict[str, Any]:
    """Return a top-up as far as it has come."""
    funding, entry = result.funding, result.entry
    return {
        "id": str(funding.id),
        "kind": Kind.TOP_UP.word,
        "status": TOP_UP_STATUS[funding.status],
        "amount": funding.amount,
        "currency": funding.currency,
        "display": display(funding.amount, funding.currency),
        "wallet_id": str(funding.account_id),
        "source": funding.source,
        "created_at": moment(funding.created_at),
        "booked_at": None if entry is None else moment(entry.booked_at),
        "balance": None if entry is None else balance_after(entry),
    }


def line(item: Line) -> dict[str, Any]:
    """Return one line of the caller's history."""
    entry = item.entry
    amount = abs(entry.posted_delta)
    return {
        "id": str(entry.instruction_id),
        "kind": entry.kind.word,
        "direction": "in" if entry.posted_delta > 0 else "out",
        "status": "completed",
        "amount": amount,
        "currency": entry.currency,
        "display": display(entry.posted_delta, entry.currency),
        "wallet_id": str(entry.account_id),
        "counterparty": None if item.counterparty is None else party(item.counterparty),
        **_written(item.details),
        "booked_at": moment(entry.booked_at),
        "balance": balance_after(entry),
    }


def past_balance(found: BalanceAt, at: datetime) -> dict[str, Any]:
    """Return what a wallet held right before an instant."""
    return {
        **_balance_of(found),
        "at": moment(at),
        "booked_at": None if found.booked_at is None else moment(found.booked_at),
    }


def _balance_of(found: BalanceAt) -> dict[str, Any]:
    return {
        "wallet_id": str(found.wallet_id),
        "currency": found.currency,
        "posted": found.posted,
        "held": found.held,
        "available": found.available,
        "version": found.version,
        "display": display(found.available, found.currency),
    }


def statement(made: Statement) -> dict[str, Any]:
    """Return a statement with all of its lines."""
    return {
        "wallet_id": str(made.wallet_id),
        "currency": made.currency,
        "booked_from": moment(made.period.since),
        "booked_to": moment(made.period.until),
        "made_at": moment(made.made_at),
        "final": made.final,
        "opening": _balance_of(made.opening),
        "totals": asdict(made.totals),
        "closing": _balance_of(made.closing),
        "lines": [line(item) for item in made.lines],
    }


def insight(found: Insight) -> dict[str, Any]:
    """Return money in and out by month."""
    return {
        "wallet_id": str(found.wallet_id),
        "currency": found.currency,
        "months": [
            {
                "month": f"{month.year:04}-{month.month:02}",
                "complete": month.complete,
                "total": asdict(month.total),
                "kinds": [{"kind": k.word, **asdict(flow)} for k, flow in month.kinds.items()],
                "counterparties": [
                    {"counterparty": party(who), **asdict(flow)}
                    for who, flow in month.counterparties
                ],
                "others": asdict(month.others),
            }
            for month in found.months
        ],
    }


def party(seen: Counterparty) -> dict[str, Any]:
    """Return what is seen of a counterparty."""
    return {
        "user_id": str(seen.user_id),
        "handle": seen.handle,
        "first_name": seen.first_name,
        "initial": seen.initial,
    }


def count(found: Count) -> dict[str, Any]:
    """Return how many lines were counted, and `10,000+` where there are more."""
    more = "" if found.exact else "+"
    return {"lines": found.lines, "exact": found.exact, "display": f"{found.lines:,}{more}"}


def key_outcome(found: KeyOutcome | None) -> dict[str, Any]:
    """Return what an idempotency key has come to.

    `unknown` does not say that nothing happened: the request may be under way.
    """
    if found is None:
        return {"status": "unknown", "kind": None, "id": None, "resource": None, "refusal": None}
    header = found.outcome.header
    kind = Kind.TOP_UP if header.kind is Kind.TOP_UP_REQUEST else header.kind
    document: dict[str, Any] = {
        "status": "accepted",
        "kind": kind.word,
        "id": None,
        "resource": None,
        "refusal": None,
    }
    if found.outcome.refusal is not None:
        return document | {"status": "refused", "refusal": refusal(found.outcome.refusal)}
    if header.kind is Kind.TRANSFER_BATCH:
        return document | {"id": str(header.id)}
    if header.kind is Kind.REFUND:
        return document | {"id": str(header.id), "resource": f"/admin/transactions/{header.id}"}
    if header.kind is Kind.ADJUSTMENT_REQUEST:
        id_ = adjustment_id_of(header.id)
        return document | {"id": str(id_), "resource": f"/admin/adjustments/{id_}"}
    if found.funding is None:
        return document | {"id": str(header.id), "resource": f"/transactions/{header.id}"}
    return document | _funding_outcome(found.funding)


def _funding_outcome(funding: Funding) -> dict[str, Any]:
    if funding.status is FundingStatus.DECLINED:
        declined = refusal(TopUpDeclined(reason=funding.reason))
        return {"status": "refused", "id": str(funding.id), "refusal": declined}
    if funding.status is FundingStatus.PENDING:
        return {"status": "pending", "id": str(funding.id)}
    return {"id": str(funding.id), "resource": f"/transactions/{funding.id}"}


def _written(details: Details | None) -> dict[str, Any]:
    """Return note, reference and metadata; the keys sorted, as the database does not keep order."""
    if details is None:
        return {"note": None, "reference": None, "metadata": {}}
    return {
        "note": details.note,
        "reference": details.reference,
        "metadata": dict(sorted((details.metadata or {}).items())),
    }
