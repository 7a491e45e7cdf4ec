"""The back office on PostgreSQL: what staff look at; each list walks an index."""

import json
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from wallet.domain.audit_trail import TOLD_AS_EVENTS
from wallet.domain.back_office import MATCHES_MAX, EventPlace, PeopleSearch, WalletSearch
from wallet.domain.cards import PersonCard, WalletCard
from wallet.domain.events import Event
from wallet.domain.movements import Refusal
from wallet.domain.users import Role
from wallet.infrastructure.postgres.audit_trail import LAST_ID, NEVER
from wallet.infrastructure.postgres.cards import (
    CARD_COLUMNS,
    WALLET_COLUMNS,
    card_of,
    wallet_card_of,
)
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.movements import REFUSAL_COLUMNS, refusal_of
from wallet.infrastructure.postgres.pool import Connection

PEOPLE_FILTERS = """
FROM users u
WHERE u.id < $1 AND ($2::text IS NULL OR u.role = $2)
  AND ($3::boolean IS NULL OR (u.closed_at IS NOT NULL) = $3)
"""
PEOPLE_ORDER = " ORDER BY u.id DESC LIMIT $4"

PEOPLE = "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + PEOPLE_ORDER

STAFF = "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + "AND u.role <> 'user'" + PEOPLE_ORDER

LEFT = "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + "AND u.closed_at IS NOT NULL" + PEOPLE_ORDER

NAMED = "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + "AND u.id = ANY ($5::uuid[])" + PEOPLE_ORDER

# Those of the staff and those who left are few enough to look at each of them.
CALLED = """
  AND (starts_with(lower(u.first_name), lower($5)) OR starts_with(lower(u.last_name), lower($5))
    OR starts_with(lower(u.email), lower($5))
    OR EXISTS (SELECT FROM user_handles h
               WHERE h.user_id = u.id AND starts_with(h.handle, lower($5)))
    OR ($7 <> '' AND starts_with(lower(u.first_name), lower($6))
        AND starts_with(lower(u.last_name), lower($7)))
    OR ($7 <> '' AND starts_with(lower(u.last_name), lower($6))
        AND starts_with(lower(u.first_name), lower($7)))
    OR starts_with(lower(u.first_name || ' ' || u.last_name), lower($5))
    OR starts_with(lower(u.last_name || ' ' || u.first_name), lower($5)))
"""

STAFF_CALLED = (
    "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + "AND u.role <> 'user'" + CALLED + PEOPLE_ORDER
)

LEFT_CALLED = (
    "SELECT" + CARD_COLUMNS + PEOPLE_FILTERS + "AND u.closed_at IS NOT NULL" + CALLED + PEOPLE_ORDER
)

CARDS = "SELECT" + CARD_COLUMNS + "FROM users u WHERE u.id = ANY ($1::uuid[])"

# Whatever begins with the words, or is called by the first of them and then by the rest, or by the
# whole name, in either order: both names may be of several words. These operators compare bytes, so
# they find the indexes in any locale.
BEGINNING_WITH = """
SELECT id FROM (
    (SELECT user_id AS id FROM user_handles
     WHERE handle ~>=~ lower($1) AND handle ~<~ (lower($1) || $4)
     ORDER BY handle USING ~<~ LIMIT $5)
    UNION ALL
    (SELECT user_id FROM user_emails
     WHERE address ~>=~ lower($1) AND address ~<~ (lower($1) || $4)
     ORDER BY address USING ~<~ LIMIT $5)
    UNION ALL
    (SELECT id FROM users WHERE lower(first_name) ~>=~ lower($1)
     AND lower(first_name) ~<~ (lower($1) || $4) ORDER BY lower(first_name) USING ~<~, id LIMIT $5)
    UNION ALL
    (SELECT id FROM users WHERE lower(last_name) ~>=~ lower($1)
     AND lower(last_name) ~<~ (lower($1) || $4) ORDER BY lower(last_name) USING ~<~, id LIMIT $5)
    UNION ALL
    (SELECT id FROM users WHERE $3 <> '' AND lower(first_name) ~>=~ lower($2)
     AND lower(first_name) ~<~ (lower($2) || $4)
     AND (starts_with(lower(last_name), lower($3))
       OR starts_with(lower(first_name || ' ' || last_name), lower($1)))
     ORDER BY lower(first_name) USING ~<~, id LIMIT $5)
    UNION ALL
    (SELECT id FROM users WHERE $3 <> '' AND lower(last_name) ~>=~ lower($2)
     AND lower(last_name) ~<~ (lower($2) || $4)
     AND (starts_with(lower(first_name), lower($3))
       OR starts_with(lower(last_name || ' ' || first_name), lower($1)))
     ORDER BY lower(last_name) USING ~<~, id LIMIT $5)
) AS found
GROUP BY id
"""
HIGHEST = "\U0010ffff"
"""Follows whatever a word may go on with."""

WALLETS = (
    "SELECT"
    + WALLET_COLUMNS
    + """
FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.id < $1 AND a.purpose = 'wallet' AND ($2::boolean IS NULL OR (a.frozen <> 0) = $2)
ORDER BY a.id DESC LIMIT $3
"""
)

FROZEN_WALLETS = (
    "SELECT"
    + WALLET_COLUMNS
    + """
FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.id < $1 AND a.frozen <> 0 AND ($2::text IS NULL OR a.currency = $2)
ORDER BY a.id DESC LIMIT $3
"""
)

WALLETS_OF_CURRENCY = (
    "SELECT"
    + WALLET_COLUMNS
    + """
FROM wallets w JOIN accounts a ON a.id = w.account_id JOIN users u ON u.id = a.owner_id
WHERE w.currency = $4 AND w.account_id < $1 AND ($2::boolean IS NULL OR (a.frozen <> 0) = $2)
ORDER BY w.account_id DESC LIMIT $3
"""
)

