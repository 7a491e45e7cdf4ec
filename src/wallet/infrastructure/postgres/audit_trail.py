"""The audit trail on PostgreSQL, where the application may only add to it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from wallet.domain.audit_trail import Act, ActKind, ActPlace, ActSearch, SubjectKind
from wallet.domain.staff import StaffMember
from wallet.domain.users import Role
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

ADD = """
INSERT INTO audit_trail (id, act, happened_at, actor_id, actor_name, role, subject_kind, subject_id,
                         person_id, reason, before, after, request_id, seal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

HAS_VIEWED = """
SELECT EXISTS (
    SELECT FROM audit_trail
    WHERE subject_id = $2 AND actor_id = $1 AND happened_at >= $3 AND act = 'person.viewed'
)
"""

COLUMNS = """
SELECT id, act, happened_at, actor_id, actor_name, role, subject_kind, subject_id, person_id,
       reason, before, after, request_id
FROM audit_trail
"""

BY_ID = COLUMNS + "WHERE id = $1"

# Nothing is compared with NULL here, so that each statement walks its index backwards.
PAGE_ENDS = """
    happened_at >= $1 AND happened_at < $2 AND (happened_at, id) < ($3, $4)
    AND ($5::text IS NULL OR act = $5) AND ($7 OR act <> 'person.viewed')
"""
NEWEST_FIRST = " ORDER BY happened_at DESC, id DESC LIMIT $6"

BY_TIME = COLUMNS + "WHERE" + PAGE_ENDS + NEWEST_FIRST

BY_ACT = COLUMNS + "WHERE act = $5 AND" + PAGE_ENDS + NEWEST_FIRST

BY_ACTOR = COLUMNS + "WHERE actor_id = $8 AND" + PAGE_ENDS + NEWEST_FIRST

ABOUT = (
    "SELECT * FROM (("  # noqa: S608 - constants alone
    + COLUMNS
    + "WHERE subject_id = $8 AND"
    + PAGE_ENDS
    + "AND ($9::uuid IS NULL OR actor_id = $9)"
    + NEWEST_FIRST
    + ") UNION ALL ("
    + COLUMNS
    + "WHERE person_id = $8 AND subject_id <> $8 AND"
    + PAGE_ENDS
    + "AND ($9::uuid IS NULL OR actor_id = $9)"
    + NEWEST_FIRST
    + ")) AS about"
    + NEWEST_FIRST
)

COUNT = """
SELECT count(*) FROM (
    SELECT FROM audit_trail WHERE person_id = $1 AND act <> 'person.viewed' LIMIT $2
) AS acts
"""

EVER = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)


def act_of(row: "Record") -> Act:
    """Map a row to an act."""
    return Act(
        id=row["id"],
        kind=ActKind(row["act"]),
        happened_at=row["happened_at"],
        actor=StaffMember(
            id=row["actor_id"],
            name=row["actor_name"],
            role=None if row["role"] is None else Role(row["role"]),
            request_id=row["request_id"],
        ),
        subject_kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        person_id=row["person_id"],
        reason=row["reason"],
        before=json.loads(row["before"]),
        after=json.loads(row["after"]),
    )


class PostgresAuditTrail:
    """The audit trail, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, act: Act) -> None:
        """Write an act."""
        actor = act.actor
        with translated():
            await self._connection.execute(
                ADD,
                act.id,
                act.kind.value,
                act.happened_at,
                actor.id,
                actor.name,
                None if actor.role is None else actor.role.value,
                act.subject_kind.value,
                act.subject_id,
                act.person_id,
                act.reason,
                json.dumps(dict(act.before)),
                json.dumps(dict(act.after)),
                actor.request_id,
                act.seal,
            )

    async def get(self, id_: UUID) -> Act | None:
        """Return an act, if there is one of this id."""
        with translated():
            row = await self._connection.fetchrow(BY_ID, id_)
        return None if row is None else act_of(row)

    async def has_viewed(self, actor_id: UUID, person_id: UUID, since: datetime) -> bool:
        """Tell whether the trail says since then that somebody looked at a person."""
        with translated():
            return bool(await self._connection.fetchval(HAS_VIEWED, actor_id, person_id, since))

    async def page(
        self, search: ActSearch, *, before: ActPlace | None, limit: int
    ) -> Sequence[Act]:
        """Return the next `limit` acts that are asked for, newest first."""
        place = before or ActPlace(NEVER, LAST_ID)
        ends = (
            search.since or EVER,
            search.until or NEVER,
            place.happened_at,
            place.id,
            search.kind,
            limit,
            search.views,
        )
        with translated():
            if search.subject_id is not None:
                rows = await self._connection.fetch(
                    ABOUT, *ends, search.subject_id, search.actor_id
                )
            elif search.actor_id is not None:
                rows = await self._connection.fetch(BY_ACTOR, *ends, search.actor_id)
            elif search.kind is not None:
                rows = await self._connection.fetch(BY_ACT, *ends)
            else:
                rows = await self._connection.fetch(BY_TIME, *ends)
        return [act_of(row) for row in rows]

    async def count(self, person_id: UUID, limit: int) -> int:
        """Return how many acts touched a person, up to `limit`; looking is none of them."""
        with translated():
            found: int = await self._connection.fetchval(COUNT, person_id, limit)
        return found
