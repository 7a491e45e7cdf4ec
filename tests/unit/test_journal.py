"""The entry hash and the details digest, against committed vectors and a second implementation."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from wallet.domain.journal import Details, Entry, Kind, canonical_details, entry_hash, microseconds

VECTORS = json.loads(Path(__file__).with_name("journal_vectors.json").read_text(encoding="utf-8"))
ENTRIES: list[dict[str, Any]] = VECTORS["entries"]
DETAILS: list[dict[str, Any]] = VECTORS["details"]
FIRST = ENTRIES[0]

FIELD_WIDTHS = {
    "domain": 15,
    "previous_hash": 32,
    "account_id": 16,
    "version": 8,
    "instruction_id": 16,
    "kind": 2,
    "currency": 3,
    "posted_delta": 8,
    "held_delta": 8,
    "posted_after": 8,
    "held_after": 8,
    "counterparty_id": 16,
    "booked_at_us": 8,
    "details_digest": 32,
}


def name_of(vector: Mapping[str, Any]) -> str:
    return str(vector["name"])


def field_bytes(vector: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what is hashed, field by field, as somebody would who only read the design."""
    signed = ("posted_delta", "held_delta", "posted_after", "held_after")
    return {
        "domain": b"wallet-entry-v1",
        "previous_hash": bytes.fromhex(vector["previous_hash"]),
        "account_id": bytes.fromhex(vector["account_id"].replace("-", "")),
        "version": vector["version"].to_bytes(8, "big"),
        "instruction_id": bytes.fromhex(vector["instruction_id"].replace("-", "")),
        "kind": vector["kind"].to_bytes(2, "big"),
        "currency": vector["currency"].encode("ascii"),
        **{name: vector[name].to_bytes(8, "big", signed=True) for name in signed},
        "counterparty_id": bytes.fromhex((vector["counterparty_id"] or "0" * 32).replace("-", "")),
        "booked_at_us": vector["booked_at_us"].to_bytes(8, "big"),
        "details_digest": bytes.fromhex(vector["details_digest"] or "0" * 64),
    }


def hash_of(vector: Mapping[str, Any]) -> str:
    other, digest = vector["counterparty_id"], vector["details_digest"]
    return entry_hash(
        bytes.fromhex(vector["previous_hash"]),
        UUID(vector["account_id"]),
        vector["version"],
        UUID(vector["instruction_id"]),
        vector["kind"],
        vector["currency"],
        vector["posted_delta"],
        vector["held_delta"],
        vector["posted_after"],
        vector["held_after"],
        None if other is None else UUID(other),
        vector["booked_at_us"],
        None if digest is None else bytes.fromhex(digest),
    ).hex()


@pytest.mark.parametrize("vector", ENTRIES, ids=name_of)
def test_the_entry_hash_is_the_committed_one(vector: Mapping[str, Any]) -> None:
    assert hash_of(vector) == vector["hash"]


@pytest.mark.parametrize("vector", ENTRIES, ids=name_of)
def test_the_committed_hash_follows_from_the_design_alone(vector: Mapping[str, Any]) -> None:
    assert sha256(b"".join(field_bytes(vector).values())).hexdigest() == vector["hash"]


@pytest.mark.parametrize("vector", ENTRIES, ids=name_of)
def test_every_field_has_its_fixed_width(vector: Mapping[str, Any]) -> None:
    widths = {name: len(value) for name, value in field_bytes(vector).items()}
    assert widths == FIELD_WIDTHS


def test_180_bytes_are_hashed() -> None:
    assert sum(FIELD_WIDTHS.values()) == 180


def test_the_first_hash_is_this_one_for_ever() -> None:
    assert hash_of(FIRST) == "9bc7887d73b143a9005aa02c7d37dbbbca686a8170aab3d252caa552821f1690"


