"""Movements on PostgreSQL, found by their id alone and shown with both sides.

The books are keyed by account and have no index of ids: an id begins with the time it was made at,
and what was booked around that time names its accounts. So nothing is paid for it per transfer.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

from wallet.domain.accounts import Purpose
from wallet.domain.ids import instant_of
from wallet.domain.journal import Kind
from wallet.domain.money import BALANCE_MAX, Currency
from wallet.domain.movements import (
    FIRST_ID,
    Movement,
    MovementPage,
    MovementPlace,
    MovementSearch,
    MovementSide,
    Refusal,
    RefusalPage,
)
from wallet.domain.refunds import Refund
from wallet.infrastructure.postgres.cards import CARD_COLUMNS, card_of
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.ledger import details_of
from wallet.infrastructure.postgres.lines import entry_of
from wallet.infrastructure.postgres.pool import Connection, Record

BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
WINDOWS = (
    (timedelta(seconds=0.02), timedelta(seconds=0.1)),
    (timedelta(seconds=0.5), timedelta(seconds=2)),
    (timedelta(seconds=5), timedelta(seconds=15)),
    (timedelta(minutes=2), timedelta(minutes=5)),
)
"""How long before and after its id was made something is looked for; the last leaves room for
clocks that differ.
"""

# What staff did, and what a funding source decided late, is booked long after its id was made.
BOOKED_LATER = """
SELECT account_id FROM adjustments WHERE id = $1
UNION ALL SELECT source_id FROM refunds WHERE id = $1
UNION ALL SELECT account_id FROM fundings WHERE id = $1 AND created_at BETWEEN $2 AND $3
LIMIT 1
"""

BOOKED_AROUND = """
SELECT e.account_id
FROM (
    SELECT DISTINCT unnest(account_ids) AS account_id FROM batches
    WHERE booked_at BETWEEN $2 AND $3
) AS named
CROSS JOIN LATERAL (
    SELECT account_id FROM entries
    WHERE account_id = named.account_id AND instruction_id = $1 OFFSET 0
) AS e
LIMIT 1
"""

SIDES = (
    """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.booked_at, e.details_digest, e.hash,
       d.salt, d.note, d.reference, d.metadata, a.purpose,
"""  # noqa: S608 - constants alone
    + CARD_COLUMNS
    + """
FROM (
    SELECT own.instruction_id, unnest(ARRAY[own.account_id, own.counterparty_id]) AS account_id
    FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, instruction_id)
    JOIN entries own
        ON own.account_id = wanted.account_id AND own.instruction_id = wanted.instruction_id
) AS w
JOIN entries e ON e.account_id = w.account_id AND e.instruction_id = w.instruction_id
JOIN accounts a ON a.id = e.account_id
LEFT JOIN users u ON u.id = a.owner_id
LEFT JOIN details d ON d.account_id = e.account_id AND d.instruction_id = e.instruction_id
WHERE e.posted_delta <> 0
ORDER BY e.booked_at DESC, e.instruction_id DESC, e.posted_delta
"""
)

REFUNDS = """
SELECT r.account_id, r.transfer_id, r.id, r.source_id, r.amount, r.booked_at
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, transfer_id)
JOIN refunds r ON r.account_id = wanted.account_id AND r.transfer_id = wanted.transfer_id
ORDER BY r.booked_at, r.id
"""

REFUNDS_OF = "SELECT id, transfer_id FROM refunds WHERE id = ANY ($1::uuid[])"

# A reference belongs to both sides; the newest ids come last in the order of the index of details.
REFERENCED = """
SELECT DISTINCT instruction_id FROM (
    SELECT instruction_id FROM details WHERE reference = $1 LIMIT $2
) AS found
ORDER BY instruction_id DESC LIMIT $3
"""
REFERENCED_MAX = 1_000


# The newest batches say how far back their entries reach.
STRETCH = """
SELECT min(booked_at) AS begins_at, count(*) AS batches
FROM (SELECT booked_at FROM batches WHERE booked_at < $1 ORDER BY booked_at DESC LIMIT $2) AS lately
"""
STRETCHES = (200, 1_600, 12_800)
"""How many batches one page looks at, one stretch after another, until it is full."""
STRETCHES_MAX_S = 0.1
"""After so long no further stretch is begun, which may be eight times as long."""

# Of each movement the leg that receives: the index of entries by time finds a stretch.
PAGE = """
SELECT account_id, instruction_id, booked_at FROM entries
WHERE booked_at >= $1 AND booked_at <= $2 AND (booked_at, instruction_id) < ($2, $3)
  AND posted_delta BETWEEN $4 AND $5
  AND (cardinality($6::smallint[]) = 0 OR kind = ANY ($6)) AND ($7::text IS NULL OR currency = $7)
