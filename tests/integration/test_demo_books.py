"""The demo's year: booked by the service's own code, provable, and counted when it is looked at."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from scripts.demo_books import NotEmpty, load
from tests.conftest import Cluster
from tests.nemesis.audit import fresh_database

from wallet.application.verification import verify
from wallet.infrastructure.postgres.verification import snapshot

COUNTED = """
SELECT sum(instructions)::int, max(minute), (SELECT counted_to FROM tally_progress) FROM tallies
"""
HIDDEN = "SELECT count(*) FROM pg_namespace WHERE nspname = 'demo'"


async def test_a_demo_is_intact_and_counted_to_now_and_never_booked_over_another(
    cluster: Cluster, template: str
) -> None:
    async with fresh_database(cluster, template) as database:
        people, booked, _ = await load(database.owner_url, database.url, 20)
        assert people == 20
        assert booked > 200
        async with snapshot(database.url) as books:
            report = await verify(books)
        assert report.intact
        assert report.entries == 2 * booked
        connection = await asyncpg.connect(database.superuser_url)
        try:
            tallies = await connection.fetchrow(COUNTED)
            assert await connection.fetchval(HIDDEN) == 0
        finally:
            await connection.close()
        assert tallies is not None
        (transfers, latest, counted_to), now = tallies, datetime.now(UTC)
        assert transfers > 0
        assert now - timedelta(days=2) < latest <= now
        assert now - counted_to < timedelta(minutes=2)
        with pytest.raises(NotEmpty):
            await load(database.owner_url, database.url, 20)
