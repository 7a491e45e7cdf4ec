"""What a page of history costs against its position: the first, one in the middle, the last."""

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg

from benchmarks.payers import issue_tokens, new_signing_key
from benchmarks.places import BenchmarkFailed, Place, Template
from benchmarks.rows import Person
from benchmarks.serving import free_port, service
from wallet.infrastructure.postgres.history import PAGE

LIMIT = 50
PAGES_AT_ONCE, PAUSE_S = 400, 5
"""A person may make a thousand requests in ten seconds."""
SAMPLE = 40
POSITIONS = ("first", "middle", "last")


@dataclass(frozen=True, slots=True)
class PageCost:
    """The medians of `SAMPLE` pages at a position of one long history."""

    position: str
    http_ms: float
    database_ms: float
    buffers: float


def page_costs(place: Place, template: Template) -> list[dict[str, Any]]:
    """Walk the merchant's whole history for its cursors, then measure pages in turns."""
    person = template.books.merchant
    over_http = _over_http(place, template, person)
    in_database = asyncio.run(_in_database(place, template, person))
    return [
        asdict(PageCost(position, http_ms, database_ms, buffers))
        for position, http_ms, (database_ms, buffers) in zip(
            POSITIONS, over_http, in_database, strict=True
        )
    ]


def _over_http(place: Place, template: Template, person: Person) -> Sequence[float]:
    key, port = new_signing_key(), free_port()
    (token,) = issue_tokens([person], signing_key=key, port=port)
    database = place.database(template.name)
    with service(database, place.directory, signing_key=key, port=port):
        reader = _Reader(port, token)
        cursors = reader.walk()
        # The last page may hold few lines; the one before it is whole.
        chosen = (cursors[0], cursors[len(cursors) // 2], cursors[-2])
        times_ms: list[list[float]] = [[] for _ in chosen]
        for _ in range(SAMPLE):
            # In turns, so that all positions meet the same moments of the machine.
            for cursor, found in zip(chosen, times_ms, strict=True):
                began_s = time.perf_counter()
                reader.page(cursor)
                found.append((time.perf_counter() - began_s) * 1000)
        reader.close()
    return [statistics.median(found) for found in times_ms]


class _Reader:
    """Reads somebody's history over one connection, below the limit of requests."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._headers = {"Authorization": f"Bearer {token}"}

    def page(self, cursor: str) -> str | None:
        """Read a page; return the cursor of the next one, if there is one."""
        path = f"/transactions?limit={LIMIT}" + (f"&cursor={quote(cursor)}" if cursor else "")
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != HTTPStatus.OK:
            raise BenchmarkFailed(f"A page of history was answered {answer.status}: {body!r}")
        following: str | None = json.loads(body)["next_cursor"]
        return following

    def walk(self) -> list[str]:
        """Follow `next_cursor` to the end; return the cursor of each page."""
        cursors = [""]
        while following := self.page(cursors[-1]):
            cursors.append(following)
            if len(cursors) % PAGES_AT_ONCE == 0:
                time.sleep(PAUSE_S)
        time.sleep(PAUSE_S)
        return cursors

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


async def _in_database(
    place: Place, template: Template, person: Person
) -> list[tuple[float, float]]:
    connection = await asyncpg.connect(place.database(template.name).owner_url)
    try:
        version = await connection.fetchval(
            "SELECT version FROM accounts WHERE id = $1", person.account_id
        )
        firsts = {"first": version + 1, "middle": version // 2, "last": LIMIT + SAMPLE + 1}
        return [await _cost(connection, person, firsts[position]) for position in POSITIONS]
    finally:
        await connection.close()


async def _cost(connection: Any, person: Person, before: int) -> tuple[float, float]:
    """Return the median milliseconds and buffers of pages around a version."""
    times_ms, buffers = [], []
    for step in range(SAMPLE):
        text = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {PAGE}",
            [person.account_id],
            [before - step],
            LIMIT + 1,
        )
        plan = json.loads(text)[0]
        times_ms.append(plan["Execution Time"])
        buffers.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    return statistics.median(times_ms), statistics.median(buffers)
