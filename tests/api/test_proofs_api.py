"""Receipts, checkpoints and proofs over HTTP, checked by the verifier that knows no service."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.people import Person, sign_up, sign_up_with
from tests.api.receipts import receipt_of

VERIFIER = Path(__file__).parents[2] / "tools/verify_receipt.py"
WITHOUT_PACKAGES = ("-I", "-S")
Document = dict[str, Any]


async def paid(client: httpx.AsyncClient) -> tuple[Person, Person, str]:
    alice = await sign_up_with(client, "alice", 10_000)
    bob = await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 2_500, "note": "Lunch", "metadata": {"né\U0001f600": "x"}}
    answer = await alice.post("/wallets/transfer", body)
    assert answer.status_code == 201, answer.text
    return alice, bob, answer.json()["id"]


async def keys_of(client: httpx.AsyncClient) -> Document:
    found: Document = (await client.get("/proofs/keys")).json()
    return found


def check(
    directory: Path, receipt: Document, keys: Document, *python: str, **more: Document
) -> tuple[int, str]:
    """Run the verifier in a process of its own; return its status and what it said."""
    files = {"receipt": receipt, "key": keys, **more}
    for name, document in files.items():
        (directory / f"{name}.json").write_text(json.dumps(document))
    options = [text for name in ("key", *more) for text in (f"--{name}", f"{name}.json")]
    done = subprocess.run(
        [sys.executable, *python, str(VERIFIER), "receipt.json", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def leaves(document: Any) -> Iterator[Any]:
    """Yield every value that a document holds, however deep."""
    if isinstance(document, dict | list):
        for one in document.values() if isinstance(document, dict) else document:
            yield from leaves(one)
    else:
        yield document


@pytest.mark.parametrize("python", [(), WITHOUT_PACKAGES])
async def test_both_sides_have_a_receipt_that_is_verified_offline(
    client: httpx.AsyncClient, tmp_path: Path, python: tuple[str, ...]
) -> None:
    alice, bob, id_ = await paid(client)
    keys = await keys_of(client) if python else (await client.get("/.well-known/jwks.json")).json()
    mine, theirs = await receipt_of(alice, id_), await receipt_of(bob, id_)
    status, said = check(tmp_path, mine, keys, *python)
    assert (status, said.splitlines()[-1]) == (0, "GENUINE"), said
    for words in ("-25.00 USD", "75.00 USD after it", "Alice Tester", "to:       Bob T.", "Lunch"):
        assert words in said
    status, said = check(tmp_path, theirs, keys, *python)
    assert status == 0, said
    assert "amount:   25.00 USD" in said
    # Nothing of the other side but what the line shows, and the account that the hash covers.
    said_of = list(leaves(theirs))
    assert 2_500 in said_of
    assert theirs["counterparty"]["initial"] == "T"
    # As a number, or written out; among so many hexadecimal digits any four turn up some day.
    assert 7_500 not in said_of
    assert not any(word in str(one) for one in said_of for word in ("75.00", alice.email))
    assert theirs["entry"]["counterparty_id"] == alice.wallet_id


async def test_a_top_up_has_a_receipt_too(client: httpx.AsyncClient, tmp_path: Path) -> None:
    alice = await sign_up(client, "alice")
    id_ = (await alice.top_up(500)).json()["id"]
    receipt = await receipt_of(alice, id_)
    assert (receipt["details"], receipt["counterparty"]) == (None, None)
    status, said = check(tmp_path, receipt, await keys_of(client))
    assert status == 0, said


def change(*path: str | int, to: Any) -> Callable[[Document], None]:
    def forge(receipt: Document) -> None:
        place: Any = receipt
        for name in path[:-1]:
            place = place[name]
        assert place[path[-1]] != to
        place[path[-1]] = to

    return forge


FORGERIES: dict[str, tuple[Callable[[Document], None], str]] = {
    "the amount": (change("entry", "posted_delta", to=-25), "signature of the receipt"),
    "the currency": (change("entry", "currency", to="JPY"), "signature of the receipt"),
    "the time": (change("entry", "booked_at_us", to=1), "signature of the receipt"),
    "the note": (change("details", "note", to="Rent"), "signature of the receipt"),
    "the holder": (change("holder", "first_name", to="Mallory"), "signature of the receipt"),
    "the payee": (change("counterparty", "first_name", to="Eve"), "signature of the receipt"),
    "the format": (change("format", to="wallet-receipt-v2"), "format"),
    "the signature": (change("signature", to="11" * 64), "signature of the receipt"),
    "a signature of nothing": (change("signature", to="00" * 64), "signature of the receipt"),
    "a signature that is too short": (change("signature", to="11" * 63), "whole receipt"),
    "a true amount": (change("entry", "posted_delta", to=True), "signature of the receipt"),
}


@pytest.mark.parametrize("python", [(), WITHOUT_PACKAGES])
async def test_a_forged_twin_is_refused_whatever_was_changed(
    client: httpx.AsyncClient, tmp_path: Path, python: tuple[str, ...]
) -> None:
    alice, _, id_ = await paid(client)
    receipt, keys = await receipt_of(alice, id_), await keys_of(client)
    for name, (forge, reason) in FORGERIES.items():
        twin = copy.deepcopy(receipt)
        forge(twin)
        status, said = check(tmp_path, twin, keys, *python)
        assert status == 1, f"{name}: {said}"
        assert reason in said, f"{name}: {said}"
        assert "GENUINE" not in said


async def test_only_keys_that_are_trusted_count(client: httpx.AsyncClient, tmp_path: Path) -> None:
    alice, _, id_ = await paid(client)
    receipt = await receipt_of(alice, id_)
    status, said = check(tmp_path, receipt, {"keys": []})
    assert status == 1
    assert "none of those that you trust" in said
    key = (await keys_of(client))["keys"][0]
    status, said = check(tmp_path, receipt, {**key, "x": key["y"], "y": key["x"]})
    assert status == 1
    assert "not a point" in said


async def test_a_kept_checkpoint_is_proved_to_be_the_beginning(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    alice, _, first_id = await paid(client)
    kept = (await receipt_of(alice, first_id))["checkpoint"]
    again = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
    receipt, keys = await receipt_of(alice, again.json()["id"]), await keys_of(client)
    sizes = (kept["tree_size"], receipt["checkpoint"]["tree_size"])
    assert sizes[0] < sizes[1]
    proof = (await client.get(f"/proofs/consistency?first={sizes[0]}&second={sizes[1]}")).json()
    status, said = check(tmp_path, receipt, keys, checkpoint=kept, consistency=proof)
    assert status == 0, said
    assert f"begins with that of {sizes[0]}" in said
    proof["hashes"][0] = "00" * 32
    status, said = check(tmp_path, receipt, keys, checkpoint=kept, consistency=proof)
    assert status == 1
    assert "HISTORY WAS REWRITTEN" in said
    status, said = check(tmp_path, receipt, keys, checkpoint=kept)
    assert status == 1
    assert "is needed" in said


async def test_checkpoints_are_listed_newest_first_and_found_by_size(
    client: httpx.AsyncClient,
) -> None:
    alice, _, first_id = await paid(client)
    await receipt_of(alice, first_id)
    again = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
    await receipt_of(alice, again.json()["id"])
    latest = (await client.get("/proofs/checkpoints/latest")).json()
    listed = (await client.get("/proofs/checkpoints")).json()
    assert listed["items"][0] == latest
    assert listed["next_cursor"] is None
    size = latest["tree_size"]
    assert (await client.get(f"/proofs/checkpoints/{size}")).json() == latest
    page = (await client.get("/proofs/checkpoints?limit=1")).json()
    assert page["items"] == [latest]
    rest = (await client.get(f"/proofs/checkpoints?cursor={page['next_cursor']}")).json()
    assert rest["items"] == listed["items"][1:]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/proofs/checkpoints?limit=201", 422, "validation-failed"),
        ("/proofs/checkpoints?limit=1_0", 422, "validation-failed"),
        ("/proofs/checkpoints?surprise=1", 422, "validation-failed"),
        ("/proofs/checkpoints?cursor=AAAA", 422, "cursor-invalid"),
        ("/proofs/checkpoints/0", 422, "validation-failed"),
        ("/proofs/checkpoints/999999", 404, "checkpoint-not-found"),
        ("/proofs/checkpoints/latest", 404, "checkpoint-not-found"),
        ("/proofs/consistency?first=2&second=1", 422, "consistency-invalid"),
        ("/proofs/consistency?first=1&second=999999", 404, "checkpoint-not-found"),
        ("/proofs/consistency?first=1", 422, "validation-failed"),
        ("/proofs/consistency?first=1&second=1&x=1", 422, "validation-failed"),
        ("/proofs/consistency?first=1&second=9223372036854775808", 422, "validation-failed"),
    ],
)
async def test_what_is_not_there_or_makes_no_sense_is_a_problem(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
