"""Searching a person's history on PostgreSQL: bounded stretches of versions, by primary key.

Nothing on the money path is indexed for it: what is asked for is looked for in the lines
themselves, a bounded number of them a page. Only references have an index, on the details.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import merge
from typing import Any
from uuid import UUID

from wallet.domain.history import Line, Look, Page, order
from wallet.domain.search import (
    COUNT_EXAMINED_MAX,
    COUNT_MAX,
    LINES_EXAMINED_MAX,
    Count,
    Search,
    Stretch,
    stretches_of,
)
from wallet.infrastructure.postgres.lines import LINE_COLUMNS, LINE_PARTS, line_of
from wallet.infrastructure.postgres.pool import Connection

REFERENCED_MAX = 1_000
"""Up to so many lines of one reference are read at once; more are searched among all lines."""

HEADS = """
SELECT a.id, a.version
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1 AND ($2::text IS NULL OR w.currency = $2)
  AND ($3::uuid IS NULL OR w.account_id = $3)
"""

# Times do not decrease from version to version: the version before an instant is found by halving.
VERSIONS_BEFORE = """
WITH RECURSIVE halving AS (
    SELECT account_id, instant, 0::bigint AS low, head + 1 AS high
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS w (account_id, head, instant)
    UNION ALL
    SELECT h.account_id, h.instant,
           CASE WHEN e.booked_at < h.instant THEN e.version ELSE h.low END,
           CASE WHEN e.booked_at < h.instant THEN h.high ELSE e.version END
    FROM halving h
    CROSS JOIN LATERAL (
        SELECT version, booked_at FROM entries
        WHERE account_id = h.account_id AND version = (h.low + h.high) / 2
        OFFSET 0
    ) AS e
    WHERE h.high - h.low > 1
)
SELECT account_id, instant, low AS version FROM halving WHERE high - low = 1
"""

# Either by id or by a handle that somebody has now.
WALLETS_OF_COUNTERPARTY = """
SELECT account_id FROM wallets
WHERE owner_id = coalesce(
    $1::uuid, (SELECT user_id FROM user_handles WHERE handle = $2 AND freed_at IS NULL)
)
"""

REFERENCED = """
SELECT account_id, instruction_id FROM details
WHERE account_id = ANY ($1::uuid[]) AND reference = $2 LIMIT $3
"""

BOOKED_AT = """
SELECT e.account_id, e.booked_at
FROM unnest($1::uuid[], $2::bigint[]) AS w (account_id, version)
JOIN entries e ON e.account_id = w.account_id AND e.version = w.version
"""

# An ILIKE pattern for each word; all of them must be found in what the owner sees.
FILTERS = """
WHERE e.account_id = w.account_id AND e.version >= w.low AND e.version < w.high
  AND e.posted_delta <> 0
  AND (e.details_digest IS NOT NULL OR $9::text IS NULL AND $10::text IS NULL)
  AND ($4::smallint[] IS NULL OR e.kind = ANY ($4))
  AND ($5::integer IS NULL OR sign(e.posted_delta) = $5)
  AND ($6::bigint IS NULL OR abs(e.posted_delta) >= $6)
  AND ($7::bigint IS NULL OR abs(e.posted_delta) <= $7)
  AND ($8::uuid[] IS NULL OR e.counterparty_id = ANY ($8))
  AND ($9::text IS NULL OR d.reference = $9)
  AND ($10::text IS NULL OR d.metadata ? $10)
  AND ($11::text IS NULL OR d.metadata ->> $10 = $11)
  AND ($12::text[] IS NULL OR
       concat_ws(E'\\n', d.note, u.first_name, u.handle) ILIKE ALL ($12))
