"""Receipts: one document that shows an entry, and that it is in the log.

A receipt shows what its holder may see and everything that the entry's hash covers: among that is
the id of the account on the other side, which says nothing about whose it is or what it holds.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from wallet.domain.history import Line
from wallet.domain.journal import microseconds
from wallet.domain.proofs import RECEIPT_FORMAT, Checkpoint, PublicKey
from wallet.domain.users import User


def checkpoint_document(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as it is published; the fields are those of its signed text."""
    return {
        "log_id": str(checkpoint.log_id),
        "number": checkpoint.number,
        "tree_size": checkpoint.tree_size,
        "root_hash": checkpoint.root_hash.hex(),
        "made_at_us": microseconds(checkpoint.made_at),
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature.hex(),
    }


def receipt_document(
    line: Line,
    holder: User | None,
    *,
    previous_hash: bytes,
    position: int,
    path: Sequence[bytes],
    checkpoint: Checkpoint,
    keys: Sequence[PublicKey],
    signer: PublicKey,
    issued_at_us: int,
) -> dict[str, Any]:
    """Return a receipt that lacks nothing but its signature."""
    used = {key.key_id: key for key in (*keys, signer)}
    return {
        "format": RECEIPT_FORMAT,
        "issued_at_us": issued_at_us,
        "key_id": signer.key_id,
        "kind": line.entry.kind.word,
        "holder": _holder(holder),
        "counterparty": _counterparty(line),
        "entry": _entry(line, previous_hash),
        "details": _details(line),
        "inclusion": {"position": position, "hashes": [hash_.hex() for hash_ in path]},
        "checkpoint": checkpoint_document(checkpoint),
        "keys": [
            used[key_id].document()
            for key_id in dict.fromkeys((signer.key_id, checkpoint.key_id))
            if key_id in used
        ],
    }


def _entry(line: Line, previous_hash: bytes) -> dict[str, Any]:
    """Return everything that the entry's hash covers, in the order in which it does."""
    entry = line.entry
    return {
        "previous_hash": previous_hash.hex(),
        "account_id": str(entry.account_id),
        "version": entry.version,
        "instruction_id": str(entry.instruction_id),
        "kind": int(entry.kind),
        "currency": str(entry.currency),
        "posted_delta": entry.posted_delta,
        "held_delta": entry.held_delta,
        "posted_after": entry.posted_after,
        "held_after": entry.held_after,
        "counterparty_id": _text(entry.counterparty_id),
        "booked_at_us": microseconds(entry.booked_at),
        "details_digest": None if entry.details_digest is None else entry.details_digest.hex(),
        "hash": entry.hash.hex(),
    }


def _details(line: Line) -> dict[str, Any] | None:
    """Return what was written, with its salt; None if nothing was, or if it was erased."""
    details = line.details
    if details is None:
        return None
    return {
        "salt": details.salt.hex(),
        "note": details.note,
        "reference": details.reference,
        "metadata": dict(sorted((details.metadata or {}).items())),
    }


def _holder(holder: User | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    return {
        "user_id": str(holder.id),
        "handle": holder.handle,
        "first_name": holder.first_name,
        "last_name": holder.last_name,
    }


def _counterparty(line: Line) -> dict[str, Any] | None:
    party = line.counterparty
    if party is None:
        return None
    return {
        "user_id": str(party.user_id),
        "handle": party.handle,
        "first_name": party.first_name,
        "initial": party.initial,
    }


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)
