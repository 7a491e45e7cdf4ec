"""The second factor over HTTP: set up, log in, recover, and by whom it is asked for."""

import asyncio
import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import httpx
import pytest
from fastapi import Depends
from tests.api.browsers import PATH, ask_to_log_in, code_now, make_staff, turn_on
from tests.api.people import PASSWORD, sign_up
from tests.api.security_accounts import mails_to
from tests.api.test_security_objects import routes_of
from tests.conftest import Database, Service, running_service, settings_of
from tests.integration.serving import clean_environment

from wallet.api.dependencies import current_person
from wallet.bootstrap.webhooks import KEY_FILE
from wallet.domain.sessions import Principal

Person = Annotated[Principal, Depends(current_person)]


async def enter(client: httpx.AsyncClient, email: str, otp: str | None = None) -> httpx.Response:
    body = {"email": email, "password": PASSWORD} | ({} if otp is None else {"otp": otp})
    return await client.post("/users/login", json=body)


async def mailed(client: httpx.AsyncClient, address: str, subject: str) -> None:
    """Wait for a mail with this subject."""
    for _ in range(100):
        if subject in [mail["subject"] for mail in await mails_to(client, address)]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no mail says: {subject}")


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


async def test_the_whole_way_from_setting_up_to_doing_without(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    off = {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}
    assert (await alice.get(PATH)).json() == off
    begun = await alice.post(PATH, {"password": PASSWORD})
    assert begun.json().keys() == {"secret", "otpauth_uri", "qr_svg"}
    assert (await alice.get(PATH)).json() == off
    otp = code_now(begun.json()["secret"])
    confirmed = await alice.post(f"{PATH}/confirm", {"otp": otp})
    codes = confirmed.json()["recovery_codes"]
    assert all(re.fullmatch(r"([0-9a-z]{4}-){5}[0-9a-z]{4}", code) for code in codes)
    state = (await alice.get(PATH)).json()
    assert (state["enabled"], state["recovery_codes_left"]) == (True, 10)
    export = (await alice.get("/users/me/export")).json()
    assert export["second_factor_enabled_at"] == state["enabled_at"]
    assert outcome(await enter(client, alice.email)) == (401, "second-factor-required")
    assert outcome(await enter(client, alice.email, otp)) == (401, "second-factor-wrong")
    assert outcome(await enter(client, alice.email, codes[0])) == (200, None)
    later = code_now(begun.json()["secret"], 1)
    assert outcome(await enter(client, alice.email, later)) == (200, None)
    proof = {"password": PASSWORD, "otp": codes[1]}
    gone = await client.request("DELETE", PATH, json=proof, headers=alice.headers)
    assert gone.status_code == 204
    assert outcome(await enter(client, alice.email)) == (200, None)


@pytest.mark.parametrize("path", ["/users/login", "/session"])
async def test_what_is_told_before_the_right_password_is_the_same_for_all(
    client: httpx.AsyncClient, path: str
) -> None:
    alice, bob = await sign_up(client, "alice"), await sign_up(client, "bob")
    _, codes = await turn_on(alice)
    told = []
    for email in (alice.email, bob.email, "nobody@example.com"):
        for otp in (None, "000000", codes[0]):
            body = {"email": email, "password": "not that one"} | ({"otp": otp} if otp else {})
            answer = await client.post(path, json=body, headers={"sec-fetch-site": "same-origin"})
            document = answer.json()
            document.pop("request_id")
            told.append((answer.status_code, json.dumps(document), tuple(answer.headers)))
    assert len(set(told)) == 1
    assert told[0][0] == 401
    assert (await alice.get(PATH)).json()["recovery_codes_left"] == 10


async def test_wrong_codes_are_delayed_and_say_for_how_long(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    await turn_on(alice)
    for _ in range(5):
        assert outcome(await enter(client, alice.email, "x")) == (401, "second-factor-wrong")
    delayed = await ask_to_log_in(client, alice.email, otp="x")
    assert outcome(delayed) == (429, "log-in-delayed")
    assert delayed.headers["retry-after"] == "1"


async def test_in_a_session_a_wrong_code_is_no_reason_to_log_in_again(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    await alice.post(PATH, {"password": PASSWORD})
    assert outcome(await alice.post(f"{PATH}/confirm", {"otp": "x"})) == (403, "otp-wrong")
    wrong = await alice.post(PATH, {"password": "not that one"})
    assert outcome(wrong) == (403, "password-wrong")
    assert (await alice.get("/users/me")).status_code == 200
    proof = {"password": PASSWORD, "otp": "123456"}
    early = await alice.post(f"{PATH}/recovery-codes", proof)
    assert outcome(early) == (409, "second-factor-off")
    await turn_on(alice)
    assert outcome(await alice.post(PATH, {"password": PASSWORD})) == (
        409, "second-factor-already-on",
    )  # fmt: skip


async def test_the_owner_hears_of_every_change_by_mail(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    _, codes = await turn_on(alice)
    await enter(client, alice.email, codes[0])
    await mailed(client, alice.email, "The second factor is on")
    await mailed(client, alice.email, "A recovery code was used")


async def test_the_password_grant_of_the_docs_page_is_refused(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    form = {"grant_type": "password", "username": alice.email, "password": PASSWORD}
    assert (await client.post("/oauth/token", data=form)).status_code == 200
    _, codes = await turn_on(alice)
    for given in (form, form | {"otp": codes[0]}):
        refused = await client.post("/oauth/token", data=given)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    # Tokens that were had by logging in can be used and refreshed.
    tokens = (await enter(client, alice.email, codes[0])).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await client.post("/oauth/token", data=form)).status_code == 200


async def test_nothing_of_it_is_logged(service: Service, client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    secret, codes = await turn_on(alice)
    await enter(client, alice.email, code_now(secret, 1))
    await enter(client, alice.email, codes[0])
    log = service.log_text()
    for word in (secret, *codes, codes[0].replace("-", "")):
        assert word not in log


async def test_a_second_factor_survives_the_process(database: Database, tmp_path: Path) -> None:
    async with running_service(database, tmp_path, settings_of()) as service, service.client() as c:
        alice = await sign_up(c, "alice")
        secret, codes = await turn_on(alice)
    key = tmp_path / "second-factor-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text()) == 43
    async with running_service(database, tmp_path, settings_of()) as service, service.client() as c:
        assert outcome(await enter(c, alice.email)) == (401, "second-factor-required")
        assert outcome(await enter(c, alice.email, code_now(secret, 1))) == (200, None)
        assert outcome(await enter(c, alice.email, codes[0])) == (200, None)


# Staff.


def admin_routes(service: Service) -> list[tuple[str, str]]:
    """Return method and path of every staff route there is."""
    found = [place.split(" ") for place in routes_of(service.app) if " /admin" in place]
    return [(method, re.sub(r"\{[a-z_]+\}", str(uuid4()), path)) for method, path in found]


async def test_staff_get_nowhere_until_they_have_a_second_factor(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up(client, "alice")
    await make_staff(service.database, alice.email, "admin")
    for method, path in admin_routes(service):
        refused = await client.request(method, path, headers=alice.headers)
        assert outcome(refused) == (403, "second-factor-required-for-staff"), path
    await turn_on(alice)
    assert (await alice.get("/admin/people")).status_code == 200
    for method, path in admin_routes(service):
        answer = await client.request(method, path, headers=alice.headers)
        assert answer.json().get("code") != "second-factor-required-for-staff", path
    assert (await alice.get(f"/admin/people/{alice.id}")).json()["second_factor"] is True


# The command line.


def wallet(database: Database, directory: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wallet", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
        env=clean_environment(
            WALLET_DATABASE_URL=database.url,
            WALLET_DATABASE_OWNER_URL=database.owner_url,
            WALLET_DATA_DIRECTORY=str(directory),
            **environment,
        ),
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
async def test_staff_help_whoever_has_lost_everything_from_the_command_line(
    service: Service, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    alice = await sign_up(client, "alice")
    await turn_on(alice)
    reset = ("reset-second-factor", "Alice@example.com", "--reason")
    assert "reason-invalid" in wallet(service.database, tmp_path, *reset, " ")
    said = wallet(service.database, tmp_path, *reset, "showed a passport")
    assert f"({alice.id}) has no second factor any more" in said
    assert "second-factor-off" in wallet(service.database, tmp_path, *reset, "once more")
    assert outcome(await enter(client, alice.email)) == (200, None)
    await mailed(client, alice.email, "The second factor was taken off")


@pytest.mark.slow
async def test_a_key_is_rotated_from_the_command_line(
    service: Service, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    alice = await sign_up(client, "alice")
    await turn_on(alice)
    old, new = (tmp_path / "second-factor-key").read_text(), "another key that encrypts secrets"
    made = await alice.post("/webhook-endpoints", {"url": "http://127.0.0.1:9099/"})
    assert made.status_code == 201
    old_webhook = (tmp_path / KEY_FILE).read_text().strip()
    keys = {
        "WALLET_SECOND_FACTOR_KEY": new,
        "WALLET_PREVIOUS_SECOND_FACTOR_KEY": old,
        "WALLET_WEBHOOK_KEY": b64encode(b"n" * 32).decode(),
        "WALLET_PREVIOUS_WEBHOOK_KEY": old_webhook,
    }
    again = "encrypt-secrets"
    for count in (1, 0):
        said = wallet(service.database, tmp_path, again, **keys)
        assert f"second factors: {count} encrypted again" in said
        assert f"webhook endpoints: {count} encrypted again" in said
    del keys["WALLET_PREVIOUS_WEBHOOK_KEY"]
    assert "webhook endpoints: 0" in wallet(service.database, tmp_path, again, **keys)
    said = wallet(service.database, tmp_path, again)
    assert "was encrypted with another key" in said
    assert old not in said
