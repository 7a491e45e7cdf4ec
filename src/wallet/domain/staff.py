"""Staff: who of the operator's people may do what; one table, read on every request.

The role comes from the database each time, never from a token: whoever is dismissed loses it with
the next request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from wallet.domain.errors import Forbidden, Invalid
from wallet.domain.users import Role

REASON_LENGTH_MIN = 3
REASON_LENGTH_MAX = 500


class Right(StrEnum):
    """Something that staff may do."""

    READ = "read"
    FREEZE = "freeze"
    REFUND = "refund"
    FORCE_REFUND = "force-refund"
    END_SESSIONS = "end-sessions"
    CLOSE_WALLET = "close-wallet"
    GRANT_OVERDRAFT = "grant-overdraft"
    REQUEST_ADJUSTMENT = "request-adjustment"
    DECIDE_ADJUSTMENT = "decide-adjustment"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.USER: frozenset(),
    Role.AUDITOR: frozenset({Right.READ}),
    Role.SUPPORT: frozenset({Right.READ, Right.FREEZE, Right.REFUND, Right.END_SESSIONS}),
    Role.ADMIN: frozenset(Right),
}
"""The one table of who may do what."""


class RightMissing(Forbidden):
    """Your role does not allow this."""

    code = "right-missing"


class OwnAffairs(Forbidden):
    """Nobody of the staff decides about what is their own."""

    code = "own-affairs"


class ReasonInvalid(Invalid):
    """A reason has 3 to 500 characters that are not blank."""

    code = "reason-invalid"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One of the staff in one request, as the database knew them when it began."""

    id: UUID | None
    name: str
    role: Role | None
    request_id: str | None = None

    def require(self, right: Right) -> None:
        """Raise `RightMissing` unless the role has this right."""
        if self.role is None or right not in RIGHTS[self.role]:
            raise RightMissing(right=right.value)

    def require_other(self, *person_ids: UUID | None) -> None:
        """Raise `OwnAffairs` if one of these people is the member themselves."""
        if self.id is not None and self.id in person_ids:
            raise OwnAffairs


def command_line(name: str) -> StaffMember:
    """Return whoever runs a command on the machine itself: no person of this service."""
    return StaffMember(None, f"command line: {name}", None)


def reason_of(text: str) -> str:
    """Return a reason without blanks around it; raise `ReasonInvalid` if little is left."""
    reason = text.strip()
    if not REASON_LENGTH_MIN <= len(reason) <= REASON_LENGTH_MAX:
        raise ReasonInvalid(field="reason", minimum=REASON_LENGTH_MIN, maximum=REASON_LENGTH_MAX)
    return reason
