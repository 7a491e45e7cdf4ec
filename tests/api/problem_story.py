"""Every problem that the document names, brought about by requests; one answer of each is kept.

People and sessions are here, money and staff in `problem_story_money.py`, and what only happens in
an outage or at the port in `problem_story_outages.py`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from tests.api.api_keys import by_key, make_key
from tests.api.browsers import PATH, ask_to_log_in, code_now, make_staff, open_page
from tests.api.people import PASSWORD, Person, sign_up
from tests.api.staff_people import quick_person
from tests.conftest import Service

UNKNOWN_ID = "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"
UNKNOWN_TOKEN = "A" * 43
OTHER_PASSWORD = "nine wooden spoons in spring"
WRONG = "not the password at all"


@dataclass
class Answers:
    """The answers that were kept, by code."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def keep(self, code: str, answer: httpx.Response) -> None:
        """Keep an answer under the code that it must have."""
        self.keep_body(code, answer.json() if answer.content else {}, answer.status_code)

    def keep_body(self, code: str, body: Mapping[str, Any], status: int) -> None:
        """The same for what did not come through httpx."""
        if (body.get("code"), body.get("status")) != (code, status):
            self.wrong.append(f"{code} was wanted, {status} came: {body}")
        elif code in self.found:
            self.wrong.append(f"{code} is kept twice")
        self.found[code] = dict(body)


async def every_problem_of_people(
    said: Answers, client: httpx.AsyncClient, service: Service
) -> Person:
    """Sign up, log in, use keys and browsers, all of it wrongly; return Anna, who does it."""
    anna = await sign_up(client, "anna")
    await signing_up(said, client)
    await logging_in(said, client, service, anna)
    await second_factors(said, client, service)
    await browsers(said, client, anna)
    await profiles(said, client, service, anna)
    await api_keys(said, client, anna)
    await webhooks(said, anna)
    await events(said, anna)
    return anna


async def signing_up(said: Answers, client: httpx.AsyncClient) -> None:
    wish = {
        "first_name": "Eve",
        "last_name": "Tester",
        "email": "eve@example.com",
        "password": OTHER_PASSWORD,
        "handle": "eve",
    }
    for code, changed in {
        "email-taken": {"email": "anna@example.com"},
        "handle-taken": {"handle": "anna"},
        "handle-invalid": {"handle": "7eve"},
        "handle-reserved": {"handle": "admin"},
        "name-invalid": {"first_name": "\u200b"},
        "password-too-short": {"password": "short"},
        "password-too-long": {"password": "long words " * 20},
        "password-common": {"password": "passwordpassword"},
        "password-personal": {"password": "eve tester eve tester"},
        "password-unprintable": {"password": "nine wooden\u0007 spoons in spring"},
    }.items():
        said.keep(code, await client.post("/users", json=wish | changed))
    as_json = {"content-type": "application/json"}
    as_text = {"content-type": "text/plain"}
    said.keep("malformed-json", await client.post("/users", content=b"{", headers=as_json))
    said.keep(
        "unsupported-media-type", await client.post("/users", content=b"a=b", headers=as_text)
    )
    big = b"{" + b" " * 70_000 + b"}"
    said.keep("body-too-large", await client.post("/users", content=big, headers=as_json))


async def logging_in(
    said: Answers, client: httpx.AsyncClient, service: Service, anna: Person
) -> None:
    said.keep("unauthenticated", await client.get("/users/me"))
    nonsense = {"authorization": "Bearer nonsense"}
    said.keep("token-invalid", await client.get("/users/me", headers=nonsense))
    said.keep("token-expired", await client.get("/users/me", headers=of_yesterday(service, anna)))
    body = {"email": "nobody@example.com", "password": WRONG}
    said.keep("credentials-invalid", await client.post("/users/login", json=body))
    for _ in range(4):
        await client.post("/users/login", json=body)
    said.keep("log-in-delayed", await client.post("/users/login", json=body))
    other = (
        await client.post("/users/login", json={"email": anna.email, "password": PASSWORD})
    ).json()
    refresh = {"refresh_token": other["refresh_token"]}
    await client.post("/users/refresh", json=refresh)
    said.keep("refresh-token-reused", await client.post("/users/refresh", json=refresh))
    refresh = {"refresh_token": UNKNOWN_TOKEN[:22]}
    said.keep("refresh-token-invalid", await client.post("/users/refresh", json=refresh))
    ended = {"authorization": f"Bearer {other['access_token']}"}
    said.keep("session-revoked", await client.get("/users/me", headers=ended))
    path = f"/users/me/sessions/{UNKNOWN_ID}"
    said.keep("session-not-found", await client.delete(path, headers=anna.headers))
    body = {"token": UNKNOWN_TOKEN, "new_password": OTHER_PASSWORD}
    said.keep("mail-token-invalid", await client.post("/password-resets/confirm", json=body))
    change = {"current_password": WRONG, "new_password": OTHER_PASSWORD}
    said.keep("password-wrong", await anna.post("/users/me/password", change))


def of_yesterday(service: Service, person: Person) -> dict[str, str]:
    """Return the headers of somebody who comes back with a token that they got yesterday."""
    tokens = service.app.state.use_cases.log_in._tokens
    then = datetime.now(UTC) - timedelta(days=1)
    token = tokens.issue(UUID(person.id), UUID(UNKNOWN_ID), then, then + timedelta(minutes=15))
    return {"authorization": f"Bearer {token}"}


