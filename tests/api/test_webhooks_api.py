"""Webhooks and events over HTTP: what owners do, and what a real receiver gets."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from standardwebhooks.webhooks import WebhookVerificationError
from tests.api.people import Person, sign_up, sign_up_with
from tests.conftest import Database, Service, running_service, settings_of
from tests.integration.receiver import Receiver, answer, receiving

URL = "http://127.0.0.1:9099/hooks"


@pytest_asyncio.fixture(loop_scope="session")
async def alice(client: httpx.AsyncClient) -> Person:
    alice = await sign_up_with(client, "alice", 10_000)
    await sign_up(client, "bob")
    return alice


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def made(person: Person, url: str = URL, **more: Any) -> dict[str, Any]:
    answered = await person.post("/webhook-endpoints", {"url": url, **more})
    assert answered.status_code == 201, answered.text
    document: dict[str, Any] = answered.json()
    return document


async def pay(person: Person, *amounts: int) -> None:
    for amount in amounts:
        paid = await person.post("/wallets/transfer", {"to_handle": "bob", "amount": amount})
        assert paid.status_code == 201


async def patch(person: Person, id_: str, body: dict[str, Any]) -> httpx.Response:
    path = f"/webhook-endpoints/{id_}"
    return await person.client.patch(path, json=body, headers=person.headers)


# Endpoints.


async def test_an_endpoint_is_made_shown_changed_and_removed(alice: Person) -> None:
    endpoint = await made(alice, description="The shop", events=["transfer.sent"])
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert endpoint == {
        "id": endpoint["id"], "url": URL, "description": "The shop", "events": ["transfer.sent"],
        "enabled": True, "disabled_reason": None, "disabled_at": None, "failing_since": None,
        "waiting": 0, "rotating_until": None, "created_at": endpoint["created_at"],
    }  # fmt: skip
    shown = await alice.get(f"/webhook-endpoints/{endpoint['id']}")
    assert shown.json() == endpoint
    assert (await alice.get("/webhook-endpoints")).json()["items"] == [endpoint]
    changes = {"url": URL + "2", "description": "", "events": []}
    changed = await patch(alice, endpoint["id"], changes)
    assert changed.json() == endpoint | {"url": URL + "2", "description": None, "events": []}
    assert (await patch(alice, endpoint["id"], {})).json() == changed.json()
    removed = await alice.client.delete(
        f"/webhook-endpoints/{endpoint['id']}", headers=alice.headers
    )
    assert removed.status_code == 204
    assert (await alice.get("/webhook-endpoints")).json()["items"] == []


async def test_a_url_that_leads_inside_is_refused_when_made_and_when_changed(
    alice: Person,
) -> None:
    endpoint = await made(alice)
    for url, reason in (
        ("https://169.254.169.254/latest/meta-data/", "not-public"),
        ("http://10.0.0.1/", "not-public"),
        ("https://2130706433/", "malformed"),
        ("https://a@shop.example/", "user-in-url"),
        ("https://shop.example:22/", "port-refused"),
    ):
        refused = await alice.post("/webhook-endpoints", {"url": url})
        for answered in (refused, await patch(alice, endpoint["id"], {"url": url})):
            assert (answered.status_code, answered.json()["code"]) == (422, "webhook-url-invalid")
            assert answered.json()["reason"] == reason


async def test_production_wants_tls_and_a_public_host(database: Database, tmp_path: Path) -> None:
    settings = settings_of(webhook_loopback=False)
    async with (
        running_service(database, tmp_path, settings) as service,
        service.client() as client,
    ):
        eve = await sign_up(client, "eve")
        for url, reason in (
            ("http://shop.example/", "https-required"),
            ("https://127.0.0.1:8443/", "not-public"),
            ("https://localhost/", "not-public"),
        ):
            refused = await eve.post("/webhook-endpoints", {"url": url})
            assert refused.json()["reason"] == reason


async def test_a_type_that_does_not_exist_is_refused_and_the_known_ones_are_told(
    alice: Person,
) -> None:
    body = {"url": URL, "events": ["transfer.sent", "transfer.snet"]}
    refused = await alice.post("/webhook-endpoints", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "event-type-unknown")
    assert refused.json()["event_type"] == "transfer.snet"
    assert "transfer.received" in refused.json()["known"]


async def test_ten_endpoints_are_enough_also_when_all_are_made_at_once(alice: Person) -> None:
    answers = await asyncio.gather(
        *(alice.post("/webhook-endpoints", {"url": URL}) for _ in range(14))
    )
    assert sorted(a.status_code for a in answers) == [201] * 10 + [409] * 4
    refused = next(a for a in answers if a.status_code == 409)
    assert refused.json()["code"] == "webhook-endpoint-limit-reached"
    assert refused.json()["maximum"] == 10


async def test_a_secret_is_kept_encrypted_and_shown_nowhere(
    alice: Person, service: Service
) -> None:
    endpoint = await made(alice)
    rotated = await alice.post(f"/webhook-endpoints/{endpoint['id']}/rotate-secret", {})
    words = [endpoint["secret"], rotated.json()["secret"]]
    owner = await asyncpg.connect(service.database.superuser_url)
    try:
        row = await owner.fetchrow("SELECT * FROM webhook_endpoints")
    finally:
        await owner.close()
    for place in ("", f"/{endpoint['id']}", f"/{endpoint['id']}/deliveries"):
        shown = (await alice.get(f"/webhook-endpoints{place}")).text
        assert not any(word in shown for word in words)
    assert not any(word in service.log_text() for word in words)
    assert row is not None
    assert not any(word.removeprefix("whsec_") in str(dict(row)) for word in words)


async def test_who_closes_their_account_leaves_no_endpoint(client: httpx.AsyncClient) -> None:
    eve = await sign_up(client, "eve")
    endpoint = await made(eve)
    await eve.post(f"/webhook-endpoints/{endpoint['id']}/test", {})
    gone = await eve.client.request(
        "DELETE", "/users/me", json={"password": eve.password}, headers=eve.headers
    )
    assert gone.status_code == 204


# Deliveries.


async def test_a_receiver_gets_what_happens_signed_and_in_order(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    await pay(alice, 11, 12, 13)
    received = await receiver.count(3)
    assert [request.id for request in received] == [f"{alice.wallet_id}:{n}" for n in (2, 3, 4)]
    for request, amount in zip(received, (11, 12, 13), strict=True):
        event = request.verified_by(endpoint["secret"])
        line = await alice.get(f"/transactions/{event['data']['transaction']['id']}")
        assert event == {
            "id": request.id, "type": "transfer.sent", "timestamp": line.json()["booked_at"],
            "data": {"balance": line.json()["balance"], "transaction": line.json()},
        }  # fmt: skip
        assert line.json()["amount"] == amount
        assert (await alice.get(f"/events/{request.id}")).json() == event


async def test_the_receiver_and_the_list_of_events_agree_to_the_byte(
    alice: Person, receiver: Receiver
) -> None:
    await made(alice, receiver.url)
    position = (await alice.get("/events?after=now")).json()["position"]
    await pay(alice, 5)
    await alice.post("/wallets", {"currency": "EUR"})
    await alice.top_up(7, "EUR")
    received = await receiver.count(3)
    listed = (await alice.get(f"/events?after={position}")).json()["items"]
    assert {request.body for request in received} == {
        json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in listed
    }
    assert {event["type"] for event in listed} == {
        "transfer.sent", "wallet.opened", "topup.settled"
    }  # fmt: skip


async def test_only_what_was_asked_for_comes(alice: Person, receiver: Receiver) -> None:
    await made(alice, receiver.url, events=["topup.settled"])
    await pay(alice, 1)
    await alice.top_up(100)
    await receiver.count(1)
    await asyncio.sleep(0.2)
    assert [request.event["type"] for request in receiver.received] == ["topup.settled"]


async def test_a_transfer_that_is_refused_is_told_to_nobody(
    alice: Person, receiver: Receiver
) -> None:
    await made(alice, receiver.url)
    body = {"to_handle": "bob", "amount": 10**9}
    refused = await alice.post("/wallets/transfer", body)
    assert refused.status_code == 422
    atomic = {"transfers": [body | {"amount": 1}, body], "atomic": True}
    assert (await alice.post("/transfers/batch", atomic)).status_code in {200, 201, 422}
    await pay(alice, 3)
    received = await receiver.count(1)
    await asyncio.sleep(0.2)
    assert [r.event["data"]["transaction"]["amount"] for r in received] == [3]


async def test_a_test_event_is_really_sent_and_its_delivery_answered(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    receiver.behave = lambda _: answer(418, b"<b>no</b>\x00")
    delivery = (await alice.post(f"/webhook-endpoints/{endpoint['id']}/test", {})).json()
    (request,) = receiver.received
    assert request.verified_by(endpoint["secret"])["type"] == "webhook.test"
    assert delivery == {
        "id": delivery["id"], "event_id": request.id, "event_type": "webhook.test",
        "cause": "test", "attempt": 1, "status": "failed", "sent_at": delivery["sent_at"],
        "duration_ms": delivery["duration_ms"],
        "request": {"url": receiver.url, "body": request.body.decode()},
        "answer": {"status": 418, "body": "<b>no</b>\ufffd"}, "failure": None,
        "next_attempt_at": None,
    }  # fmt: skip
    receiver.behave = lambda _: 60.0
    began_s = asyncio.get_running_loop().time()
    late = (await alice.post(f"/webhook-endpoints/{endpoint['id']}/test", {})).json()
    assert (late["answer"], late["failure"]) == (None, "timeout")
    assert asyncio.get_running_loop().time() - began_s < 4.3
    log = (await alice.get(f"/webhook-endpoints/{endpoint['id']}/deliveries")).json()
    assert log["items"] == [late, delivery]


async def test_the_log_has_pages_and_a_filter_and_what_failed_can_be_sent_again(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    receiver.behave = lambda request: answer(200 if len(receiver.received) > 1 else 500)
    await pay(alice, 1)
    await receiver.count(1)
    path = f"/webhook-endpoints/{endpoint['id']}/deliveries"
    async with asyncio.timeout(5):
        while not (failed := (await alice.get(f"{path}?status=failed")).json()["items"]):
            await asyncio.sleep(0.02)
    assert failed[0]["next_attempt_at"] > failed[0]["sent_at"]
    assert (await alice.get(f"/webhook-endpoints/{endpoint['id']}")).json()["failing_since"]
    again = await alice.post(f"{path}/{failed[0]['id']}/resend", {})
    assert (again.json()["status"], again.json()["cause"]) == ("succeeded", "resend")
    first, second = receiver.received[:2]
    assert (second.id, second.body) == (first.id, first.body)
    second.verified_by(endpoint["secret"])
    page = (await alice.get(f"{path}?limit=1")).json()
    assert page["items"] == [again.json()]
    rest = (await alice.get(f"{path}?limit=1&cursor={page['next_cursor']}")).json()
    assert rest["items"] == failed
    assert rest["next_cursor"] is None
    assert (await alice.get(f"{path}?status=succeeded")).json()["items"] == [again.json()]
    wrong = await alice.get(f"{path}?cursor=x")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor-invalid")


async def test_during_a_rotation_both_secrets_verify_and_afterwards_only_the_new_one(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    old = endpoint["secret"]
    path = f"/webhook-endpoints/{endpoint['id']}"
    rotated = (await alice.post(f"{path}/rotate-secret", {"overlap_s": 3_600})).json()
    assert rotated["rotating_until"] > datetime.now(UTC).isoformat()
    await alice.post(f"{path}/test", {})
    for secret in (old, rotated["secret"]):
        receiver.received[0].verified_by(secret)
    ended = (await alice.post(f"{path}/rotate-secret", {"overlap_s": 0})).json()
    assert ended["rotating_until"] is None
    await alice.post(f"{path}/test", {})
    receiver.received[1].verified_by(ended["secret"])
    for secret in (old, rotated["secret"]):
        with pytest.raises(WebhookVerificationError):
            receiver.received[1].verified_by(secret)
    default = await alice.client.post(f"{path}/rotate-secret", headers=alice.headers)
    day = datetime.now(UTC) + timedelta(hours=24)
    assert abs(datetime.fromisoformat(default.json()["rotating_until"]) - day).seconds < 60


async def test_the_tester_says_whether_a_signature_is_right(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    await alice.post(f"/webhook-endpoints/{endpoint['id']}/test", {})
    request = receiver.received[0]
    body = {
        "webhook_id": request.id, "body": request.body.decode(),
        "webhook_timestamp": request.headers["webhook-timestamp"],
        "webhook_signature": request.headers["webhook-signature"],
    }  # fmt: skip
    path = f"/webhook-endpoints/{endpoint['id']}/signature-check"
    right = await alice.post(path, body)
    assert right.json() == {"valid": True, "reason": None}
    parsed = json.dumps(json.loads(body["body"]))
    wrong = await alice.post(path, body | {"body": parsed})
    assert wrong.json() == {"valid": False, "reason": "signature-mismatch"}


async def test_disabled_it_gets_nothing_and_enabled_again_what_it_has_missed_or_not(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    off = (await patch(alice, endpoint["id"], {"enabled": False})).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "owner")
    await pay(alice, 1, 2)
    await asyncio.sleep(0.1)
    waiting = (await alice.get(f"/webhook-endpoints/{endpoint['id']}")).json()
    assert (receiver.received, waiting["waiting"]) == ([], 2)
    on = (await patch(alice, endpoint["id"], {"enabled": True})).json()
    assert (on["enabled"], on["disabled_reason"], on["disabled_at"]) == (True, None, None)
    await receiver.count(2)
    await patch(alice, endpoint["id"], {"enabled": False})
    await pay(alice, 3)
    await patch(alice, endpoint["id"], {"enabled": True, "missed": "skip"})
    await pay(alice, 4)
    await receiver.count(3)
    assert [r.event["data"]["transaction"]["amount"] for r in receiver.received] == [1, 2, 4]
    unclear = await patch(alice, endpoint["id"], {"missed": "skip"})
    assert unclear.status_code == 422


async def test_all_since_a_time_come_again_with_the_same_ids(
    alice: Person, receiver: Receiver
) -> None:
    await pay(alice, 1)
    since = datetime.now(UTC).isoformat()
    await pay(alice, 2)
    endpoint = await made(alice, receiver.url)
    await pay(alice, 3)
    await receiver.count(1)
    path = f"/webhook-endpoints/{endpoint['id']}/resend"
    async with asyncio.timeout(5):
        while (await alice.get(path.removesuffix("/resend"))).json()["waiting"]:
            await asyncio.sleep(0.02)
    again = await alice.post(path, {"since": since})
    assert (again.status_code, again.json()) == (202, {"events": 2})
    await receiver.count(3)
    assert receiver.ids == [f"{alice.wallet_id}:{n}" for n in (4, 3, 4)]
    for wrong in ("2020-01-01", "2299-01-01"):
        refused = await alice.post(path, {"since": wrong})
        assert refused.json()["code"] == "resend-period-invalid"


async def test_410_disables_and_the_owner_is_told_by_mail_and_by_event(
    alice: Person, receiver: Receiver
) -> None:
    endpoint = await made(alice, receiver.url)
    receiver.behave = lambda _: answer(410)
    await pay(alice, 1)
    await receiver.count(1)
    path = f"/webhook-endpoints/{endpoint['id']}"
    async with asyncio.timeout(5):
        while (shown := (await alice.get(path)).json())["enabled"]:
            await asyncio.sleep(0.02)
    assert shown["disabled_reason"] == "gone"
    events = (await alice.get("/events?types=webhook.endpoint.disabled")).json()["items"]
    assert [e["data"]["reason"] for e in events] == ["gone"]
    async with asyncio.timeout(5):
        while not (mails := await mails_to(alice, "webhook")):
            await asyncio.sleep(0.02)
    assert receiver.url in mails[0]
    assert endpoint["id"] in mails[0]


async def mails_to(person: Person, subject: str) -> list[str]:
    found = await person.client.get("/dev/mail", params={"recipient": person.email})
    return [mail["text"] for mail in found.json()["items"] if subject in mail["subject"]]


async def test_what_is_sent_at_once_is_counted_by_a_guard(alice: Person) -> None:
    endpoint = await made(alice)
    path = f"/webhook-endpoints/{endpoint['id']}/test"
    answers = [await alice.post(path, {}) for _ in range(31)]
    codes = [a.status_code for a in answers]
    assert codes[:30] == [200] * 30
    assert codes[30] in {200, 429}, "a minute may have ended meanwhile"


# Events.


async def test_the_list_of_events_begins_with_the_first_and_goes_on_by_cursor(
    alice: Person,
) -> None:
    await pay(alice, 1, 2, 3)
    whole = (await alice.get("/events")).json()
    assert [e["type"] for e in whole["items"]] == [
        "wallet.opened", "user.signed-up", "topup.settled", *["transfer.sent"] * 3,
    ]  # fmt: skip
    assert whole["next_cursor"] is None
    found, after = [], ""
    while True:
        page = (await alice.get(f"/events?limit=2{after}")).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        after = f"&after={page['next_cursor']}"
    assert found == whole["items"]
    again = (await alice.get(f"/events?after={page['position']}")).json()
    assert (again["items"], again["position"]) == ([], page["position"])
    await pay(alice, 4)
    new = (await alice.get(f"/events?after={page['position']}")).json()["items"]
    assert [e["data"]["transaction"]["amount"] for e in new] == [4]


async def test_after_a_webhooks_id_comes_everything_that_follows_it(alice: Person) -> None:
    await pay(alice, 1, 2)
    found = (await alice.get(f"/events?after={alice.wallet_id}:2")).json()["items"]
    own = [e["id"] for e in found if e["id"].startswith(alice.wallet_id)]
    assert own == [f"{alice.wallet_id}:3"]
    only = (await alice.get("/events?types=user.signed-up&types=wallet.opened")).json()["items"]
    assert [e["type"] for e in only] == ["wallet.opened", "user.signed-up"]


async def test_a_place_that_is_not_ones_own_is_refused(alice: Person) -> None:
    nobodys = "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a:1"
    for after in ("x", "%00", "a:b", nobodys, "now2", "a" * 5_000):
        refused = await alice.get(f"/events?after={after}")
        assert refused.status_code == 422
        assert refused.json()["code"] in {"event-id-invalid", "validation-failed"}


async def test_a_place_of_the_future_and_of_somebody_else_are_refused(alice: Person) -> None:
    eve = await sign_up(alice.client, "eve")
    for person, place in ((alice, f"{alice.wallet_id}:99"), (eve, f"{alice.wallet_id}:1")):
        assert (await person.get(f"/events?after={place}")).json()["code"] == "event-id-invalid"
    position = (await alice.get("/events?after=now")).json()["position"]
    assert (await eve.get(f"/events?after={position}")).json()["code"] == "event-id-invalid"


async def test_an_event_that_is_none_is_not_found(alice: Person) -> None:
    own = alice.wallet_id
    for id_ in ("x", "a:1", "0:0", f"{own}:0", f"{own}:99", f"{own}:01x", f"{own}:1,{own}:2"):
        answered = await alice.get(f"/events/{id_}")
        assert (answered.status_code, answered.json()["code"]) == (404, "event-not-found"), id_


async def test_the_document_describes_what_receivers_get(
    service: Service, alice: Person, receiver: Receiver
) -> None:
    document = service.app.openapi()
    await made(alice, receiver.url)
    await pay(alice, 1)
    await receiver.count(1)
    described = document["webhooks"]["transfer.sent"]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = document["components"]["schemas"][schema.rsplit("/", 1)[1]]["properties"]
    assert set(receiver.received[0].event) == set(fields)
    assert fields["type"]["const"] == "transfer.sent"
    assert {p["name"] for p in described["parameters"]} <= set(receiver.received[0].headers)