"""

PARTS = """
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w (account_id, low, high)
CROSS JOIN LATERAL (
"""

NEWEST = (
    "SELECT found.*"
    + PARTS
    + "SELECT"
    + LINE_COLUMNS
    + "FROM entries e"
    + LINE_PARTS
    + FILTERS
    + """
    ORDER BY e.version DESC LIMIT $13
) AS found ORDER BY found.account_id, found.version DESC
"""
)

OLDEST = (
    "SELECT found.*"
    + PARTS
    + "SELECT"
    + LINE_COLUMNS
    + "FROM entries e"
    + LINE_PARTS
    + FILTERS
    + """
    ORDER BY e.version LIMIT $13
) AS found ORDER BY found.account_id, found.version
"""
)

COUNT = (
    "SELECT count(*) FROM (SELECT"  # noqa: S608 - constants alone
    + PARTS
    + "SELECT FROM entries e"
    + LINE_PARTS
    + FILTERS
    + "LIMIT $13) AS found LIMIT $13) AS counted"
)

BY_INSTRUCTION = (
    "SELECT"
    + LINE_COLUMNS
    + """
FROM unnest($1::uuid[], $2::uuid[]) AS w (account_id, instruction_id)
JOIN entries e ON e.account_id = w.account_id AND e.instruction_id = w.instruction_id
"""
    + LINE_PARTS
    + "ORDER BY e.account_id, e.version"
)

_NEXT_INSTANT = timedelta(microseconds=1)


class PostgresSearch:
    """Searches on a connection, each statement by itself: what is booked never changes."""

    def __init__(
        self, connection: Connection, *, lines_examined_max: int = LINES_EXAMINED_MAX
    ) -> None:
        self._connection = connection
        self._lines_examined_max = lines_examined_max

    async def page(
        self, owner_id: UUID, search: Search, next_versions: Mapping[UUID, int] | None, limit: int
    ) -> Page:
        """Return the next `limit` lines, as far as one page looks.

        A wallet that the cursor does not know was opened after the first page: it is left out, so
        that paging stays stable. A wallet of somebody else in a forged cursor is ignored.
        """
        stretches = await self._stretches(owner_id, search, next_versions)
        if not stretches:
            return Page([], None)
        parties = await self._counterparty(search)
        few = await self._referenced(search, stretches, parties)
        if few is not None:
            look = Look.of(stretches, 0, oldest_first=search.oldest_first)
            return _cut(look, few, limit) or Page(few, None)
        lines_max = min(self._lines_examined_max, search.lines_examined_max)
        look = Look.of(stretches, lines_max, oldest_first=search.oldest_first)
        arguments = (*places_of(look.parts), *filters_of(search, parties), limit + 1)
        if search.oldest_first:
            rows = await self._connection.fetch(OLDEST, *arguments)
        else:
            rows = await self._connection.fetch(NEWEST, *arguments)
        return await self._page(look, _merged(map(line_of, rows), search), limit)

    async def count(self, owner_id: UUID, search: Search) -> Count:
        """Return how many lines a search finds, looking at `COUNT_EXAMINED_MAX` of them at most."""
        stretches = await self._stretches(owner_id, search, None)
        parties = await self._counterparty(search)
        few = await self._referenced(search, stretches, parties)
        if few is not None:
            return Count(len(few), exact=True)
        look = Look.of(stretches, COUNT_EXAMINED_MAX, oldest_first=search.oldest_first)
        lines: int = await self._connection.fetchval(
            COUNT, *places_of(look.parts), *filters_of(search, parties), COUNT_MAX + 1
        )
        exact = lines <= COUNT_MAX and not look.unfinished
        return Count(min(lines, COUNT_MAX), exact)

    async def _page(self, look: Look, lines: Sequence[Line], limit: int) -> Page:
        edge = None
        if look.unfinished and (len(look.parts) > 1 or len(lines) <= limit):
            edge = look.edge(await self._times(look))
            lines = look.within(edge, lines)
        cut = _cut(look, lines, limit)
        if cut is not None:
            return cut
        if edge is None:
            return Page(lines, None)
        instant = edge.booked_at + (_NEXT_INSTANT if look.oldest_first else timedelta())
        heads = {stretch.wallet_id: stretch.high - 1 for stretch in look.stretches}
        found = await versions_before(self._connection, heads, [instant])
        positions = {wallet_id: version for (wallet_id, _), version in found.items()}
        return Page(lines, look.beyond(edge, positions), edge.booked_at)

    async def _stretches(
        self, owner_id: UUID, search: Search, next_versions: Mapping[UUID, int] | None
    ) -> list[Stretch]:
        rows = await self._connection.fetch(HEADS, owner_id, search.currency, search.wallet_id)
        heads = {row["id"]: row["version"] for row in rows}
        instants = [moment for moment in (search.since, search.until) if moment is not None]
        before = await versions_before(self._connection, heads, instants)
        return stretches_of(heads, before, search, next_versions)

    async def _times(self, look: Look) -> Mapping[UUID, datetime]:
        unfinished = look.unfinished
        rows = await self._connection.fetch(
            BOOKED_AT,
            [part.wallet_id for part in unfinished],
            [part.last_version(oldest_first=look.oldest_first) for part in unfinished],
        )
        return {row["account_id"]: row["booked_at"] for row in rows}

    async def _counterparty(self, search: Search) -> list[UUID] | None:
        """Return the wallets of the counterparty that is asked for, or None if nobody is."""
        named = search.counterparty
        if named is None:
            return None
        id_, handle = (named, None) if isinstance(named, UUID) else (None, named.lower())
        rows = await self._connection.fetch(WALLETS_OF_COUNTERPARTY, id_, handle)
        return [row["account_id"] for row in rows]

    async def _referenced(
        self, search: Search, stretches: Sequence[Stretch], parties: Sequence[UUID] | None
    ) -> list[Line] | None:
        """Return all lines of the reference that is asked for, or None if they are too many."""
        if search.reference is None:
            return None
        ids = [stretch.wallet_id for stretch in stretches]
        rows = await self._connection.fetch(REFERENCED, ids, search.reference, REFERENCED_MAX + 1)
        if len(rows) > REFERENCED_MAX:
            return None
        found = await self._connection.fetch(
            BY_INSTRUCTION,
            [row["account_id"] for row in rows],
            [row["instruction_id"] for row in rows],
        )
        open_to = {stretch.wallet_id: stretch for stretch in stretches}
        lines = [
            line
            for line in map(line_of, found)
            if open_to[line.entry.account_id].holds(line.entry.version)
            and search.admits(line.entry, line.details, line.seen, parties)
        ]
        return sorted(lines, key=order, reverse=not search.oldest_first)


async def versions_before(
    connection: Connection, heads: Mapping[UUID, int], instants: Sequence[datetime]
) -> Mapping[tuple[UUID, datetime], int]:
    """Return each wallet's last version before each instant; `heads` are their last ones now."""
    wanted = [(id_, head, instant) for id_, head in heads.items() for instant in instants]
    if not wanted:
        return {}
    rows = await connection.fetch(VERSIONS_BEFORE, *map(list, zip(*wanted, strict=True)))
    return {(row["account_id"], row["instant"]): row["version"] for row in rows}