WALLETS_AT = (
    "SELECT"
    + WALLET_COLUMNS
    + """
FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.id = ANY ($1::uuid[]) AND a.purpose = 'wallet'
"""
)

WALLETS_OF = (
    "SELECT"
    + WALLET_COLUMNS
    + """
FROM wallets w JOIN accounts a ON a.id = w.account_id JOIN users u ON u.id = a.owner_id
WHERE w.owner_id = $1 ORDER BY w.currency
"""
)

# An id begins with its time: the newest instructions of a wallet are the end of its primary key.
REFUSALS = (
    "SELECT"  # noqa: S608 - constants alone
    + REFUSAL_COLUMNS
    + """
FROM wallets w
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM instructions WHERE account_id = w.account_id ORDER BY id DESC LIMIT 500
    ) AS lately
    WHERE refusal_code IS NOT NULL ORDER BY id DESC LIMIT $2
) AS i
WHERE w.owner_id = $1
ORDER BY i.booked_at DESC, i.id DESC LIMIT $2
"""
)

EVENTS = """
SELECT id, person_id, kind, facts, happened_at FROM events
WHERE person_id = $1 AND happened_at <= $2 AND (happened_at, id) < ($2, $3)
  AND kind <> ALL ($5::text[])
ORDER BY happened_at DESC, id DESC LIMIT $4
"""


class PostgresBackOffice:
    """What staff look at, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def people(
        self, search: PeopleSearch, *, before: UUID | None, limit: int
    ) -> Sequence[PersonCard]:
        """Return the next `limit` people that are asked for with an id below `before`."""
        role = None if search.role is None else search.role.value
        filters = (before or LAST_ID, role, search.closed, limit)
        with translated():
            if search.words and search.closed:
                rows = await self._connection.fetch(LEFT_CALLED, *filters, *_words(search))
            elif search.words and search.role not in (None, Role.USER):
                rows = await self._connection.fetch(STAFF_CALLED, *filters, *_words(search))
            elif search.id is not None or search.words:
                rows = await self._connection.fetch(NAMED, *filters, await self._named(search))
            elif search.role not in (None, Role.USER):
                rows = await self._connection.fetch(STAFF, *filters)
            elif search.closed:
                rows = await self._connection.fetch(LEFT, *filters)
            else:
                rows = await self._connection.fetch(PEOPLE, *filters)
        return [card_of(row) for row in rows]

    async def _named(self, search: PeopleSearch) -> list[UUID]:
        if search.id is not None:
            return [search.id]
        rows = await self._connection.fetch(BEGINNING_WITH, *_words(search), HIGHEST, MATCHES_MAX)
        return [row["id"] for row in rows]

    async def cards(self, ids: Sequence[UUID]) -> Mapping[UUID, PersonCard]:
        """Return these people, by id; who does not exist is left out."""
        with translated():
            rows = await self._connection.fetch(CARDS, list(set(ids)))
        return {row["person_id"]: card_of(row) for row in rows}

    async def wallets(
        self, search: WalletSearch, *, before: UUID | None, limit: int
    ) -> Sequence[WalletCard]:
        """Return the next `limit` wallets that are asked for with an id below `before`."""
        place = before or LAST_ID
        with translated():
            if search.frozen:
                rows = await self._connection.fetch(FROZEN_WALLETS, place, search.currency, limit)
            elif search.currency is not None:
                rows = await self._connection.fetch(
                    WALLETS_OF_CURRENCY, place, search.frozen, limit, search.currency
                )
            else:
                rows = await self._connection.fetch(WALLETS, place, search.frozen, limit)
        return [wallet_card_of(row) for row in rows]

    async def wallet(self, wallet_id: UUID) -> WalletCard | None:
        """Return one wallet, or None."""
        return (await self.wallets_at([wallet_id])).get(wallet_id)

    async def wallets_at(self, wallet_ids: Collection[UUID]) -> Mapping[UUID, WalletCard]:
        """Return these wallets, by id; what does not exist is left out."""
        with translated():
            rows = await self._connection.fetch(WALLETS_AT, list(wallet_ids))
        return {row["id"]: wallet_card_of(row) for row in rows}

    async def wallets_of(self, owner_id: UUID) -> Sequence[WalletCard]:
        """Return a person's wallets, by currency."""
        with translated():
            rows = await self._connection.fetch(WALLETS_OF, owner_id)
        return [wallet_card_of(row) for row in rows]

    async def refusals(self, owner_id: UUID, limit: int) -> Sequence[Refusal]:
        """Return what was refused to a person lately, newest first."""
        with translated():
            rows = await self._connection.fetch(REFUSALS, owner_id, limit)
        return [refusal_of(row) for row in rows]

    async def events(
        self, person_id: UUID, *, before: EventPlace | None, limit: int
    ) -> Sequence[Event]:
        """Return the next `limit` events of a person, newest first, but for what is an act too."""
        place = before or EventPlace(NEVER, LAST_ID)
        with translated():
            rows = await self._connection.fetch(
                EVENTS, person_id, place.happened_at, place.id, limit, list(TOLD_AS_EVENTS)
            )
        return [
            Event(row["id"], row["person_id"], row["kind"], json.loads(row["facts"]), happened_at)
            for row in rows
            for happened_at in [row["happened_at"]]
        ]


def _words(search: PeopleSearch) -> tuple[str, str, str]:
    """Return all words together, the first of them, and the rest."""
    head, *rest = search.words
    return " ".join(search.words), head, " ".join(rest)
