"""The audit trail: what staff did, to whom, why, and what it changed; written once, for ever.

An act is written in the transaction of what it tells of: there is neither without the other. The
seal over an act tells `wallet verify` whether its row was changed since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from wallet.domain.errors import NotFound
from wallet.domain.journal import canonical, microseconds
from wallet.domain.staff import StaffMember

SEAL_DOMAIN = b"wallet-act-v1"


class ActKind(StrEnum):
    """What was done."""

    PERSON_VIEWED = "person.viewed"
    ROLE_CHANGED = "person.role-changed"
    SESSIONS_ENDED = "sessions.ended"
    SECOND_FACTOR_RESET = "person.second-factor-reset"
    WALLET_FROZEN = "wallet.frozen"
    WALLET_UNFROZEN = "wallet.unfrozen"
    WALLET_CLOSED = "wallet.closed"
    OVERDRAFT_SET = "wallet.overdraft-set"
    TRANSFER_REFUNDED = "transfer.refunded"
    ADJUSTMENT_REQUESTED = "adjustment.requested"
    ADJUSTMENT_APPROVED = "adjustment.approved"
    ADJUSTMENT_REJECTED = "adjustment.rejected"


TOLD_AS_EVENTS = frozenset(
    {
        ActKind.WALLET_FROZEN.value,
        ActKind.WALLET_UNFROZEN.value,
        ActKind.WALLET_CLOSED.value,
        ActKind.OVERDRAFT_SET.value,
        "user.appointed",
        "user.second-factor-reset",
    }
)
"""The events by which people hear of acts; who reads the acts need not read them as well."""


class SubjectKind(StrEnum):
    """What it was done to."""

    PERSON = "person"
    WALLET = "wallet"
    TRANSACTION = "transaction"
    ADJUSTMENT = "adjustment"


class ActNotFound(NotFound):
    """There is no such act in the audit trail."""

    code = "act-not-found"


@dataclass(frozen=True, slots=True)
class Act:
    """One act of staff; `person_id` is whose affairs it touched.

    `before` and `after` hold what was changed, as plain JSON values. Only looking at something
    needs no reason.
    """

    id: UUID
    kind: ActKind
    happened_at: datetime
    actor: StaffMember
    subject_kind: SubjectKind
    subject_id: UUID
    person_id: UUID | None = None
    reason: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seal(self) -> bytes:
        """SHA-256 over everything that the row says."""
        actor = self.actor
        content = {
            "act": self.kind.value,
            "actor_id": _text(actor.id),
            "actor_name": actor.name,
            "after": dict(self.after),
            "before": dict(self.before),
            "happened_at_us": microseconds(self.happened_at),
            "id": str(self.id),
            "person_id": _text(self.person_id),
            "reason": self.reason,
            "request_id": actor.request_id,
            "role": None if actor.role is None else actor.role.value,
            "subject_id": str(self.subject_id),
            "subject_kind": self.subject_kind.value,
        }
        return sha256(SEAL_DOMAIN + canonical(content)).digest()


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


@dataclass(frozen=True, slots=True)
class ActPlace:
    """Where a list of acts goes on: behind the act of this time and id, towards older ones."""

    happened_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class ActSearch:
    """Which acts are asked for; `since` is inclusive, `until` is not.

    `subject_id` is what an act was done to, or the person whose affairs it touched; `views` is
    whether looking at a person counts.
    """

    actor_id: UUID | None = None
    subject_id: UUID | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    views: bool = True


class AuditTrail(Protocol):
    """Where acts are written and read; nothing can change one."""

    async def add(self, act: Act) -> None:
        """Write an act in the caller's transaction."""
        ...

    async def get(self, id_: UUID) -> Act | None:
        """Return an act, if there is one of this id."""
        ...

    async def has_viewed(self, actor_id: UUID, person_id: UUID, since: datetime) -> bool:
        """Tell whether the trail says since then that somebody looked at a person."""
        ...

    async def page(
        self, search: ActSearch, *, before: ActPlace | None, limit: int
    ) -> Sequence[Act]:
        """Return the next `limit` acts that are asked for, newest first."""
        ...

    async def count(self, person_id: UUID, limit: int) -> int:
        """Return how many acts touched a person, up to `limit`; looking is none of them."""
        ...
