"""What staff see, and what they do to wallets and sessions, over HTTP."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.people import Person
from tests.api.staff_people import REASON, Office, do, office, on_database, quick_person
from tests.conftest import Service

from wallet.domain.users import Role


async def items(person: Person, path: str) -> list[dict[str, Any]]:
    answer = await person.get(f"/admin{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def code_of_payment(payer: Person, to: str, amount: int = 1) -> str:
    answer = await payer.post("/wallets/transfer", {"to_handle": to, "amount": amount})
    code: str = "accepted" if answer.is_success else answer.json()["code"]
    return code


# Freeze, close, overdraft.


@pytest.mark.parametrize(
    ("direction", "sends", "receives"),
    [
        ("send", "wallet-frozen", "accepted"),
        ("receive", "accepted", "wallet-frozen"),
        ("both", "wallet-frozen", "wallet-frozen"),
    ],
)
async def test_a_frozen_wallet_is_refused_in_its_direction_until_it_is_let_go(
    client: httpx.AsyncClient, service: Service, direction: str, sends: str, receives: str
) -> None:
    o = await office(client, service)
    await o.bob.top_up(100)
    path = f"/wallets/{o.alice.wallet_id}"
    frozen = await do(o.sam, f"{path}/freeze", direction=direction)
    assert (frozen.status_code, frozen.json()["frozen"]) == (200, direction)
    version = frozen.json()["version"]
    assert await code_of_payment(o.alice, "bob") == sends
    assert await code_of_payment(o.bob, "alice") == receives
    (shown,) = (await o.alice.get("/wallets")).json()["items"]
    assert shown["frozen"] == direction
    let_go = await do(o.sam, f"{path}/unfreeze")
    assert let_go.json()["frozen"] == "none"
    assert await code_of_payment(o.alice, "bob") == "accepted"
    assert await code_of_payment(o.bob, "alice") == "accepted"
    acts = await items(o.otto, f"/audit-trail?subject={o.alice.wallet_id}")
    assert [(a["act"], a["before"]["frozen"], a["after"]["frozen"]) for a in acts] == [
        ("wallet.unfrozen", direction, "none"),
        ("wallet.frozen", "none", direction),
    ]
    # A freeze is no entry.
    assert version == 1


async def test_freezing_adds_up_and_asking_twice_is_one_act(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    path = f"/wallets/{o.alice.wallet_id}/freeze"
    for direction, comes_to in (("send", "send"), ("send", "send"), ("receive", "both"),
                                ("send", "both")):  # fmt: skip
        assert (await do(o.sam, path, direction=direction)).json()["frozen"] == comes_to
    acts = await items(o.otto, f"/audit-trail?subject={o.alice.wallet_id}")
    assert [act["after"]["frozen"] for act in acts] == ["both", "send"]


async def test_a_wallet_is_closed_when_it_is_empty_and_for_good(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    full = await do(o.ada, f"/wallets/{o.alice.wallet_id}/close")
    assert (full.status_code, full.json()["code"]) == (409, "wallet-not-empty")
    pending = await o.bob.top_up(90_003)
    assert pending.status_code == 202
    path = f"/wallets/{o.bob.wallet_id}"
    on_its_way = await do(o.ada, f"{path}/close")
    assert (on_its_way.status_code, on_its_way.json()["code"]) == (409, "wallet-not-empty")
    await on_database(service, "UPDATE fundings SET status = 'declined', decided_at = now() "
                               "WHERE status = 'pending'")  # fmt: skip
    for _ in range(2):
        closed = await do(o.ada, f"{path}/close")
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert await code_of_payment(o.alice, "bob") == "wallet-closed"
    frozen = await do(o.ada, f"{path}/freeze", direction="send")
    assert (frozen.status_code, frozen.json()["code"]) == (422, "wallet-closed")
    acts = await items(o.otto, f"/audit-trail?subject={o.bob.wallet_id}")
    assert [act["act"] for act in acts] == ["wallet.closed"]


async def test_an_owner_hears_what_staff_decided_but_neither_why_nor_by_whom(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    path = f"/wallets/{o.bob.wallet_id}"
    for what, more in (
        ("freeze", {"direction": "send"}), ("freeze", {"direction": "send"}),
        ("unfreeze", {}), ("overdraft", {"limit": 70}), ("overdraft", {"limit": 0}), ("close", {}),
    ):  # fmt: skip
        assert (await do(o.ada, f"{path}/{what}", **more)).status_code == 200
    told = (await o.bob.get("/events?limit=50")).json()["items"]
    about = {"wallet_id": o.bob.wallet_id, "currency": "USD"}
    assert [(e["type"], e["data"]) for e in told if e["data"].get("frozen")] == [
        (kind, about | {"frozen": frozen, "overdraft_limit": limit, "status": status})
        for kind, frozen, limit, status in (
            ("wallet.frozen", "send", "0", "open"),
            ("wallet.unfrozen", "none", "0", "open"),
            ("wallet.overdraft-set", "none", "70", "open"),
            ("wallet.overdraft-set", "none", "0", "open"),
            ("wallet.closed", "none", "0", "closed"),
        )
    ]


async def test_an_overdraft_lets_a_wallet_go_below_zero_and_no_further(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    granted = await do(o.ada, f"/wallets/{o.bob.wallet_id}/overdraft", limit=500)
    assert (granted.status_code, granted.json()["overdraft_limit"]) == (200, 500)
    assert await code_of_payment(o.bob, "alice", 501) == "insufficient-funds"
    assert await code_of_payment(o.bob, "alice", 500) == "accepted"
    assert await code_of_payment(o.bob, "alice", 1) == "insufficient-funds"
    for limit in (-1, 9 * 10**15 + 1, 1.5, "5", None):
        answer = await do(o.ada, f"/wallets/{o.bob.wallet_id}/overdraft", limit=limit)
        assert answer.status_code == 422, limit
    too_much = await do(o.ada, f"/wallets/{o.bob.wallet_id}/overdraft", limit=1_000_001)
    assert (too_much.status_code, too_much.json()["code"]) == (422, "overdraft-limit-too-high")
    assert too_much.json()["maximum"] == 1_000_000


async def test_nobody_controls_their_own_wallet(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await do(o.ada, f"/wallets/{o.sam.wallet_id}/freeze", direction="both")
    for person, path, more in (
        (o.sam, "unfreeze", {}), (o.ada, "overdraft", {"limit": 10**9}),
    ):  # fmt: skip
        answer = await do(person, f"/wallets/{person.wallet_id}/{path}", **more)
        assert (answer.status_code, answer.json()["code"]) == (403, "own-affairs")


async def test_system_accounts_are_no_wallets(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    rows = await on_database(service, "SELECT id FROM accounts WHERE purpose <> 'wallet' LIMIT 1")
    path = f"/wallets/{rows[0]['id']}"
    assert (await o.ada.get(f"/admin{path}")).status_code == 404
    acts: dict[str, dict[str, Any]] = {
        "freeze": {"direction": "both"},
        "overdraft": {"limit": 0},
        "close": {},
    }
    for act, more in acts.items():
        answer = await do(o.ada, f"{path}/{act}", **more)
        assert (answer.status_code, answer.json()["code"]) == (404, "wallet-unknown")
    asked = await do(o.ada, "/adjustments", wallet_id=str(rows[0]["id"]), amount=5)
    assert asked.status_code == 404


# Sessions.


async def test_staff_log_a_person_out_everywhere_at_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    answer = await o.sam.client.request(
        "DELETE",
        f"/admin/people/{o.bob.id}/sessions",
        json={"reason": REASON},
        headers=o.sam.headers,
    )
    assert (answer.status_code, answer.json()) == (200, {"ended": 1})
    gone = await o.bob.get("/users/me")
    assert (gone.status_code, gone.json()["code"]) == (401, "session-revoked")
    (act,) = await items(o.otto, f"/audit-trail?subject={o.bob.id}&act=sessions.ended")
    assert (act["before"], act["after"], act["actor"]["handle"]) == (
        {"sessions": 1}, {"sessions": 0}, "sam",
    )  # fmt: skip
    assert (await o.alice.get("/users/me")).status_code == 200


async def test_staff_log_neither_themselves_out_nor_support_anybody_of_the_staff(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for who, whom, expected in (
        (o.sam, o.sam, (403, "own-affairs")),
        (o.ada, o.ada, (403, "own-affairs")),
        (o.sam, o.ada, (403, "right-missing")),
        (o.ada, o.sam, (200, None)),
    ):
        answer = await who.client.request(
            "DELETE",
            f"/admin/people/{whom.id}/sessions",
            json={"reason": REASON},
            headers=who.headers,
        )
        assert (answer.status_code, answer.json().get("code")) == expected, who.name
    assert (await o.ada.get("/users/me")).status_code == 200


# People, wallets, search.


async def test_a_persons_page_shows_their_whole_picture_and_no_secret(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.pay(300, note="Lunch")
    await code_of_payment(o.alice, "bob", 10_000)
    await do(o.sam, f"/wallets/{o.alice.wallet_id}/freeze", direction="receive")
    page = (await o.otto.get(f"/admin/people/{o.alice.id}")).json()
    assert (page["first_name"], page["email"], page["email_verified"]) == (
        "Alice", "alice@example.com", True,
    )  # fmt: skip
    (wallet,) = page["wallets"]
    assert (wallet["posted"], wallet["frozen"], wallet["version"]) == (700, "receive", 2)
    assert page["counts"] == {"movements": 2, "sessions": 1, "acts": 1}
    assert [(line["kind"], line["amount"]) for line in page["recent"]] == [
        ("transfer", 300), ("top-up", 1_000),
    ]  # fmt: skip
    assert [(r["code"], r["amount"]) for r in page["recent_refusals"]] == [
        ("insufficient-funds", 10_000)
    ]
    assert [act["act"] for act in page["recent_acts"]] == ["wallet.frozen"]
    assert len(page["sessions"]) == 1
    text = json.dumps(page)
    for secret in ("password", "hash", "digest", o.alice.access_token):
        assert secret not in text


async def test_looking_at_a_person_is_told_once_an_hour(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for path in ("", "/transactions", "/timeline", ""):
        assert (await o.otto.get(f"/admin/people/{o.alice.id}{path}")).status_code == 200
    await o.sam.get(f"/admin/people/{o.alice.id}/timeline")
    acts = await items(o.ada, f"/audit-trail?subject={o.alice.id}")
    assert [(a["act"], a["actor"]["handle"], a["reason"]) for a in acts] == [
        ("person.viewed", "sam", None), ("person.viewed", "otto", None),
    ]  # fmt: skip
    await on_database(
        service, "UPDATE audit_trail SET happened_at = happened_at - interval '61 minutes'"
    )
    await o.otto.get(f"/admin/people/{o.alice.id}")
    assert len(await items(o.ada, f"/audit-trail?actor={o.otto.id}")) == 2
    # Somebody who is not there was looked at by nobody.
    assert (await o.otto.get(f"/admin/people/{uuid4()}")).status_code == 404
    assert len(await items(o.ada, f"/audit-trail?actor={o.otto.id}")) == 2


async def test_a_persons_transactions_have_the_filters_of_the_persons_own(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for amount in (1, 2, 3):
        await o.pay(amount, reference=f"R-{amount}")
    path = f"/people/{o.alice.id}/transactions"
    assert [i["amount"] for i in await items(o.otto, f"{path}?reference=R-2")] == [2]
    assert [i["amount"] for i in await items(o.otto, f"{path}?kind=transfer&sort=oldest")] == [
        1, 2, 3,
    ]  # fmt: skip
    first = (await o.otto.get(f"/admin{path}?limit=2")).json()
    rest = (await o.otto.get(f"/admin{path}?limit=2&cursor={first['next_cursor']}")).json()
    assert [i["amount"] for i in first["items"] + rest["items"]] == [3, 2, 1, 1_000]
    own = (await o.alice.get("/transactions?limit=2")).json()
    assert own["items"] == first["items"]


async def timeline(person: Person, of: Person, limit: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    cursor = ""
    for _ in range(30):
        path = f"/admin/people/{of.id}/timeline?limit={limit}{cursor}"
        page = (await person.get(path)).json()
        for item in page["items"]:
            what = item["act"] or item["event"] or item["transaction"]
            found.append((item["type"], what.get("act") or what["kind"]))
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("a timeline without an end")


async def test_a_timeline_merges_movements_events_and_acts_whatever_the_page_size(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.pay(1)
    await do(o.sam, f"/wallets/{o.alice.wallet_id}/freeze", direction="receive")
    await o.alice.post("/wallets", {"currency": "EUR"})
    await o.pay(2)
    expected = [
        ("transaction", "transfer"),
        ("event", "wallet.opened"),
        ("act", "wallet.frozen"),
        ("transaction", "transfer"),
        ("transaction", "top-up"),
        ("event", "wallet.opened"),
    ]
    for limit in (1, 2, 3, 50):
        assert await timeline(o.otto, o.alice, limit) == expected, limit
    answer = await o.otto.get(f"/admin/people/{o.bob.id}/timeline?cursor=nonsense")
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("ali", ["alice"]),
        ("ALICE tes", ["alice"]),
        ("tester ali", ["alice"]),
        ("alice@example.c", ["alice"]),
        ("@ALICE", ["alice"]),
        ("tester", ["bob", "otto", "sam", "max", "ada", "alice"]),
        ("ice", []),
        ("%", []),
        ("a_ice", []),
        ("alice x", []),
        ("' OR 1=1 --", []),
    ],
)
async def test_people_are_found_by_the_beginning_of_what_they_are_called(
    client: httpx.AsyncClient, service: Service, asked: str, names: list[str]
) -> None:
    o = await office(client, service)
    answer = await client.get("/admin/people", params={"q": asked}, headers=o.sam.headers)
    found = [person["handle"] for person in answer.json()["items"]]
    assert sorted(found) == sorted(names)


async def test_lists_of_people_and_wallets_are_filtered_and_paged(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.alice.post("/wallets", {"currency": "EUR"})
    await do(o.sam, f"/wallets/{o.bob.wallet_id}/freeze", direction="send")
    assert {p["handle"] for p in await items(o.sam, "/people?role=admin")} == {"ada", "max"}
    assert await items(o.sam, "/people?status=closed") == []
    assert {p["handle"] for p in await items(o.sam, "/people?role=user&status=open")} == {
        "alice", "bob",
    }  # fmt: skip
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await o.sam.get(f"/admin/people?limit=2{cursor}")).json()
        seen += [person["handle"] for person in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
        if page["next_cursor"] is None:
            break
    assert (len(seen), len(set(seen))) == (6, 6)
    euros = await items(o.sam, "/wallets?currency=EUR")
    assert [(w["owner"]["handle"], w["currency"]) for w in euros] == [("alice", "EUR")]
    frozen = await items(o.sam, "/wallets?frozen=true")
    assert [w["owner"]["handle"] for w in frozen] == ["bob"]
    assert len(await items(o.sam, "/wallets?frozen=false&currency=USD")) == 5
    first = (await o.sam.get("/admin/wallets?limit=4")).json()
    rest = (await o.sam.get(f"/admin/wallets?limit=4&cursor={first['next_cursor']}")).json()
    assert len({w["id"] for w in first["items"] + rest["items"]}) == 7
    other = await o.sam.get(f"/admin/wallets?frozen=true&cursor={first['next_cursor']}")
    assert (other.status_code, other.json()["code"]) == (422, "cursor-invalid")


async def test_a_search_finds_ids_and_references_exactly(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(5, reference="INV-2026-1")
    await o.pay(6, reference="INV-2026-11")

    async def found(text: str) -> tuple[list[str], list[str], list[int]]:
        answer = await client.get("/admin/search", params={"q": text}, headers=o.otto.headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        return (
            [person["handle"] for person in page["people"]],
            [wallet["owner"]["handle"] for wallet in page["wallets"]],
            [movement["amount"] for movement in page["transactions"]],
        )

    assert await found("INV-2026-1") == ([], [], [5])
    assert await found(paid) == ([], [], [5])
    assert await found(o.alice.wallet_id) == ([], ["alice"], [])
    assert await found(o.bob.id) == (["bob"], ["bob"], [])
    assert await found("alice") == (["alice"], ["alice"], [])
    assert await found(str(uuid4())) == ([], [], [])
    too_short = await client.get("/admin/search", params={"q": "a"}, headers=o.otto.headers)
    assert too_short.status_code == 422


async def test_a_movement_shows_both_of_its_sides(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300, note="Lunch", metadata={"order": "1"})
    seen = (await o.otto.get(f"/admin/transactions/{paid}")).json()
    assert (seen["amount"], seen["note"], seen["metadata"]) == (300, "Lunch", {"order": "1"})
    assert (seen["source"]["owner"]["handle"], seen["source"]["posted_after"]) == ("alice", 700)
    assert (seen["target"]["owner"]["handle"], seen["target"]["posted_after"]) == ("bob", 300)
    missing = await o.otto.get(f"/admin/transactions/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "movement-not-found")


async def test_the_audit_trail_is_filtered_and_paged(
    client: httpx.AsyncClient, service: Service
) -> None:
    o: Office = await office(client, service)
    for person in (o.alice, o.bob, o.max):
        await do(o.sam, f"/wallets/{person.wallet_id}/freeze", direction="send")
        await do(o.ada, f"/wallets/{person.wallet_id}/unfreeze")
    acts = await items(o.otto, "/audit-trail")
    assert len(acts) == 6
    assert {a["actor_name"] for a in await items(o.otto, f"/audit-trail?actor={o.sam.id}")} == {
        "Sam Tester"
    }
    assert len(await items(o.otto, "/audit-trail?act=wallet.unfrozen")) == 3
    assert len(await items(o.otto, f"/audit-trail?subject={o.alice.id}")) == 2
    assert len(await items(o.otto, f"/audit-trail?subject={o.alice.id}&actor={o.ada.id}")) == 1
    middle = acts[2]["happened_at"]
    assert len(await items(o.otto, f"/audit-trail?from={middle}")) == 3
    assert len(await items(o.otto, f"/audit-trail?to={middle}")) == 3
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await o.otto.get(f"/admin/audit-trail?limit=2{cursor}")).json()
        seen += [act["id"] for act in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [act["id"] for act in acts]
    assert (await o.otto.get(f"/admin/audit-trail/{acts[0]['id']}")).json() == acts[0]
    missing = await o.otto.get(f"/admin/audit-trail/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "act-not-found")


async def test_an_acts_name_survives_the_actor(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    await do(o.sam, f"/wallets/{o.bob.wallet_id}/freeze", direction="send")
    await on_database(service, "UPDATE users SET first_name = 'New' WHERE id = $1::uuid", o.sam.id)
    (act,) = await items(o.otto, "/audit-trail")
    assert (act["actor_name"], act["actor"]["first_name"]) == ("Sam Tester", "New")


async def test_lists_refuse_what_they_do_not_ask_for(
    client: httpx.AsyncClient, service: Service
) -> None:
    otto = await quick_person(client, service, "otto", Role.AUDITOR)
    for path in (
        "/people?limit=0", "/people?limit=201", "/people?limit=1_0", "/people?limit=+5",
        "/people?role=owner", "/people?status=gone", "/people?order_by=email", "/people?q=a%00b",
        "/people?cursor=x", "/people?cursor=%F0%9F%92%B8", "/wallets?currency=usd",
        "/wallets?frozen=perhaps", "/wallets?cursor=AAAA", "/adjustments?status=done",
        "/audit-trail?since=2026-11-22", "/audit-trail?from=yesterday", "/audit-trail?actor=otto",
        "/search?q=a", "/search", f"/people/{otto.id}/timeline?limit=1e3", "/overview?x=1_0_0&y",
    ):  # fmt: skip
        answer = await otto.get(f"/admin{path}")
        wanted = 200 if path.startswith("/overview") else 422
        assert answer.status_code == wanted, (path, answer.text)


# The overview.


async def test_the_overview_counts_what_happened_a_moment_ago(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.pay(300)
    await o.pay(200)
    await code_of_payment(o.alice, "bob", 10_000)
    await do(o.sam, f"/transactions/{await o.pay(50)}/refund")
    seen = (await o.otto.get("/admin/overview")).json()
    today = seen["today"]
    assert (today["transfers"], today["refused"], today["sign_ups"]) == (3, 1, 6)
    assert today["active_people"] == 2
    (volume,) = today["volumes"]
    assert (volume["amount"], volume["money_in"], volume["refunded"], volume["money_out"]) == (
        550, 1_000, 50, 0,
    )  # fmt: skip
    assert seen["refusals"] == [
        {
            "code": "insufficient-funds",
            "title": "The wallet does not hold enough available money",
            "today": 1,
            "yesterday": 0,
        }
    ]
    assert (len(seen["minutes"]), len(seen["hours"])) == (60, 48)
    assert sum(point["transfers"] for point in seen["minutes"]) == 3
    assert sum(point["sign_ups"] for point in seen["hours"]) == 6
    assert max(point["active_people"] for point in seen["hours"]) == 2
    assert sum(point["volumes"].get("USD", 0) for point in seen["hours"]) == 550
    (balance,) = seen["balances"]
    assert (balance["people"], balance["money_in"], balance["adjusted"]) == (1_000, 1_000, 0)
    assert seen["yesterday"]["transfers"] == 0
    assert seen["latency"]["requests"] > 0
    assert seen["latency"]["p50_ms"] > 0
    assert seen["integrity"]["safe_mode"] is None


async def test_an_overview_is_made_once_a_second(
    client: httpx.AsyncClient, service: Service
) -> None:
    otto = await quick_person(client, service, "otto", Role.AUDITOR)
    overviews = service.app.state.use_cases.staff_side.overviews
    clock = iter([0.0, 0.5, 0.99, 1.0, 1.5])
    overviews._clock_s = lambda: next(clock)
    made = [(await otto.get("/admin/overview")).json()["made_at"] for _ in range(5)]
    assert (len(set(made[:3])), len(set(made[3:])), len(set(made))) == (1, 1, 2)
