"""Answers to staff, rendered by pure functions; nothing here shows a credential."""

from typing import Any

from wallet.api import answers
from wallet.api.answers import moment
from wallet.application.adjustments import AdjustmentView
from wallet.application.back_office import ActView, Found, WholePerson
from wallet.application.movements import RefusalView
from wallet.domain.cards import PersonCard, WalletCard
from wallet.domain.errors import rejection_of
from wallet.domain.events import Event
from wallet.domain.history import Line
from wallet.domain.ledger import Outcome
from wallet.domain.money import display
from wallet.domain.movements import Movement, MovementSide, Refusal
from wallet.domain.refunds import BookedTransfer
from wallet.domain.sessions import Session

JsonObject = dict[str, Any]


def person(card: PersonCard) -> JsonObject:
    """Return a person in a list."""
    return {
        "id": str(card.id),
        "first_name": card.first_name,
        "last_name": card.last_name,
        "handle": card.handle,
        "email": card.email,
        "role": card.role.value,
        "status": "open" if card.closed_at is None else "closed",
        "created_at": moment(card.created_at),
    }


def wallet(card: WalletCard) -> JsonObject:
    """Return a wallet with its owner and what staff have decided about it."""
    view = card.wallet
    document = answers.wallet_document(view)
    del document["wallet_id"]
    return {
        **document,
        "owner": person(card.owner),
        "overdraft_limit": -view.floor,
        "debt": view.debt,
        "last_booked_at": None if card.last_booked_at is None else moment(card.last_booked_at),
    }


def movement(found: Movement) -> JsonObject:
    """Return a movement with both of its sides."""
    entry = found.source.entry
    transfer = found.transfer
    details = found.details
    return {
        "id": str(found.id),
        "kind": found.kind.word,
        "status": "completed",
        "amount": found.amount,
        "currency": entry.currency,
        "display": display(found.amount, entry.currency),
        "booked_at": moment(entry.booked_at),
        "source": _side(found.source),
        "target": _side(found.target),
        "note": None if details is None else details.note,
        "reference": None if details is None else details.reference,
        "metadata": dict(sorted((details.metadata or {}).items())) if details else {},
        "refunded": found.refunded,
        "refundable": 0 if transfer is None else found.amount - found.refunded,
        "refunds": [
            {"id": str(r.id), "amount": r.amount, "booked_at": moment(r.booked_at)}
            for r in found.refunds
        ],
        "refund_of": None if found.refund_of is None else str(found.refund_of),
    }


def _side(side: MovementSide) -> JsonObject:
    entry = side.entry
    return {
        "account_id": str(entry.account_id),
        "purpose": side.purpose.value,
        "owner": None if side.owner is None else person(side.owner),
        "version": entry.version,
        "posted_after": entry.posted_after,
        "held_after": entry.held_after,
        "display_after": display(entry.posted_after - entry.held_after, entry.currency),
    }


def refund(transfer: BookedTransfer, outcome: Outcome) -> JsonObject:
    """Return a refund, the same bytes whenever its key comes again."""
    header = outcome.header
    return {
        "id": str(header.id),
        "kind": header.kind.word,
        "status": "completed",
        "amount": header.amount,
        "currency": header.currency,
        "display": display(header.amount, header.currency),
        "transfer_id": str(transfer.id),
        "from_wallet_id": str(header.account_id),
        "from_user_id": str(header.owner_id),
        "to_wallet_id": str(header.counterparty_id),
        "to_user_id": str(header.counterparty_owner_id),
        "booked_at": moment(outcome.booked_at),
    }


def adjustment(view: AdjustmentView) -> JsonObject:
    """Return an adjustment as far as it has come."""
    found = view.adjustment
    return {
        "id": str(found.id),
        "status": found.status.value,
        "wallet": wallet(view.wallet),
        "amount": found.amount,
        "currency": found.currency,
        "display": display(found.amount, found.currency),
        "reason": found.reason,
        "requested_by": person(view.requested_by),
        "requested_at": moment(found.requested_at),
        "decided_by": None if view.decided_by is None else person(view.decided_by),
        "decided_at": None if found.decided_at is None else moment(found.decided_at),
        "decision_reason": found.decision_reason,
    }


