"""What is measured over HTTP: the real service, an ordinary one, and the floor.

Each is a context that yields a running server with credentials for it, and audits the books after.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from jose import jwt

from benchmarks.books import OPENING_AMOUNT, Bookkeeper
from benchmarks.ordinary_service import ALGORITHM, SCHEMA
from benchmarks.payers import Payers, new_signing_key, write_files, write_payers
from benchmarks.places import BenchmarkFailed, Database, Place, Template, require_intact
from benchmarks.serving import Server, free_port, running, service

ORDINARY_TEMPLATE = "template_of_the_ordinary"


@dataclass(slots=True)
class Session:
    """A running server and who may use it; `transfers` is what it has said yes to so far."""

    server: Server
    payers: Payers
    transfers: int = 0


Subject = Callable[[int], AbstractContextManager[Session]]
"""Runs a server with that many workers."""


def real_service(
    place: Place,
    template: Template,
    program: Sequence[str] = ("wallet",),
    settings: Mapping[str, str] | None = None,
) -> Subject:
    """Return the service on a fresh copy of the books, verified afterwards.

    `program` may be a module of ours that runs it under a profiler.
    """

    @contextmanager
    def serve(workers: int) -> Iterator[Session]:
        with place.copy_of(template) as database:
            with _service(place, template.books, database, workers, program, settings) as session:
                yield session
            entries = require_intact(database)
        booked = entries // 2 - len(template.books.people) - template.books.plan.transfers
        _require_booked(session, booked)

    return serve


def real_service_for_reads(place: Place, template: Template) -> Subject:
    """Return the service on the template itself, which nobody writes to."""
    database = place.database(template.name)
    return service_on(place, template.books, lambda: nullcontext(database))


def service_on(
    place: Place,
    books: Bookkeeper,
    databases: Callable[[], AbstractContextManager[Database]],
) -> Subject:
    """Return the service on whatever database it is given; nothing is verified."""

    @contextmanager
    def serve(workers: int) -> Iterator[Session]:
        with databases() as database:
            place.administer("CHECKPOINT")
            with _service(place, books, database, workers) as session:
                yield session

    return serve


def ordinary_service(place: Place, template: Template) -> Subject:
    """Return the ordinary service on lean tables of its own, with the same people."""
    books = template.books
    asyncio.run(_make_ordinary_template(place, books))
    own = Template(ORDINARY_TEMPLATE, books)

    @contextmanager
    def serve(workers: int) -> Iterator[Session]:
        with place.copy_of(own) as database:
            with _ordinary(place, books, database, workers) as session:
                yield session
            _require_booked(session, asyncio.run(_audited_ordinary(database, books)))

    return serve


def floor(place: Place, books: Bookkeeper) -> Subject:
    """Return the bare ASGI application; it asks for no credentials."""

    @contextmanager
    def serve(workers: int) -> Iterator[Session]:
        port = free_port()
        payers = write_payers(books, place.directory, signing_key=new_signing_key(), port=port)
        command = [sys.executable, "-m", "benchmarks.raw_asgi", str(port)]
        with running("floor", command, {}, place.directory, port, "/") as server:
            yield Session(server, payers)

    return serve


@contextmanager
def _service(
    place: Place,
    books: Bookkeeper,
    database: Database,
    workers: int,
    program: Sequence[str] = ("wallet",),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Session]:
    key, port = new_signing_key(), free_port()
    payers = write_payers(books, place.directory, signing_key=key, port=port)
    with service(
        database,
        place.directory,
        signing_key=key,
        port=port,
        workers=workers,
        program=program,
        settings=settings,
    ) as server:
        yield Session(server, payers)


@contextmanager
def _ordinary(
    place: Place, books: Bookkeeper, database: Database, workers: int
) -> Iterator[Session]:
    port, secret = free_port(), secrets.token_hex(32)
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    lines = []
    for payer in books.payers:
        claims = {"sub": str(payer.user_id), "exp": ends_at}
        lines.append(f"{jwt.encode(claims, secret, ALGORITHM)} {payer.user_id}\n")
    payers = write_files(books, place.directory, lines)
    environment = {"ORDINARY_DATABASE_URL": database.owner_url, "ORDINARY_SECRET": secret}
    # Stock settings: uvicorn as its documentation starts it.
    command = [sys.executable, "-m", "uvicorn", "benchmarks.ordinary_service:app"]
    command += ["--port", str(port), "--workers", str(workers)]
    with running("ordinary", command, environment, place.directory, port, "/health") as server:
        yield Session(server, payers)


def _require_booked(session: Session, booked: int) -> None:
    if booked < session.transfers:
        raise BenchmarkFailed(
            f"The {session.server.name} said yes to {session.transfers} transfers "
            f"and has booked {booked}."
        )


async def _make_ordinary_template(place: Place, books: Bookkeeper) -> None:
    admin = await asyncpg.connect(place.addresses.superuser_url)
    await admin.execute(f"CREATE DATABASE {ORDINARY_TEMPLATE} OWNER wallet_owner")
    await admin.close()
    connection = await asyncpg.connect(place.database(ORDINARY_TEMPLATE).owner_url)
    await connection.execute(SCHEMA)
    await connection.copy_records_to_table(
        "ordinary_accounts",
        records=[(person.user_id, OPENING_AMOUNT) for person in books.people],
        columns=["user_id", "balance"],
    )
    await connection.execute("VACUUM (ANALYZE)")
    await connection.close()


async def _audited_ordinary(database: Database, books: Bookkeeper) -> int:
    """Return how many transfers were made; no money may have come or gone."""
    connection = await asyncpg.connect(database.owner_url)
    total = await connection.fetchval("SELECT sum(balance) FROM ordinary_accounts")
    booked = await connection.fetchval("SELECT count(*) FROM ordinary_transfers")
    await connection.close()
    if total != OPENING_AMOUNT * len(books.people):
        raise BenchmarkFailed("The ordinary service has made or lost money.")
    return int(booked)