CHANGES: dict[str, Any] = {
    "previous_hash": "01" + "00" * 31,
    "account_id": "0198a1b2-c3d4-7e5f-8a6b-0123456789ac",
    "version": 2,
    "instruction_id": "0198a1b2-ffff-7000-8000-00000000002b",
    "kind": 4,
    "currency": "USN",
    "posted_delta": 2501,
    "held_delta": 1,
    "posted_after": 2501,
    "held_after": 1,
    "counterparty_id": "0198a1b2-c3d4-7e5f-9a6b-ba9876543211",
    "booked_at_us": 1_767_225_600_000_002,
    "details_digest": "00" * 31 + "01",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_changes_the_hash(name: str) -> None:
    assert hash_of(FIRST | {name: CHANGES[name]}) != FIRST["hash"]


def test_there_is_a_change_for_every_field_of_an_entry() -> None:
    hashed = {field.name for field in fields(Entry)} - {"hash", "booked_at"}
    assert set(CHANGES) == hashed | {"previous_hash", "booked_at_us"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("posted_delta", "held_delta"),
        ("posted_after", "held_after"),
        ("posted_delta", "held_after"),
    ],
)
def test_two_amounts_that_change_places_change_the_hash(one: str, other: str) -> None:
    vector = FIRST | {one: 7, other: 8}
    assert hash_of(vector) != hash_of(vector | {one: 8, other: 7})


def test_the_sign_of_an_amount_changes_the_hash() -> None:
    assert hash_of(FIRST | {"posted_delta": -2500}) != FIRST["hash"]


def test_nobody_on_the_other_side_is_sixteen_zero_bytes() -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    assert hash_of(FIRST | {"counterparty_id": None}) == hash_of(
        FIRST | {"counterparty_id": nobody}
    )


def details_of(vector: Mapping[str, Any]) -> Details:
    return Details(
        salt=bytes.fromhex(vector["salt"]),
        note=vector["note"],
        reference=vector["reference"],
        metadata=vector["metadata"],
    )


@pytest.mark.parametrize("vector", DETAILS, ids=name_of)
def test_the_details_digest_is_the_committed_one(vector: Mapping[str, Any]) -> None:
    assert details_of(vector).digest.hex() == vector["digest"]


@pytest.mark.parametrize("vector", DETAILS, ids=name_of)
def test_the_canonical_details_are_the_committed_bytes(vector: Mapping[str, Any]) -> None:
    written = canonical_details(vector["note"], vector["reference"], vector["metadata"])
    assert written == vector["canonical"].encode()


@pytest.mark.parametrize("vector", DETAILS, ids=name_of)
def test_the_committed_digest_is_sha_256_of_salt_and_canonical_form(
    vector: Mapping[str, Any],
) -> None:
    hashed = bytes.fromhex(vector["salt"]) + vector["canonical"].encode()
    assert sha256(hashed).hexdigest() == vector["digest"]


def test_every_part_of_the_details_changes_the_digest() -> None:
    digests = [vector["digest"] for vector in DETAILS]
    same = ["nothing but a salt", "empty metadata is the same as none"]
    assert len(set(digests)) == len(digests) - len(same) + 1


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000_000),
        (datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1_767_225_600_000_001),
        (datetime(2026, 1, 1, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=1))), 1767225600000001),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_microseconds_are_exact_and_in_utc(moment: datetime, expected: int) -> None:
    assert microseconds(moment) == expected


def test_the_numbers_of_the_kinds_are_stored_and_never_change() -> None:
    assert {kind.word: int(kind) for kind in Kind} == {
        "transfer": 1,
        "top-up-request": 2,
        "top-up": 3,
        "top-up-decline": 4,
        "transfer-batch": 5,
        "refund": 6,
        "adjustment": 7,
        "adjustment-request": 8,
    }


def test_an_entry_is_its_own_event() -> None:
    account = UUID("0198a1b2-c3d4-7e5f-8a6b-0123456789ab")
    entry = Entry(
        account_id=account,
        version=7,
        instruction_id=UUID(int=1),
        kind=Kind.TRANSFER,
        currency=FIRST["currency"],
        posted_delta=1,
        held_delta=0,
        posted_after=1,
        held_after=0,
        counterparty_id=None,
        booked_at=datetime(2026, 1, 1, tzinfo=UTC),
        details_digest=None,
        hash=bytes(32),
    )
    assert entry.event_id == "0198a1b2-c3d4-7e5f-8a6b-0123456789ab:7"
