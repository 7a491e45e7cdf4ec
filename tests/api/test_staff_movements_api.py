"""Lists of movements and refusals as staff ask for them."""

import httpx
from tests.api.staff_people import Office, do, office
from tests.conftest import Service

from wallet.api.cursors import encode_place
from wallet.domain.audit_trail import ActSearch
from wallet.domain.back_office import PeopleSearch
from wallet.domain.movements import MovementSearch
from wallet.infrastructure.identifiers import new_id


async def amounts(o: Office, query: str, listing: str = "transactions") -> list[int]:
    """Return the amounts of all pages that are asked for."""
    found: list[int] = []
    cursor = ""
    for _ in range(30):
        answer = await o.otto.get(f"/admin/{listing}?{query}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [item["amount"] for item in page["items"]]
        if page["next_cursor"] is None:
            assert page["scanned_to"] is None
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("a list without an end")


async def test_movements_are_listed_newest_first_with_both_sides(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = [await o.pay(amount, note="Lunch", reference=f"R-{amount}") for amount in (10, 20, 30)]
    refund = (await do(o.sam, f"/transactions/{paid[0]}/refund")).json()["id"]
    for limit in (1, 2, 50):
        assert await amounts(o, f"limit={limit}") == [10, 30, 20, 10, 1_000]
    items = (await o.otto.get("/admin/transactions?limit=5")).json()["items"]
    assert [item["kind"] for item in items] == ["refund", *["transfer"] * 3, "top-up"]
    assert [item["id"] for item in items[:4]] == [refund, *reversed(paid)]
    for item in items:
        assert (await o.otto.get(f"/admin/transactions/{item['id']}")).json() == item
    assert (items[3]["refunded"], items[0]["refund_of"]) == (10, paid[0])
    assert [side["owner"]["handle"] for side in (items[1]["source"], items[1]["target"])] == [
        "alice", "bob",
    ]  # fmt: skip
    assert items[4]["source"]["owner"] is None


async def test_movements_are_filtered(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    for amount in (10, 20, 30):
        await o.pay(amount)
    middle = (await o.otto.get("/admin/transactions?amount_min=20&amount_max=20")).json()
    (at,) = [item["booked_at"] for item in middle["items"]]
    for query, expected in {
        "kind=transfer": [30, 20, 10],
        "kind=top-up": [1_000],
        "kind=transfer&kind=top-up": [30, 20, 10, 1_000],
        "kind=refund": [],
        "currency=EUR": [],
        "currency=USD&amount_max=20": [20, 10],
        f"booked_from={at}": [30, 20],
        f"booked_to={at}": [10, 1_000],
        "booked_to=2020-01-01": [],
    }.items():
        assert await amounts(o, f"limit=2&{query}") == expected, query


async def test_refusals_say_why_to_whom_and_can_be_found_by_their_id(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 77})
    whole = (await o.otto.get(f"/admin/people/{o.bob.id}")).json()
    quoted = whole["recent_refusals"][0]["id"]
    await do(o.sam, f"/wallets/{o.alice.wallet_id}/freeze", direction="send")
    await o.alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 5})
    assert await amounts(o, "limit=1", "refusals") == [5, 77]
    assert await amounts(o, "code=insufficient-funds", "refusals") == [77]
    assert await amounts(o, "kind=refund", "refusals") == []
    assert await amounts(o, "amount_max=76&kind=transfer", "refusals") == [5]
    refusal = (await o.otto.get(f"/admin/refusals/{quoted}")).json()
    assert (refusal["code"], refusal["amount"]) == ("insufficient-funds", 77)
    assert refusal["title"] == "The wallet does not hold enough available money"
    assert (refusal["facts"]["available"], refusal["account_id"]) == (0, o.bob.wallet_id)
    assert (refusal["owner"]["handle"], refusal["counterparty"]["handle"]) == ("bob", "alice")
    found = (await o.otto.get(f"/admin/search?q={quoted}")).json()
    assert (found["transactions"], found["refusals"]) == ([], [refusal])
    assert (await o.otto.get("/admin/search?q=alice")).json()["refusals"] == []
    missing = await o.otto.get(f"/admin/refusals/{new_id()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "refusal-not-found")


async def test_a_cursor_belongs_to_its_list_and_filters(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for amount in (10, 20):
        await o.pay(amount)
    cursor = (await o.otto.get("/admin/transactions?limit=1")).json()["next_cursor"]
    everything = repr(MovementSearch())
    forged = encode_place(f"transactions {everything}", None, None)
    for path in (
        f"transactions?cursor={forged}",
        f"refusals?cursor={encode_place(f'refusals {everything}', None, None)}",
        f"audit-trail?cursor={encode_place(f'acts {ActSearch()!r}', None, None)}",
        f"people?cursor={encode_place(f'people {PeopleSearch()!r}', None)}",
        f"transactions?kind=transfer&cursor={cursor}", f"refusals?cursor={cursor}",
        "transactions?cursor=AAAA", "refusals?cursor=%F0%9F%92%B8",
    ):  # fmt: skip
        answer = await o.otto.get(f"/admin/{path}")
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), path


async def test_what_is_not_a_filter_is_refused_by_name(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for query, field in {
        "limit=0": "limit", "limit=201": "limit", "limit=1e1": "limit", "kind=hold": "kind",
        "kind=top-up-request": "kind", "currency=usd": "currency", "amount_min=0": "amount_min",
        "amount_max=1_0": "amount_max", "amount_max=99999999999999999999": "amount_max",
        "booked_from=yesterday": "booked_from", "booked_to=2026-13-01": "booked_to",
        "code=insufficient-funds": "code", "order_by=amount": "order_by",
    }.items():  # fmt: skip
        answer = await o.otto.get(f"/admin/transactions?{query}")
        assert answer.status_code == 422, query
        assert field in str(answer.json()["errors"]), query
    for query in ("code=", "code=A%20B", "kind=top-up", "kind=adjustment"):
        assert (await o.otto.get(f"/admin/refusals?{query}")).status_code == 422, query


async def test_what_comes_while_a_timeline_is_read_waits_for_the_next_first_page(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for amount in (1, 2, 3):
        await o.pay(amount)
    path = f"/admin/people/{o.alice.id}/timeline?limit=1"
    page = (await o.otto.get(path)).json()
    await do(o.sam, f"/wallets/{o.alice.wallet_id}/freeze", direction="receive")
    await o.alice.post("/wallets", {"currency": "EUR"})
    seen = [item["at"] for item in page["items"]]
    acts = []
    while page["next_cursor"] is not None:
        page = (await o.otto.get(f"{path}&cursor={page['next_cursor']}")).json()
        seen += [item["at"] for item in page["items"]]
        acts += [item["act"] for item in page["items"] if item["act"]]
    assert seen == sorted(seen, reverse=True)
    assert acts == []
    anew = (await o.otto.get(f"/admin/people/{o.alice.id}/timeline?limit=2")).json()["items"]
    assert [item["type"] for item in anew] == ["event", "act"]
