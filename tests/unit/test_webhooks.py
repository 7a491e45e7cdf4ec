"""Webhooks as rules: signatures that others verify, secrets that overlap, when to try again."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from wallet.application.webhook_courier import SecretUnreadable
from wallet.domain.events import EVENT_TYPES, EventTypeUnknown, known_types, type_of
from wallet.domain.journal import Entry, Kind
from wallet.domain.money import Currency
from wallet.domain.webhooks import (
    Answer,
    Endpoint,
    Schedule,
    headers_of,
    secret_of,
    secret_text,
    signature_flaw,
    signature_of,
)
from wallet.infrastructure.security.secret_box import (
    AesSecretBox,
    EncryptionKeyInvalid,
    key_of,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"type":"transfer.sent"}'
ENDPOINT = Endpoint(
    id=UUID(int=1),
    owner_id=UUID(int=2),
    url="https://shop.example/",
    description=None,
    event_types=(),
    secret=NEW,
    created_at=NOW,
)


def entry(kind: Kind, posted: int, held: int = 0) -> Entry:
    return Entry(
        UUID(int=1), 1, UUID(int=2), kind, Currency("USD"), posted, held, posted, held, None, NOW,
        None, bytes(32),
    )  # fmt: skip


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    # printf 'msg_1.1674087231.{}' | openssl dgst -sha256 -mac HMAC -macopt key:… -binary
    found = signature_of(b"0123456789abcdef01234567", "msg_1", 1_674_087_231, b"{}")
    assert found == "v1,ePb3xdavrPEXjomuxEnQnMntqXVTCnB7ujtjVeAv88A="


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_receiver_verifies_with_either_secret_while_they_overlap(secret: bytes) -> None:
    headers = dict(headers_of([NEW, OLD], "a:1", int(time.time()), BODY))
    assert Webhook(secret_text(secret)).verify(BODY, headers) == {"type": "transfer.sent"}
    assert headers["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_whatever_is_changed_is_noticed(change: str) -> None:
    headers = dict(headers_of([NEW], "a:1", int(time.time()), BODY))
    body, secret = BODY, NEW
    if change == "body":
        body = BODY.replace(b"sent", b"send")
    elif change == "secret":
        secret = OLD
    elif change == "webhook-id":
        headers[change] = "a:2"
    else:
        headers[change] = str(int(headers[change]) - 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(secret)).verify(body, headers)


def test_a_secret_is_shown_as_the_specification_says_and_read_again() -> None:
    assert secret_text(bytes(24)) == "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    assert secret_of(secret_text(NEW)) == NEW
    with pytest.raises(ValueError, match="whsec_"):
        secret_of("whsec_not base64")


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({}, None),
        ({"signature": "v1a,x v1,AAAA " + signature_of(OLD, "a:1", 1_795_608_000, BODY)}, None),
        ({"body": BODY + b" "}, "signature-mismatch"),
        ({"event_id": "a:2"}, "signature-mismatch"),
        ({"signature": "v1,\u00fc"}, "signature-mismatch"),
        ({"signature": "v2,AAAA"}, "signature-malformed"),
        ({"signature": ""}, "signature-malformed"),
        ({"timestamp": "1e9"}, "timestamp-malformed"),
        ({"timestamp": "-5"}, "timestamp-malformed"),
        ({"timestamp": ""}, "timestamp-malformed"),
        ({"now": NOW + timedelta(seconds=301)}, "timestamp-too-old"),
        ({"now": NOW - timedelta(seconds=301)}, "timestamp-too-new"),
    ],
)  # fmt: skip
def test_the_tester_says_what_is_wrong(changes: dict[str, object], flaw: str | None) -> None:
    stamp = int(NOW.timestamp())
    given = {
        "event_id": "a:1", "timestamp": str(stamp), "body": BODY, "now": NOW,
        "signature": signature_of(NEW, "a:1", stamp, BODY),
    } | changes  # fmt: skip
    assert signature_flaw([NEW, OLD], **given) == flaw  # type: ignore[arg-type]


def test_the_secret_before_signs_until_its_time_is_over() -> None:
    rotated = Endpoint(
        **{name: getattr(ENDPOINT, name) for name in ("id", "owner_id", "url", "description")},
        event_types=(), secret=NEW, created_at=NOW, previous_secret=OLD,
        previous_secret_until=NOW,
    )  # fmt: skip
    assert rotated.secrets(NOW - timedelta(seconds=1)) == [NEW, OLD]
    assert rotated.secrets(NOW) == [NEW]
    assert ENDPOINT.secrets(NOW) == [NEW]


def test_attempts_are_spread_over_three_days_as_the_specification_suggests() -> None:
    schedule, elapsed_s, attempts = Schedule(), 0.0, 1
    pauses: list[float] = []
    while (pause_s := schedule.pause_s(attempts, elapsed_s, 0.0, None)) is not None:
        pauses.append(pause_s)
        elapsed_s += pause_s
        attempts += 1
    assert pauses == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert attempts == 10
    assert timedelta(seconds=elapsed_s) == timedelta(hours=75, minutes=35, seconds=5)


def test_a_pause_varies_by_a_fifth_and_heeds_the_receiver_up_to_an_hour() -> None:
    schedule = Schedule()
    assert schedule.pause_s(2, 5, 1.0, None) == 360
    assert schedule.pause_s(1, 0, 0.0, 120) == 120
    assert schedule.pause_s(1, 0, 0.0, 10**9) == 3_600
    assert schedule.pause_s(3, 305, 0.0, 10) == 1_800


def test_early_attempts_do_not_use_up_the_three_days() -> None:
    schedule = Schedule()
    assert schedule.pause_s(500, 3_600, 0.0, None) == 86_400
    assert schedule.pause_s(500, 272_105 - 60, 0.0, None) == 60
    assert schedule.pause_s(1, 272_105, 0.0, None) is None


@pytest.mark.parametrize(
    ("answer", "succeeded"),
    [
        (Answer(1, status=200), True),
        (Answer(1, status=204), True),
        (Answer(1, status=299), True),
        (Answer(1, status=199), False),
        (Answer(1, status=301), False),
        (Answer(1, status=404), False),
        (Answer(1, status=500), False),
        (Answer(1, failure="timeout"), False),
    ],
)
def test_only_a_status_of_200_to_299_acknowledges(answer: Answer, *, succeeded: bool) -> None:
    assert answer.succeeded is succeeded


def test_every_kind_that_moves_money_is_a_type_of_event() -> None:
    # A kind that is added later is named here with what it is told as, or among those that move
    # nothing.
    found = {
        type_of(entry(kind, amount))
        for kind in set(Kind)
        - {Kind.TOP_UP_REQUEST, Kind.TOP_UP_DECLINE, Kind.TRANSFER_BATCH, Kind.ADJUSTMENT_REQUEST}
        for amount in ((1,) if kind is Kind.TOP_UP else (1, -1))
    }
    assert found == {"transfer.sent", "transfer.received", "topup.settled"} | {
        "refund.sent",
        "refund.received",
        "adjustment.sent",
        "adjustment.received",
    }
    assert found <= set(EVENT_TYPES)


def test_an_entry_that_only_holds_or_releases_says_so() -> None:
    assert type_of(entry(Kind.TRANSFER, 0, 5)) == "transfer.held"
    assert type_of(entry(Kind.TRANSFER, 0, -5)) == "transfer.released"


def test_a_filter_with_a_mistake_is_refused_and_told_what_there_is() -> None:
    assert known_types(["transfer.sent", "transfer.sent"]) == ("transfer.sent",)
    with pytest.raises(EventTypeUnknown) as refused:
        known_types(["transfer.send"])
    assert refused.value.facts["event_type"] == "transfer.send"
    assert "transfer.sent" in refused.value.facts["known"]


def test_a_secret_is_stored_closed_and_opens_only_where_it_belongs() -> None:
    old, new = AesSecretBox([OLD]), AesSecretBox([NEW, OLD])
    closed = old.close(b"the secret", b"endpoint 1")
    assert b"the secret" not in closed
    assert closed != old.close(b"the secret", b"endpoint 1")
    assert new.open(closed, b"endpoint 1") == b"the secret"
    for box, kept, context in (
        (new, closed, b"endpoint 2"),
        (new, closed[:-1] + bytes([closed[-1] ^ 1]), b"endpoint 1"),
        (new, closed[:12], b"endpoint 1"),
        (AesSecretBox([NEW]), closed, b"endpoint 1"),
    ):
        with pytest.raises(SecretUnreadable):
            box.open(kept, context)
    again = new.again(closed, b"endpoint 1")
    assert AesSecretBox([NEW]).open(again, b"endpoint 1") == b"the secret"
    assert new.again(again, b"endpoint 1") == again


def test_an_encryption_key_is_32_bytes_and_a_wrong_one_is_not_repeated() -> None:
    assert key_of("AAAA" * 10 + "AAA=\n", "X") == bytes(32)
    for wrong in ("", "AAAA", "no base64 at all", "A" * 44):
        with pytest.raises(EncryptionKeyInvalid) as refused:
            key_of(wrong, "WALLET_WEBHOOK_KEY")
        assert str(refused.value).startswith("WALLET_WEBHOOK_KEY is not 32 bytes")
        assert not wrong or wrong not in str(refused.value)
