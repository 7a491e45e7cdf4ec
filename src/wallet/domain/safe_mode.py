"""Safe mode: the books are in doubt, so nothing moves until an operator has looked.

It is entered by the self-audit and left by an operator only, with a reason; both are kept.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Unavailable


class SafeModeOn(Unavailable):
    """No money moves while the books are being looked into; nothing was done, reading goes on."""

    code = "safe-mode"


@dataclass(frozen=True, slots=True)
class SafeModeEntered:
    """Since when the service has been in safe mode, and why."""

    id: UUID
    entered_at: datetime
    reason: str


class SafeModes(Protocol):
    """Where it is kept, so that a restart does not forget."""

    async def current(self) -> SafeModeEntered | None:
        """Return what the service is in now, or None."""
        ...

    async def enter(self, entered: SafeModeEntered) -> bool:
        """Enter; False if it had been entered already."""
        ...

    async def leave(self, left_at: datetime, left_by: str, reason: str) -> bool:
        """Leave; False if there was nothing to leave."""
        ...
