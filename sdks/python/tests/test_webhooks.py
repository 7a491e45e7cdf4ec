"""Webhooks are checked as Standard Webhooks says; the package `standardwebhooks` signs them."""

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks

from wallet_sdk import Webhook, WebhookRefused

SECRET = "whsec_" + base64.b64encode(b"a secret of the endpoint").decode()
OTHER = "whsec_" + base64.b64encode(b"a secret of somebody else").decode()
BODY = json.dumps({"type": "entry", "data": {"note": "Größe \u2028 ₪"}})
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def signed(
    body: str = BODY, *, secret: str = SECRET, id_: str = "msg_1", at: datetime = NOW
) -> dict[str, str]:
    """Return the headers of a webhook, signed by the reference implementation."""
    signature = standardwebhooks.Webhook(secret).sign(id_, at, body)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def webhook(*secret_s: str, at: datetime = NOW) -> Webhook:
    return Webhook(list(secret_s) or SECRET, clock=at.timestamp)


@pytest.mark.parametrize("payload", [BODY, BODY.encode()])
def test_what_the_service_signed_is_accepted(payload: str | bytes) -> None:
    message = webhook().verify(payload, signed())
    assert message.id == "msg_1"
    assert message.sent_at == NOW
    assert message.body == {"type": "entry", "data": {"note": "Größe \u2028 ₪"}}


def test_names_of_headers_have_no_case() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    assert webhook().verify(BODY, headers).id == "msg_1"


def test_a_hundred_secrets_and_bodies_agree_with_the_reference() -> None:
    for number in range(100):
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24 + number % 41)).decode()
        body = json.dumps({"number": number, "text": secrets.token_urlsafe(number)})
        headers = signed(body, secret=secret, id_=f"msg_{number}")
        assert webhook(secret).verify(body, headers).body["number"] == number


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": signed(secret=OTHER)["webhook-signature"]},
        {"webhook-signature": signed()["webhook-signature"].replace("v1,", "v1a,")},
        {"webhook-signature": signed()["webhook-signature"].removeprefix("v1,")},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA v1,!!!! v1,ÄÖÜ"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "-1"},
    ],
)
def test_anything_else_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused):
        webhook().verify(BODY, signed() | changed)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="signature"):
        webhook().verify(BODY.replace("entry", "Entry"), signed())


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(missing: str) -> None:
    headers = signed()
    del headers[missing]
    with pytest.raises(WebhookRefused, match=missing):
        webhook().verify(BODY, headers)


@pytest.mark.parametrize(("late_s", "right"), [(299, True), (-299, True), (301, False)])
def test_an_old_one_is_refused_after_five_minutes(late_s: int, right: bool) -> None:
    receiver = webhook(at=NOW + timedelta(seconds=late_s))
    if right:
        assert receiver.verify(BODY, signed()).id == "msg_1"
    else:
        with pytest.raises(WebhookRefused, match="too old"):
            receiver.verify(BODY, signed())


def test_during_a_rotation_either_side_may_have_two() -> None:
    both = signed()["webhook-signature"] + " " + signed(secret=OTHER)["webhook-signature"]
    assert webhook(OTHER).verify(BODY, signed() | {"webhook-signature": both})
    assert webhook(OTHER, SECRET).verify(BODY, signed())


@pytest.mark.parametrize("body", ["[]", "no JSON", ""])
def test_a_signed_body_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(WebhookRefused, match="JSON"):
        webhook().verify(body, signed(body))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!", [], ""])
def test_a_secret_that_is_none_is_told_at_once(secret: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        Webhook(secret)
