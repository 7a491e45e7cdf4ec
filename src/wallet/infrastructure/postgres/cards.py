"""People and wallets as staff see them: columns, and what maps them."""

from wallet.domain.cards import PersonCard, WalletCard
from wallet.domain.users import Role
from wallet.infrastructure.postgres.pool import Record
from wallet.infrastructure.postgres.wallets import wallet_of

CARD_COLUMNS = """
       u.id AS person_id, u.first_name, u.last_name, u.handle, u.email, u.role,
       u.created_at AS joined_at, u.closed_at AS left_at
"""

WALLET_COLUMNS = (
    CARD_COLUMNS
    + """,
       a.id, a.owner_id, a.currency, a.posted, a.held, a.version, a.floor, a.frozen,
       a.created_at, a.closed_at, a.head_booked_at
"""
)


def card_of(row: "Record") -> PersonCard:
    """Map the columns of a person."""
    return PersonCard(
        id=row["person_id"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        handle=row["handle"],
        email=row["email"],
        role=Role(row["role"]),
        created_at=row["joined_at"],
        closed_at=row["left_at"],
    )


def wallet_card_of(row: "Record") -> WalletCard:
    """Map a row to a wallet and whose it is."""
    return WalletCard(wallet_of(row), card_of(row), row["head_booked_at"])