def act(view: ActView) -> JsonObject:
    """Return an act of staff."""
    found = view.act
    return {
        "id": str(found.id),
        "act": found.kind.value,
        "happened_at": moment(found.happened_at),
        "actor": None if view.actor is None else person(view.actor),
        "actor_name": found.actor.name,
        "role": None if found.actor.role is None else found.actor.role.value,
        "subject": {"kind": found.subject_kind.value, "id": str(found.subject_id)},
        "person_id": None if found.person_id is None else str(found.person_id),
        "reason": found.reason,
        "before": dict(found.before),
        "after": dict(found.after),
        "request_id": found.actor.request_id,
    }


def session(found: Session) -> JsonObject:
    """Return somewhere a person is logged in."""
    return {
        "id": str(found.id),
        "created_at": moment(found.created_at),
        "last_used_at": moment(found.last_used_at),
        "expires_at": moment(found.expires_at),
        "user_agent": found.user_agent,
        "address": found.address,
    }


def refused_attempt(found: Refusal) -> JsonObject:
    """Return something that the books refused."""
    return {
        "id": str(found.id),
        "kind": found.kind.word,
        "amount": found.amount,
        "currency": found.currency,
        "display": display(found.amount, found.currency),
        "code": found.code,
        "title": title_of(found.code),
        "happened_at": moment(found.happened_at),
    }


def refusal(view: RefusalView) -> JsonObject:
    """Return something that the books refused, with its facts and the people it is about."""
    found = view.refusal
    return {
        **refused_attempt(found),
        "facts": dict(found.facts),
        "account_id": str(found.account_id),
        "owner": None if view.owner is None else person(view.owner),
        "counterparty": None if view.counterparty is None else person(view.counterparty),
    }


def title_of(code: str) -> str:
    """Return what a stored refusal's code is called."""
    return type(rejection_of(code, {})).title()


def whole_person(found: WholePerson) -> JsonObject:
    """Return a person's whole picture."""
    closed_at = found.card.closed_at
    return {
        **person(found.card),
        "email_verified": found.email_verified_at is not None,
        "default_currency": found.default_currency,
        "closed_at": None if closed_at is None else moment(closed_at),
        "former_handles": list(found.former_handles),
        "second_factor": found.has_second_factor,
        "wallets": [wallet(card) for card in found.wallets],
        "sessions": [session(item) for item in found.sessions],
        "counts": {
            "movements": sum(card.wallet.version for card in found.wallets),
            "sessions": len(found.sessions),
            "acts": found.acts,
        },
        "recent": [answers.line(line) for line in found.recent],
        "recent_refusals": [refused_attempt(item) for item in found.recent_refusals],
        "recent_acts": [act(view) for view in found.recent_acts],
    }


def timeline_item(item: Line | Event | ActView) -> JsonObject:
    """Return one thing that happened to a person."""
    nothing: JsonObject = {"event": None, "transaction": None, "act": None}
    match item:
        case Line():
            line = answers.line(item)
            place = {"type": "transaction", "at": line["booked_at"], "id": line["id"]}
            return {**place, **nothing, "transaction": line}
        case Event():
            place = {"type": "event", "at": moment(item.happened_at), "id": str(item.id)}
            return {**place, **nothing, "event": {"kind": item.kind, "facts": dict(item.facts)}}
        case ActView():
            document = act(item)
            place = {"type": "act", "at": document["happened_at"], "id": document["id"]}
            return {**place, **nothing, "act": document}


def found(result: Found) -> JsonObject:
    """Return what a search found."""
    return {
        "people": [person(card) for card in result.people],
        "wallets": [wallet(card) for card in result.wallets],
        "transactions": [movement(item) for item in result.movements],
        "refusals": [refusal(item) for item in result.refusals],
    }
