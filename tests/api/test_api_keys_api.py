"""API keys over HTTP: made, watched, rotated, revoked; and what gets nobody in."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from tests.api.api_keys import EVERY_SCOPE, by_key, machine, make_key
from tests.api.people import PASSWORD, sign_up, sign_up_with
from tests.conftest import Service

from wallet.domain.api_keys import secret_of

BALANCE = "/wallets/my-balance"


async def test_a_key_is_shown_with_its_secret_once(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    made = await make_key(ada, "transfers:write", "wallets:read", name=" Till ")
    secret = made.pop("secret")
    assert re.fullmatch(r"wk_[0-9A-Za-z]{49}", secret)
    assert made == {
        "id": made["id"],
        "name": "Till",
        "scopes": ["wallets:read", "transfers:write"],
        "hint": secret[-4:],
        "status": "active",
        "created_at": made["created_at"],
        "expires_at": None,
        "last_used_at": None,
        "spending": None,
    }
    assert (await ada.get(f"/api-keys/{made['id']}")).json() == made
    assert (await ada.get("/api-keys")).json() == {"items": [made], "next_cursor": None}


async def test_a_machine_does_with_a_key_what_its_owner_would(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    await sign_up(client, "bob")
    key = await machine(ada, *EVERY_SCOPE)
    assert (await key.top_up(1_000)).status_code == 201
    paid = await key.post("/wallets/transfer", {"to_handle": "bob", "amount": 300}, "k")
    assert (paid.status_code, paid.json()["balance"]["posted"]) == (201, 700)
    batch = {"transfers": [{"to_handle": "bob", "amount": 1}] * 2}
    assert (await key.post("/transfers/batch", batch)).json()["accepted"] == 2
    assert (await key.get(BALANCE)).json()["posted"] == 698
    assert len((await key.get("/transactions")).json()["items"]) == 4
    assert (await key.get("/users/me")).json()["handle"] == "ada"
    assert (await key.get("/recipients?handle=bob")).json()["first_name"] == "Bob"


async def test_idempotency_keys_are_the_persons_whatever_they_come_with(
    client: httpx.AsyncClient,
) -> None:
    ada = await sign_up_with(client, "ada", 1_000)
    await sign_up(client, "bob")
    first = await machine(ada, "transfers:write")
    second = await machine(ada, "transfers:write", "transactions:read")
    body = {"to_handle": "bob", "amount": 300}
    answers = [await p.post("/wallets/transfer", body, "once") for p in (first, second, ada)]
    assert [a.status_code for a in answers] == [201, 201, 201]
    assert len({a.content for a in answers}) == 1
    assert [a.headers.get("idempotent-replayed") for a in answers] == [None, "true", "true"]
    assert (await second.get("/idempotency-keys/once")).json()["status"] == "accepted"
    assert (await ada.get(BALANCE)).json()["posted"] == 700


async def test_throughput_is_counted_by_person(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await machine(ada, "wallets:read")

    def left(answer: httpx.Response) -> int:
        found = re.search(r"r=(\d+)", answer.headers["ratelimit"])
        assert found is not None
        return int(found[1])

    before = left(await ada.get(BALANCE))
    assert left(await key.get(BALANCE)) == before - 1


# What gets nobody in.


async def refused(client: httpx.AsyncClient, token: str) -> str:
    answer = await client.get(BALANCE, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    code: str = answer.json()["code"]
    return code


async def test_forged_and_mistyped_keys_get_nobody_in(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    secret = (await make_key(ada, "wallets:read"))["secret"]
    other = "A" if secret[9] != "A" else "B"
    for token in (
        secret_of(b"\x01" * 32),
        secret[:9] + other + secret[10:],
        secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        secret.swapcase()[:3].lower() + secret[3:].swapcase(),
        secret[:-1],
        secret + "A",
        "wk_",
        "wk_" + "0" * 49,
        "wk_" + "'" * 49,
        "wk_" + "\u00e9" * 49,
        "wk_" + "A" * 100_00,
    ):
        sent = {b"authorization": f"Bearer {token}".encode("latin-1")}
        answer = await client.get(BALANCE, headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "api-key-invalid"), token
    assert await refused(client, "WK_" + secret[3:]) == "token-invalid"
    assert await refused(client, secret[3:]) == "token-invalid"


async def test_a_revoked_key_is_dead_at_once(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    assert (await by_key(ada, key).get(BALANCE)).status_code == 200
    gone = await client.delete(f"/api-keys/{key['id']}", headers=ada.headers)
    assert (gone.status_code, gone.content) == (204, b"")
    assert await refused(client, key["secret"]) == "api-key-revoked"
    for answer in (
        await ada.get(f"/api-keys/{key['id']}"),
        await client.delete(f"/api-keys/{key['id']}", headers=ada.headers),
        await ada.post(f"/api-keys/{key['id']}/rotate", {}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "api-key-not-found")
    assert (await ada.get("/api-keys")).json()["items"] == []


async def test_an_expired_key_gets_nobody_in_and_is_listed_as_expired(
    client: httpx.AsyncClient, service: Service
) -> None:
    ada = await sign_up(client, "ada")
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    key = await make_key(ada, "wallets:read", expires_at=soon)
    assert (await by_key(ada, key).get(BALANCE)).status_code == 200
    await asyncio.sleep(1.6)
    assert await refused(client, key["secret"]) == "api-key-expired"
    assert (await ada.get(f"/api-keys/{key['id']}")).json()["status"] == "expired"
    rotated = await ada.post(f"/api-keys/{key['id']}/rotate", {})
    assert (rotated.status_code, rotated.json()["code"]) == (409, "api-key-not-live")


async def test_a_key_that_has_expired_already_is_not_made(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    for expires_at in ("2020-01-01", "2026-01-01T00:00:00Z"):
        body = {"name": "Till", "scopes": ["wallets:read"], "expires_at": expires_at}
        answer = await ada.post("/api-keys", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "api-key-expiry-invalid")


async def test_a_rotated_key_keeps_everything_but_its_secret(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    old = await make_key(ada, "wallets:read", "profile:read")
    assert (await by_key(ada, old).get(BALANCE)).status_code == 200
    rotated = await ada.post(f"/api-keys/{old['id']}/rotate", {"overlap_seconds": 3600})
    assert rotated.status_code == 200
    new = rotated.json()
    assert new["secret"] != old["secret"]
    kept = {"id", "name", "scopes", "created_at", "expires_at", "spending", "status"}
    assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
    for key in (old, new):
        assert (await by_key(ada, key).get(BALANCE)).status_code == 200
    # Without a body the ones before end at once.
    newest = await client.post(f"/api-keys/{old['id']}/rotate", headers=ada.headers)
    assert newest.status_code == 200
    for key in (old, new):
        assert await refused(client, key["secret"]) == "api-key-revoked"
    assert (await by_key(ada, newest.json()).get(BALANCE)).status_code == 200


async def test_an_overlap_has_bounds(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    for overlap in (-1, 604_801, 1.5, "60", True, 10**30):
        answer = await ada.post(f"/api-keys/{key['id']}/rotate", {"overlap_seconds": overlap})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed"), overlap


async def test_the_list_is_paged(client: httpx.AsyncClient) -> None:
    ada, eve = await sign_up(client, "ada"), await sign_up(client, "eve")
    ids = [(await make_key(ada, "wallets:read"))["id"] for _ in range(5)][::-1]
    pages, cursor = [], ""
    while True:
        page = (await ada.get(f"/api-keys?limit=2{cursor}")).json()
        pages.append([key["id"] for key in page["items"]])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert (await eve.get(f"/api-keys?limit=2{cursor}")).json()["items"] == []
    for query in ("cursor=AAAA", "cursor=%00", "limit=0", "limit=201", "sort=name"):
        assert (await ada.get(f"/api-keys?{query}")).status_code == 422, query
    of_history = (await ada.get("/transactions?limit=1")).json()["next_cursor"]
    assert of_history is None


async def test_the_last_use_is_shown(client: httpx.AsyncClient, service: Service) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    await by_key(ada, key).get(BALANCE)
    authentication = service.app.state.use_cases.log_in.authenticate.__self__
    await authentication._keys.note_uses()
    shown = (await ada.get(f"/api-keys/{key['id']}")).json()["last_used_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(shown)) < timedelta(seconds=30)


# Twice at once.


async def test_of_many_keys_made_at_once_fifty_are_made(
    client: httpx.AsyncClient, service: Service
) -> None:
    ada = await sign_up(client, "ada")
    body = {"name": "Till", "scopes": ["wallets:read"]}
    # A few at a time: more would wait for a connection longer than they may.
    places = asyncio.Semaphore(6)

    async def make() -> httpx.Response:
        async with places:
            return await ada.post("/api-keys", body)

    made = await asyncio.gather(*(make() for _ in range(58)))
    codes = [answer.json().get("code") for answer in made if answer.status_code != 201]
    assert codes == ["api-key-limit-reached"] * 8
    assert len((await ada.get("/api-keys?limit=200")).json()["items"]) == 50


async def test_rotating_at_once_leaves_at_most_five_secrets(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    path = f"/api-keys/{key['id']}/rotate"
    rotated = await asyncio.gather(*(ada.post(path, {"overlap_seconds": 3600}) for _ in range(10)))
    assert {answer.status_code for answer in rotated} == {200}
    secrets = [key["secret"], *(answer.json()["secret"] for answer in rotated)]
    statuses = [
        (await client.get(BALANCE, headers={"authorization": f"Bearer {s}"})).status_code
        for s in secrets
    ]
    assert sorted(statuses) == [200] * 5 + [401] * 6


# Leaving, and looking.


async def test_closing_the_account_ends_its_keys_and_a_new_password_does_not(
    client: httpx.AsyncClient,
) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    change = {"current_password": PASSWORD, "new_password": "eleven paper boats by noon"}
    assert (await ada.post("/users/me/password", change)).status_code == 204
    assert (await by_key(ada, key).get(BALANCE)).status_code == 200
    closed = await client.request(
        "DELETE", "/users/me", json={"password": change["new_password"]}, headers=ada.headers
    )
    assert closed.status_code == 204
    assert await refused(client, key["secret"]) == "api-key-revoked"


async def test_ones_data_hold_the_keys_without_their_secrets(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    export = await ada.get("/users/me/export")
    secret = key.pop("secret")
    assert export.json()["api_keys"] == [key]
    assert secret not in export.text


async def test_logs_name_the_key_and_never_its_secret(
    client: httpx.AsyncClient, service: Service
) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    rotated = (await ada.post(f"/api-keys/{key['id']}/rotate", {"overlap_seconds": 60})).json()
    for secret in (key["secret"], rotated["secret"], secret_of(b"\x05" * 32)):
        await client.get(BALANCE, headers={"authorization": f"Bearer {secret}"})
        await client.get(f"{BALANCE}?token={secret}")
        await client.get(f"/{secret}")
    service.logs.logger.error("crash", detail=f"it was {key['secret']}", other=key["secret"])
    log = service.log_text()
    assert f'"api_key_id":"{key["id"]}"' in log
    for secret in (key["secret"], rotated["secret"], secret_of(b"\x05" * 32)):
        assert secret not in log
        assert secret[3:40] not in log


async def test_the_database_keeps_no_secret(client: httpx.AsyncClient, service: Service) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    await ada.post(f"/api-keys/{key['id']}/rotate", {"overlap_seconds": 60})
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        rows = await connection.fetch(
            "SELECT to_jsonb(s)::text FROM api_key_secrets s UNION ALL "
            "SELECT to_jsonb(k)::text FROM api_keys k UNION ALL "
            "SELECT to_jsonb(e)::text FROM events e"
        )
    finally:
        await connection.close()
    kept = "".join(row[0] for row in rows)
    assert key["id"] in kept
    assert key["secret"][3:40] not in kept


async def test_a_key_works_while_a_second_credential_is_refused(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, "wallets:read")
    headers = [
        ("authorization", f"Bearer {key['secret']}"),
        ("authorization", f"Bearer {ada.access_token}"),
    ]
    answer = await client.get(BALANCE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")


NAMES: list[tuple[Any, int]] = [
    ("x", 201),
    ("Überweisung ✓", 201),
    ("x" * 100, 201),
    ("", 422),
    ("   ", 422),
    ("x" * 101, 422),
    ("a\u202eb", 422),
    ("a\x00b", 422),
    ("\ud800", 422),
    (5, 422),
    (None, 422),
]


async def test_names_are_what_can_be_shown(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    headers = ada.headers | {"content-type": "application/json"}
    for name, status in NAMES:
        body = json.dumps({"name": name, "scopes": ["wallets:read"]})
        answer = await client.post("/api-keys", content=body, headers=headers)
        assert answer.status_code == status, name