def _cut(look: Look, lines: Sequence[Line], limit: int) -> Page | None:
    """Return the first `limit` lines as a page if there are more."""
    if len(lines) <= limit:
        return None
    shown = lines[:limit]
    return Page(shown, look.behind(shown))


def _merged(lines: Iterable[Line], search: Search) -> list[Line]:
    by_wallet: dict[UUID, list[Line]] = {}
    for line in lines:
        by_wallet.setdefault(line.entry.account_id, []).append(line)
    return list(merge(*by_wallet.values(), key=order, reverse=not search.oldest_first))


def places_of(parts: Sequence[Stretch]) -> tuple[list[UUID], list[int], list[int]]:
    """Return $1 to $3 of the statements."""
    return [p.wallet_id for p in parts], [p.low for p in parts], [p.high for p in parts]


def filters_of(search: Search, parties: Sequence[UUID] | None) -> tuple[Any, ...]:
    """Return $4 to $12 of the statements."""
    sign = None if search.direction is None else 1 if search.direction == "in" else -1
    return (
        list(search.kinds) or None,
        sign,
        search.amount_min,
        search.amount_max,
        parties,
        search.reference,
        search.metadata_key,
        search.metadata_value,
        [_pattern(word) for word in search.words] or None,
    )


def _pattern(word: str) -> str:
    """Return what finds a word anywhere; what means something in a pattern means itself."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