ORDER BY booked_at DESC, instruction_id DESC LIMIT $8
"""

REFUSAL_COLUMNS = """
       i.id, i.kind, i.currency, i.amount, i.refusal_code, i.refusal_facts, i.booked_at,
       i.account_id, i.owner_id, i.counterparty_owner_id
"""

REFUSED_AROUND = (
    "SELECT"
    + REFUSAL_COLUMNS
    + """
FROM instructions i
WHERE i.refusal_code IS NOT NULL AND i.booked_at BETWEEN $2 AND $3 AND i.id = $1
"""
)

REFUSALS_EXAMINED_MAX = 5_000
LATELY_REFUSED = """
FROM (
    SELECT * FROM instructions
    WHERE refusal_code IS NOT NULL AND booked_at <= $1 AND (booked_at, id) < ($1, $2)
      AND booked_at >= $3
    ORDER BY booked_at DESC, id DESC
"""

REFUSALS = (
    "SELECT"
    + REFUSAL_COLUMNS
    + LATELY_REFUSED
    + """
) AS i
WHERE (i.booked_at, i.id) >= ($3, $10) AND i.amount BETWEEN $4 AND $5
  AND (cardinality($6::smallint[]) = 0 OR i.kind = ANY ($6))
  AND ($7::text IS NULL OR i.currency = $7) AND ($8::text IS NULL OR i.refusal_code = $8)
