"""Cards: what staff see of a person and of a wallet in a list; nothing here is a credential."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from wallet.domain.users import Role, User
from wallet.domain.wallets import WalletView


@dataclass(frozen=True, slots=True)
class PersonCard:
    """What staff see of a person in a list."""

    id: UUID
    first_name: str
    last_name: str
    handle: str | None
    email: str | None
    role: Role
    created_at: datetime
    closed_at: datetime | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


def card_of(user: User) -> PersonCard:
    """Return what staff see of a person."""
    return PersonCard(
        user.id,
        user.first_name,
        user.last_name,
        user.handle,
        user.email,
        user.role,
        user.created_at,
        user.closed_at,
    )


@dataclass(frozen=True, slots=True)
class WalletCard:
    """A wallet, whose it is, and when money moved last."""

    wallet: WalletView
    owner: PersonCard
    last_booked_at: datetime | None
