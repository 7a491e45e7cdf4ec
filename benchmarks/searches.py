"""What a page of a search costs in the database, whatever is searched for and wherever it is."""

import asyncio
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from benchmarks.places import Place, Template
from benchmarks.rows import Person
from wallet.domain.search import Direction, Search, Stretch
from wallet.infrastructure.postgres.search import (
    NEWEST,
    OLDEST,
    VERSIONS_BEFORE,
    filters_of,
    places_of,
)

LIMIT = 50
SAMPLE = 9
NOTHING = 10**15
"""An amount that nobody moved: a page for it looks at all it may."""
SEARCHES: Mapping[str, Search] = {
    "direction, newest first: every line is found": Search(direction=Direction.IN),
    "an amount that nobody moved": Search(amount_min=NOTHING),
    "an amount that nobody moved, oldest first": Search(amount_min=NOTHING, oldest_first=True),
    "metadata that half of the noted lines have": Search(
        metadata_key="shop", metadata_value="north"
    ),
    "metadata that no line has": Search(metadata_key="shop", metadata_value="west"),
    "a word that every note has": Search(words=("thanks",)),
    "a word that stands nowhere": Search(words=("zebra",)),
    "everything at once, found nowhere": Search(
        direction=Direction.IN,
        amount_min=1,
        amount_max=NOTHING,
        metadata_key="shop",
        metadata_value="north",
        words=("thanks", "order", "zebra"),
    ),
}


@dataclass(frozen=True, slots=True)
class SearchCost:
    """The median milliseconds of a page at three places of one long history, and its buffers."""

    search: str
    first_ms: float
    middle_ms: float
    last_ms: float
    buffers: float
    plan: str


def search_costs(place: Place, template: Template) -> dict[str, Any]:
    """Measure pages of the merchant's history by the plans PostgreSQL has run."""
    return asyncio.run(_costs(place, template))


async def _costs(place: Place, template: Template) -> dict[str, Any]:
    person = template.books.merchant
    connection = await asyncpg.connect(
        place.database(template.name).owner_url, server_settings={"jit": "off"}
    )
    try:
        account = await connection.fetchrow(
            "SELECT version, head_booked_at FROM accounts WHERE id = $1", person.account_id
        )
        assert account is not None  # noqa: S101 - it was loaded
        head, last = account
        costs = [
            await _cost(connection, title, search, _stretches(person, search, head))
            for title, search in SEARCHES.items()
        ]
        instant = last - timedelta(hours=1)
        halving, _, _ = await _explained(
            connection, VERSIONS_BEFORE, [person.account_id], [head], [instant]
        )
    finally:
        await connection.close()
    return {
        "lines": head,
        "entries": template.books.plan.entries,
        "costs": [asdict(cost) for cost in costs],
        "instant_ms": round(halving, 3),
    }


def _stretches(person: Person, search: Search, head: int) -> list[Stretch]:
    """Return what the first page looks at, one in the middle, and the last."""
    lines_max = search.lines_examined_max
    return [
        Stretch(person.account_id, max(1, high - lines_max), high)
        for high in (head + 1, head // 2, min(head, lines_max) + 1)
    ]


async def _cost(
    connection: Any, title: str, search: Search, stretches: list[Stretch]
) -> SearchCost:
    statement = OLDEST if search.oldest_first else NEWEST
    times_ms: list[float] = []
    buffers, shape = 0.0, ""
    for stretch in stretches:
        arguments = (*places_of([stretch]), *filters_of(search, None), LIMIT + 1)
        samples = [await _explained(connection, statement, *arguments) for _ in range(SAMPLE)]
        times_ms.append(statistics.median(sample[0] for sample in samples))
        buffers = max(buffers, statistics.median(sample[1] for sample in samples))
        shape = samples[-1][2]
    first, middle, last = (round(time_ms, 3) for time_ms in times_ms)
    return SearchCost(title, first, middle, last, buffers, shape)


async def _explained(
    connection: Any, statement: str, *arguments: object
) -> tuple[float, float, str]:
    """Return milliseconds, buffers and the shape of the plan of a statement that was run."""
    text = await connection.fetchval(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments
    )
    plan = json.loads(text)[0]
    top = plan["Plan"]
    buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    return plan["Planning Time"] + plan["Execution Time"], buffers, _shape(top)


def _shape(node: Mapping[str, Any]) -> str:
    """Return a plan in one line: its steps, and the indexes they go by."""
    name = str(node["Node Type"])
    if "Index Name" in node:
        name += f" {node['Index Name']}"
    inner = ", ".join(_shape(child) for child in node.get("Plans", ()))
    return f"{name}({inner})" if inner else name