ORDER BY i.booked_at DESC, i.id DESC LIMIT $9
"""
)

# Asked first: whatever is refused meanwhile then moves no page's end.
LAST_EXAMINED = "SELECT i.booked_at, i.id" + LATELY_REFUSED + " OFFSET $4 LIMIT 1) AS i"


def side_of(row: "Record") -> MovementSide:
    """Map a row of SIDES."""
    owner = None if row["person_id"] is None else card_of(row)
    return MovementSide(entry_of(row), Purpose(row["purpose"]), owner)


def refusal_of(row: "Record") -> Refusal:
    """Map REFUSAL_COLUMNS."""
    return Refusal(
        id=row["id"],
        kind=Kind(row["kind"]),
        currency=Currency(row["currency"]),
        amount=row["amount"],
        code=row["refusal_code"],
        facts=json.loads(row["refusal_facts"]),
        happened_at=row["booked_at"],
        account_id=row["account_id"],
        owner_id=row["owner_id"],
        counterparty_owner_id=row["counterparty_owner_id"],
    )


class PostgresMovements:
    """Movements and refusals, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def movement(self, movement_id: UUID) -> Movement | None:
        """Return what moved under an id, or None."""
        with translated():
            account_id = await self._account_of(movement_id)
            found = await self._movements([] if account_id is None else [(account_id, movement_id)])
        return found[0] if found else None

    async def referenced(self, reference: str, limit: int) -> Sequence[UUID]:
        """Return the ids of movements with this reference, the newest of those looked at first."""
        with translated():
            rows = await self._connection.fetch(REFERENCED, reference, REFERENCED_MAX, limit)
        return [row["instruction_id"] for row in rows]

    async def page(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> MovementPage:
        """Return the next `limit` movements that are asked for, or those of a bounded stretch."""
        at = search.begins_at(place)
        since = search.since or BEGINNING_OF_TIME
        until_s = monotonic() + STRETCHES_MAX_S
        found: list[Record] = []
        with translated():
            for batches in STRETCHES:
                # What was booked at the place itself may not have been shown yet.
                before = at.at if at.id == FIRST_ID else at.at + MICROSECOND
                stretch = await self._connection.fetchrow(STRETCH, before, batches)
                assert stretch is not None  # noqa: S101 - an aggregate has one row
                whole = stretch["batches"] < batches or stretch["begins_at"] <= since
                begin = since if whole else stretch["begins_at"]
                found += await self._connection.fetch(
                    PAGE,
                    begin,
                    at.at,
                    at.id,
                    *_filters(search, amount_min=1),
                    limit + 1 - len(found),
                )
                if len(found) > limit or whole:
                    break
                at = MovementPlace(begin, FIRST_ID)
                if monotonic() > until_s:
                    break
            shown = found[:limit]
            movements = await self._movements(
                [(row["account_id"], row["instruction_id"]) for row in shown]
            )
        if len(found) > limit:
            at = MovementPlace(shown[-1]["booked_at"], shown[-1]["instruction_id"])
        return MovementPage(movements, None if whole and len(found) <= limit else at)

    async def refusal(self, refusal_id: UUID) -> Refusal | None:
        """Return what was refused under an id, or None."""
        made_at = instant_of(refusal_id)
        if made_at is None:
            return None
        with translated():
            for before, after in WINDOWS:
                row = await self._connection.fetchrow(
                    REFUSED_AROUND, refusal_id, made_at - before, made_at + after
                )
                if row is not None:
                    return refusal_of(row)
        return None

    async def refusals(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> RefusalPage:
        """Return the next `limit` refusals that are asked for, or those of a bounded stretch."""
        at = search.begins_at(place)
        since = search.since or BEGINNING_OF_TIME
        with translated():
            row = await self._connection.fetchrow(
                LAST_EXAMINED, at.at, at.id, since, REFUSALS_EXAMINED_MAX - 1
            )
            last = None if row is None else MovementPlace(*row)
            end = last or MovementPlace(since, FIRST_ID)
            rows = await self._connection.fetch(
                REFUSALS,
                at.at,
                at.id,
                end.at,
                *_filters(search, amount_min=0),
                search.code,
                limit + 1,
                end.id,
            )
        shown = [refusal_of(row) for row in rows[:limit]]
        if len(rows) > limit:
            last = MovementPlace(shown[-1].happened_at, shown[-1].id)
        return RefusalPage(shown, last)

    async def _movements(self, places: Sequence[tuple[UUID, UUID]]) -> list[Movement]:
        """Return the movements at these (account id, id), newest first."""
        if not places:
            return []
        rows = await self._connection.fetch(
            SIDES, [account for account, _ in places], [id_ for _, id_ in places]
        )
        sides: dict[UUID, list[Record]] = {}
        for row in rows:
            sides.setdefault(row["instruction_id"], []).append(row)
        both = {id_: pair for id_, pair in sides.items() if len(pair) == 2}
        refunds: dict[UUID, list[Refund]] = {}
        for row in await self._connection.fetch(
            REFUNDS, [source["account_id"] for source, _ in both.values()], list(both)
        ):
            refunds.setdefault(row["transfer_id"], []).append(Refund(*row))
        made = await self._connection.fetch(REFUNDS_OF, list(both))
        refunds_of = {row["id"]: row["transfer_id"] for row in made}
        return [
            Movement(
                side_of(source),
                side_of(target),
                details_of(source) or details_of(target),
                refunds.get(id_, []),
                refunds_of.get(id_),
            )
            for id_, (source, target) in both.items()
        ]

    async def _account_of(self, movement_id: UUID) -> UUID | None:
        made_at = instant_of(movement_id)
        if made_at is None:
            return None
        before, after = WINDOWS[-1]
        found: UUID | None = await self._connection.fetchval(
            BOOKED_LATER, movement_id, made_at - before, made_at + after
        )
        for before, after in WINDOWS:
            if found is not None:
                break
            found = await self._connection.fetchval(
                BOOKED_AROUND, movement_id, made_at - before, made_at + after
            )
        return found


def _filters(search: MovementSearch, *, amount_min: int) -> tuple[int, int, list[int], str | None]:
    """Return what is asked for: of movements the leg that receives, of refusals those of 0 too."""
    return (
        amount_min if search.amount_min is None else max(amount_min, search.amount_min),
        BALANCE_MAX if search.amount_max is None else search.amount_max,
        [int(kind) for kind in search.kinds],
        search.currency,
    )
