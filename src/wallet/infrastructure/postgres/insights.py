"""Sums of a wallet's entries by month, kind and counterparty, on PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from wallet.domain.history import Counterparty
from wallet.domain.insights import COUNTERPARTIES_MAX, Flow, Flows, Stretch
from wallet.domain.journal import Kind
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

BY_KIND = """
SELECT m.number, e.kind,
       coalesce(sum(e.posted_delta) FILTER (WHERE e.posted_delta > 0), 0)::bigint AS amount_in,
       count(*) FILTER (WHERE e.posted_delta > 0) AS lines_in,
       coalesce(-sum(e.posted_delta) FILTER (WHERE e.posted_delta < 0), 0)::bigint AS amount_out,
       count(*) FILTER (WHERE e.posted_delta < 0) AS lines_out
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS m (number, after, up_to)
JOIN entries e ON e.account_id = $1 AND e.version > m.after AND e.version <= m.up_to
WHERE e.posted_delta <> 0
GROUP BY m.number, e.kind
"""

BY_COUNTERPARTY = """
WITH flows AS (
    SELECT m.number, e.counterparty_id,
           coalesce(sum(e.posted_delta) FILTER (WHERE e.posted_delta > 0), 0)::bigint AS amount_in,
           count(*) FILTER (WHERE e.posted_delta > 0) AS lines_in,
           coalesce(-sum(e.posted_delta) FILTER (WHERE e.posted_delta < 0), 0)::bigint
               AS amount_out,
           count(*) FILTER (WHERE e.posted_delta < 0) AS lines_out
    FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS m (number, after, up_to)
    JOIN entries e ON e.account_id = $1 AND e.version > m.after AND e.version <= m.up_to
    WHERE e.posted_delta <> 0 AND e.counterparty_id IS NOT NULL
    GROUP BY m.number, e.counterparty_id
), ranked AS (
    SELECT flows.*, a.owner_id,
           row_number() OVER (
               PARTITION BY number ORDER BY amount_in + amount_out DESC, counterparty_id
           ) AS place
    FROM flows JOIN accounts a ON a.id = flows.counterparty_id
    WHERE a.owner_id IS NOT NULL
)
SELECT ranked.*, u.id AS party_id, u.handle AS party_handle, u.first_name AS party_first_name,
       left(u.last_name, 1) AS party_initial
FROM ranked JOIN users u ON u.id = ranked.owner_id
WHERE place <= $5 ORDER BY number, place
"""


class PostgresInsights:
    """Sums up entries."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def flows(self, wallet_id: UUID, stretches: Sequence[Stretch]) -> Sequence[Flows]:
        """Sum up each stretch of a wallet's entries."""
        numbers = list(range(len(stretches)))
        after, up_to = [s.after for s in stretches], [s.up_to for s in stretches]
        with translated():
            kinds = await self._connection.fetch(BY_KIND, wallet_id, numbers, after, up_to)
            parties = await self._connection.fetch(
                BY_COUNTERPARTY, wallet_id, numbers, after, up_to, COUNTERPARTIES_MAX
            )
        by_kind: list[dict[Kind, Flow]] = [{} for _ in stretches]
        by_party: list[list[tuple[Counterparty, Flow]]] = [[] for _ in stretches]
        for row in kinds:
            by_kind[row["number"]][Kind(row["kind"])] = _flow_of(row)
        for row in parties:
            party = Counterparty(
                row["party_id"], row["party_handle"], row["party_first_name"], row["party_initial"]
            )
            by_party[row["number"]].append((party, _flow_of(row)))
        return [Flows(dict(sorted(k.items())), p) for k, p in zip(by_kind, by_party, strict=True)]


def _flow_of(row: "Record") -> Flow:
    return Flow(row["amount_in"], row["lines_in"], row["amount_out"], row["lines_out"])