async def second_factors(said: Answers, client: httpx.AsyncClient, service: Service) -> None:
    dora = await sign_up(client, "dora")
    said.keep("second-factor-off", await dora.post(f"{PATH}/confirm", {"otp": "123456"}))
    secret = (await dora.post(PATH, {"password": PASSWORD})).json()["secret"]
    said.keep("otp-wrong", await dora.post(f"{PATH}/confirm", {"otp": "x"}))
    confirmed = await dora.post(f"{PATH}/confirm", {"otp": code_now(secret)})
    assert confirmed.status_code == 200, confirmed.text
    said.keep("second-factor-already-on", await dora.post(PATH, {"password": PASSWORD}))
    said.keep("second-factor-required", await ask_to_log_in(client, dora.email))
    said.keep("second-factor-wrong", await ask_to_log_in(client, dora.email, otp="x"))
    ned = await quick_person(client, service, "ned")
    await make_staff(service.database, ned.email)
    said.keep("second-factor-required-for-staff", await ned.get("/admin/overview"))


async def browsers(said: Answers, client: httpx.AsyncClient, anna: Person) -> None:
    page, _ = await open_page(client, anna.email)
    both = {**page.reading, **anna.headers}
    said.keep("two-credentials", await client.get("/wallets", headers=both))
    elsewhere = {**page.reading, "sec-fetch-site": "cross-site"}
    said.keep("cross-site-request", await client.get("/wallets", headers=elsewhere))
    said.keep("csrf-token-wrong", await client.post("/live/tickets", headers=page.reading))


async def profiles(
    said: Answers, client: httpx.AsyncClient, service: Service, anna: Person
) -> None:
    ben = await quick_person(client, service, "ben")
    said.keep("email-already-verified", await ben.post("/users/me/email-verification", {}))
    said.keep("recipient-ambiguous", await anna.get("/recipients?handle=ben&user_id=" + ben.id))
    said.keep("recipient-not-found", await anna.get("/recipients?handle=nobody_here"))
    for number in range(10):
        handle = {"handle": f"ben{number}"}
        answer = await client.patch("/users/me", json=handle, headers=ben.headers)
        if not answer.is_success:
            break
    said.keep("handle-limit-reached", answer)
    said.keep("not-found", await anna.get("/problems/no-such-code"))


async def api_keys(said: Answers, client: httpx.AsyncClient, anna: Person) -> None:
    wanted: dict[str, Any] = {"name": "Till", "scopes": ["wallets:read"]}
    soon = datetime.now(UTC) + timedelta(seconds=1.2)
    expiring = await make_key(anna, "wallets:read", expires_at=soon.isoformat())
    past = wanted | {"expires_at": "2026-01-01T00:00:00Z"}
    said.keep("api-key-expiry-invalid", await anna.post("/api-keys", past))
    rule = {"currency": "USD", "budget": 100}
    ruled = wanted | {"spending": rule}
    said.keep("api-key-scopes-invalid", await anna.post("/api-keys", ruled))
    key = await make_key(anna, "wallets:read")
    machine = by_key(anna, key)
    said.keep("insufficient-scope", await machine.post("/wallets/topup", {"amount": 5}))
    said.keep("session-required", await machine.get("/api-keys"))
    await client.delete(f"/api-keys/{key['id']}", headers=anna.headers)
    said.keep("api-key-revoked", await machine.get("/wallets"))
    said.keep("api-key-not-found", await anna.get(f"/api-keys/{key['id']}"))
    unknown = {"authorization": f"Bearer wk_{UNKNOWN_TOKEN}"}
    said.keep("api-key-invalid", await client.get("/wallets", headers=unknown))
    while (made := await anna.post("/api-keys", wanted)).is_success:
        pass
    said.keep("api-key-limit-reached", made)
    await asyncio.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.05)
    said.keep("api-key-expired", await by_key(anna, expiring).get("/wallets"))
    said.keep("api-key-not-live", await anna.post(f"/api-keys/{expiring['id']}/rotate", {}))


async def webhooks(said: Answers, anna: Person) -> None:
    body: dict[str, Any] = {"url": "http://127.0.0.1:9099/hooks"}
    unknown = body | {"events": ["transfer.snet"]}
    said.keep("event-type-unknown", await anna.post("/webhook-endpoints", unknown))
    inside = {"url": "https://169.254.169.254/latest/meta-data/"}
    said.keep("webhook-url-invalid", await anna.post("/webhook-endpoints", inside))
    said.keep("webhook-endpoint-not-found", await anna.get(f"/webhook-endpoints/{UNKNOWN_ID}"))
    made = await anna.post("/webhook-endpoints", body)
    path = f"/webhook-endpoints/{made.json()['id']}"
    said.keep(
        "webhook-delivery-not-found",
        await anna.post(f"{path}/deliveries/{UNKNOWN_ID}/resend", {}),
    )
    long_ago = {"since": "2020-01-01"}
    said.keep("resend-period-invalid", await anna.post(f"{path}/resend", long_ago))
    while (made := await anna.post("/webhook-endpoints", body)).is_success:
        pass
    said.keep("webhook-endpoint-limit-reached", made)


async def events(said: Answers, anna: Person) -> None:
    said.keep("event-id-invalid", await anna.get(f"/events?after={anna.wallet_id}:99"))
    said.keep("event-not-found", await anna.get(f"/events/{anna.wallet_id}:99"))
    said.keep("cursor-invalid", await anna.get("/transactions?cursor=AAAA"))
    headers = {**anna.headers, "last-event-id": f"{anna.wallet_id}:99"}
    said.keep("last-event-id-invalid", await anna.client.get("/live/events", headers=headers))
