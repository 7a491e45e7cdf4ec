"""Staff on bad days: clocks set back, things refused meanwhile, names of half a town."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.people import Person
from tests.api.staff_people import Office, do, office, on_database
from tests.conftest import Service

from wallet.infrastructure.postgres import ledger, movements, tallies
from wallet.infrastructure.postgres.staff_verification import STAFF_CHECKS

MANY = """
WITH made AS (
    INSERT INTO users (id, first_name, last_name, email, handle, password_hash, default_currency,
                       created_at)
    SELECT gen_random_uuid(), 'Zoa', 'Tester', 'zoa' || n || '@example.com', 'zoa' || n, 'x',
           'USD', now()
    FROM generate_series(1, 1200) AS n RETURNING id, handle
)
INSERT INTO user_handles (handle, user_id, taken_at) SELECT handle, id, now() FROM made
"""
SOME_OF_THE_STAFF = """
UPDATE users SET role = 'support' WHERE handle LIKE 'zoa%' AND handle LIKE '%99'
"""


async def listed(person: Person, path: str) -> list[Mapping[str, Any]]:
    """Return a whole list, page by page."""
    found, cursor = [], ""
    while True:
        sign = "&" if "?" in path else "?"
        page = (await person.get(f"/admin/{path}{cursor and f'{sign}cursor={cursor}'}")).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_a_refused_batch_is_in_the_list_of_refusals(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    body = {
        "atomic": True,
        "transfers": [{"to_handle": "alice", "amount": n} for n in (77, 78)],
    }
    assert (await o.bob.post("/transfers/batch", body)).status_code == 422
    for query in ("", "?kind=transfer-batch", "?code=batch-refused"):
        (refusal,) = await listed(o.otto, f"refusals{query}")
        assert (refusal["code"], refusal["kind"]) == ("batch-refused", "transfer-batch"), query
    assert await listed(o.otto, "refusals?amount_min=1") == []


async def test_what_is_refused_while_a_page_is_made_repeats_nothing(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    o = await office(client, service)
    monkeypatch.setattr(movements, "REFUSALS_EXAMINED_MAX", 4)
    for amount in range(1, 9):
        await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": amount})
    meanwhile = iter(range(100, 106))

    class Interrupted:
        """A connection before each of whose first statements something more is refused."""

        def __init__(self, connection: Any) -> None:
            self.connection = connection

        async def fetchrow(self, *asked: Any) -> Any:
            await self.refuse()
            return await self.connection.fetchrow(*asked)

        async def fetch(self, *asked: Any) -> Any:
            await self.refuse()
            return await self.connection.fetch(*asked)

        async def refuse(self) -> None:
            amount = next(meanwhile, None)
            if amount is not None:
                await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": amount})

    original = movements.PostgresMovements.__init__

    def interrupted(self: movements.PostgresMovements, connection: Any) -> None:
        stand_in: Any = Interrupted(connection)
        original(self, stand_in)

    monkeypatch.setattr(movements.PostgresMovements, "__init__", interrupted)
    seen = [refusal["amount"] for refusal in await listed(o.otto, "refusals?limit=50")]
    assert [amount for amount in seen if amount < 100] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert len(set(seen)) == len(seen)


async def test_an_overview_survives_a_clock_that_is_set_back_over_an_hour(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    o = await office(client, service)
    await on_database(
        service,
        "INSERT INTO tally_progress (counted_to, recounted_to)"
        " VALUES (now() - interval '20 seconds', date_trunc('hour', now()))",
    )
    overviews = service.app.state.use_cases.staff_side.overviews
    seconds = iter(range(0, 100, 10))
    overviews._clock_s = lambda: next(seconds)
    hour = "SELECT date_trunc('hour', clock_timestamp())"
    monkeypatch.setattr(tallies, "NOW", f"{hour} + interval '0.1 s'")
    assert (await o.otto.get("/admin/overview")).status_code == 200
    monkeypatch.setattr(tallies, "NOW", f"{hour} - interval '1.9 s'")
    earlier = await o.otto.get("/admin/overview")
    assert earlier.status_code == 200, earlier.text
    assert len(earlier.json()["hours"]) == 48


async def test_acts_on_a_wallet_keep_their_order_when_the_clock_is_set_back(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    o = await office(client, service)
    wallet = f"/wallets/{o.bob.wallet_id}"
    assert (await do(o.sam, f"{wallet}/freeze", direction="send")).status_code == 200
    back = ledger.LOCK.replace("clock_timestamp()", "clock_timestamp() - interval '10 seconds'")
    assert back != ledger.LOCK
    monkeypatch.setattr(ledger, "LOCK", back)
    assert (await do(o.sam, f"{wallet}/unfreeze")).json()["frozen"] == "none"
    assert (await do(o.ada, f"{wallet}/overdraft", limit=50)).status_code == 200
    assert (await do(o.ada, f"{wallet}/overdraft", limit=0)).status_code == 200
    assert (await do(o.ada, f"{wallet}/close")).json()["status"] == "closed"
    acts = [act["act"] for act in await listed(o.otto, f"audit-trail?subject={o.bob.wallet_id}")]
    assert acts == [
        "wallet.closed",
        "wallet.overdraft-set",
        "wallet.overdraft-set",
        "wallet.unfrozen",
        "wallet.frozen",
    ]
    assert await on_database(service, STAFF_CHECKS["controls-were-decided"]) == []


async def test_a_page_that_asks_for_several_things_at_once_looked_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    person = f"/admin/people/{o.alice.id}"
    paths = ["", "/timeline", "/transactions"] * 3
    answers = await asyncio.gather(*(o.otto.get(person + path) for path in paths))
    assert {answer.status_code for answer in answers} == {200}
    told = await listed(o.ada, f"audit-trail?subject={o.alice.id}")
    assert [act["act"] for act in told] == ["person.viewed"]
    # Looking is not doing.
    assert (await o.otto.get(person)).json()["counts"]["acts"] == 0


async def test_a_reference_that_looks_like_an_id_is_found(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for reference in (str(uuid4()), uuid4().hex):
        paid = await o.pay(5, reference=reference)
        found = (await o.otto.get(f"/admin/search?q={reference}")).json()
        assert [one["id"] for one in found["transactions"]] == [paid], reference
    own = await o.pay(6)
    of_it = await o.pay(7, reference=own)
    found = (await o.otto.get(f"/admin/search?q={own}")).json()
    assert [one["id"] for one in found["transactions"]] == [own, of_it]


async def test_staff_are_found_among_however_many_of_their_name(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await on_database(service, MANY)
    await on_database(service, SOME_OF_THE_STAFF)

    async def handles(query: str) -> list[str]:
        found = [person["handle"] for person in await listed(o.otto, f"people?limit=200&{query}")]
        assert len(set(found)) == len(found)
        return sorted(found)

    expected = sorted(f"zoa{n}" for n in range(1, 1_201) if n % 100 == 99)
    for words in ("zoa", "ZOA", "zoa tester", "tester zo", "@zoa"):
        assert await handles(f"q={words}&role=support") == expected, words
    assert await handles("q=zoa99&role=support") == ["zoa99", "zoa999"]
    assert await handles("q=sam&role=support") == ["sam"]
    assert await handles("q=zob&role=support") == []
    assert await handles("q=zoa&role=admin") == []
    assert await handles("q=zoa&role=support&status=closed") == []
    assert len(await handles("q=zoa")) >= 500


async def test_who_left_is_found_by_name(client: httpx.AsyncClient, service: Service) -> None:
    o: Office = await office(client, service)
    await on_database(service, MANY)
    await on_database(
        service,
        "UPDATE users SET closed_at = now(), email = NULL, password_hash = NULL, handle = NULL"
        " WHERE handle LIKE 'zoa%' AND handle LIKE '%99'",
    )
    found = await listed(o.otto, "people?q=zoa&status=closed&limit=5")
    assert len(found) == 12
    assert await listed(o.otto, "people?q=zob&status=closed") == []
