"""After a run: the checker over what was heard, the verifier over the books, and both in words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from tests.conftest import Cluster, Database
from tests.nemesis.bank import History, settle
from tests.nemesis.checker import read_books, violations

from wallet.application.verification import verify
from wallet.infrastructure.postgres.verification import snapshot


@asynccontextmanager
async def fresh_database(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    """Yield a migrated, empty database; it goes with everybody who is still connected."""
    name = f"nemesis_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    try:
        yield Database(
            name,
            cluster.url(name),
            cluster.url(name, owner=True),
            cluster.addresses.superuser_url.replace("/postgres?", f"/{name}?"),
        )
    finally:
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


async def settled_and_sound(port: int, history: History, service_url: str, reader_url: str) -> str:
    """Repeat what is undecided, then assert that nothing is wrong; return what was found."""
    repeated = await settle(port, history)
    return f"{await sound(history, service_url, reader_url)}, {repeated} settled afterwards"


async def sound(history: History, service_url: str, reader_url: str) -> str:
    """Assert that what was heard and what is in the books agree; return what was found."""
    wrong = violations(history, await read_books(reader_url))
    assert wrong == [], "\n".join(wrong[:20])
    async with snapshot(service_url) as books:
        report = await verify(books)
    assert report.intact, "\n".join(map(str, report.violations[:20]))
    return (
        f"{len(history.operations)} operations, {len(history.accepted())} accepted, "
        f"{report.accounts} accounts, {report.entries} entries: intact"
    )
