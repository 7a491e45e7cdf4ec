"""Searching one's history over HTTP."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.api.people import Person, sign_up, sign_up_with


async def pay(payer: Person, to: str, amount: int, **more: Any) -> None:
    body = {"to_handle": to, "amount": amount, **more}
    answer = await payer.post("/wallets/transfer", body)
    assert answer.status_code == 201, answer.text


async def with_history(client: httpx.AsyncClient) -> tuple[Person, Person]:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    await pay(alice, "bob", 1, note="Lunch", metadata={"order": "4711"})
    await pay(alice, "bob", 2, reference="R-1")
    await pay(bob, "alice", 3, note="=cmd|' /C calc'!A0")
    return alice, bob


async def found(person: Person, query: str) -> list[int]:
    answer = await person.get(f"/transactions?{query}")
    assert answer.status_code == 200, answer.text
    return [item["amount"] for item in answer.json()["items"]]


async def test_filters_can_be_combined(client: httpx.AsyncClient) -> None:
    alice, bob = await with_history(client)
    assert await found(alice, "kind=top-up") == [1_000]
    assert await found(alice, "kind=top-up&kind=transfer&sort=oldest") == [1_000, 1, 2, 3]
    assert await found(alice, "direction=out&amount_min=2") == [2]
    assert await found(alice, "q=lunch") == [1]
    assert await found(alice, "q=bob&direction=in") == [3]
    assert await found(alice, f"counterparty={bob.id}&sort=oldest") == [1, 2, 3]
    assert await found(alice, "counterparty=BOB&amount_max=1") == [1]
    assert await found(alice, "counterparty=nobody_at_all") == []
    assert await found(alice, "reference=R-1") == [2]
    assert await found(alice, "metadata_key=order&metadata_value=4711&status=completed") == [1]
    assert await found(alice, f"wallet_id={alice.wallet_id}&currency=USD&q=%3Dcmd") == [3]
    assert await found(alice, f"wallet_id={bob.wallet_id}") == []
    assert await found(alice, "currency=EUR") == []
    assert await found(bob, "q=lunch") == [1]


async def test_the_times_of_lines_bound_a_search(client: httpx.AsyncClient) -> None:
    alice, _ = await with_history(client)
    items = (await alice.get("/transactions")).json()["items"]
    first, last = items[2]["booked_at"], items[0]["booked_at"]
    assert await found(alice, f"booked_from={first}&booked_to={last}") == [2, 1]
    elsewhere = quote("2026-01-01T00:00:00+02:00")
    assert await found(alice, f"booked_to={elsewhere}") == []
    assert await found(alice, "booked_from=2026-01-01&booked_to=2299-12-31") == [3, 2, 1, 1_000]


async def test_a_count_comes_only_if_it_is_asked_for(client: httpx.AsyncClient) -> None:
    alice, _ = await with_history(client)
    page = (await alice.get("/transactions?limit=1&direction=out&count=true")).json()
    assert page["count"] == {"lines": 2, "exact": True, "display": "2"}
    assert page["scanned_to"] is None
    assert (await alice.get("/transactions?limit=1")).json()["count"] is None


async def test_a_cursor_belongs_to_its_search(client: httpx.AsyncClient) -> None:
    alice, _ = await with_history(client)
    query = "limit=1&direction=out"
    page = (await alice.get(f"/transactions?{query}")).json()
    assert await found(alice, f"{query}&cursor={page['next_cursor']}") == [1]
    for other in ("limit=1", "limit=1&direction=in", "limit=1&direction=out&sort=oldest"):
        answer = await alice.get(f"/transactions?{other}&cursor={page['next_cursor']}")
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("amount_min=1.5", "amount_min"),
        ("amount_max=10000000000000000", "amount_max"),
        ("booked_from=2026-13-01", "booked_from"),
        ("booked_from=2026-11-22T12:00:00", "booked_from"),
        ("booked_to=0001-01-01T00:00:00%2B14:00", "booked_to"),
        ("booked_to=9999-12-31", "booked_to"),
        ("kind=fee", "kind.0"),
        ("direction=sideways", "direction"),
        ("sort=random", "sort"),
        ("q=" + "+".join("abcdefghi"), "q"),
        ("counterparty=" + "x" * 37, "counterparty"),
        ("metadata_key=" + "x" * 501, "metadata_key"),
        ("wallet_id=mine", "wallet_id"),
        ("limit=201", "limit"),
        ("order_by=amount", "order_by"),
    ],
)
async def test_what_cannot_be_searched_for_is_told_by_field(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.get(f"/transactions?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "validation-failed"
    assert field in [error["field"] for error in answer.json()["errors"]]


async def test_a_search_tells_nothing_of_the_counterparty_that_its_lines_do_not_show(
    client: httpx.AsyncClient,
) -> None:
    alice, _ = await with_history(client)
    line = (await alice.get("/transactions?q=bob&limit=1")).json()["items"][0]
    assert set(line["counterparty"]) == {"user_id", "handle", "first_name", "initial"}
    # Everybody's last name in these tests, and their address.
    for hidden in ("tester", "example.com", "@"):
        assert await found(alice, f"q={quote(hidden)}") == []
