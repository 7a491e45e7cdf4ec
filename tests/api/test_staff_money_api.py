"""Refunds and adjustments over HTTP."""

import asyncio
import json

import httpx
import pytest
from tests.api.people import balance_of
from tests.api.staff_people import REASON, do, office, on_database
from tests.conftest import Service

from wallet.application.verification import verify
from wallet.infrastructure.postgres.verification import snapshot


async def intact(service: Service) -> bool:
    async with snapshot(service.database.url) as books:
        report = await verify(books)
    assert report.violations == []
    return report.intact


# Refunds.


async def test_a_refund_gives_the_whole_transfer_back_and_both_see_it(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300, note="Lunch")
    answer = await do(o.sam, f"/transactions/{paid}/refund")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["amount"], made["transfer_id"]) == ("refund", 300, paid)
    assert (made["from_user_id"], made["to_user_id"]) == (o.bob.id, o.alice.id)
    assert (await balance_of(o.alice), await balance_of(o.bob)) == (1_000, 0)
    for person, direction in ((o.alice, "in"), (o.bob, "out")):
        (line,) = (await person.get("/transactions?kind=refund")).json()["items"]
        assert (line["id"], line["direction"], line["amount"]) == (made["id"], direction, 300)
        assert line["metadata"] == {"refund_of": paid}
        assert REASON not in json.dumps(line)
    seen = (await o.otto.get(f"/admin/transactions/{paid}")).json()
    assert (seen["refunded"], seen["refundable"]) == (300, 0)
    assert [refund["id"] for refund in seen["refunds"]] == [made["id"]]
    refund = (await o.otto.get(f"/admin/transactions/{made['id']}")).json()
    assert (refund["refund_of"], refund["source"]["owner"]["handle"]) == (paid, "bob")
    assert await intact(service)


async def test_a_transfer_is_refunded_once_whatever_the_key(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300)
    await o.pay(300)
    path = f"/admin/transactions/{paid}/refund"
    first = await o.sam.post(path, {"reason": REASON}, "key-1")
    again = await o.sam.post(path, {"reason": REASON}, "key-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    other = await o.sam.post(path, {"reason": REASON}, "key-2")
    assert (other.status_code, other.json()["code"]) == (422, "refund-exceeds-transfer")
    assert (other.json()["refunded"], other.json()["refundable"]) == (300, 0)
    reused = await o.sam.post(path, {"reason": "Another reason."}, "key-1")
    assert reused.json()["code"] == "idempotency-key-reused"
    assert await balance_of(o.bob) == 300
    acts = (await o.otto.get(f"/admin/audit-trail?subject={paid}")).json()["items"]
    assert [(a["act"], a["reason"], a["role"]) for a in acts] == [
        ("transfer.refunded", REASON, "support")
    ]
    assert acts[0]["before"] == {"refunded": 0}
    assert acts[0]["after"] == {
        "refunded": 300, "refund_id": first.json()["id"], "forced": False
    }  # fmt: skip
    assert acts[0]["request_id"] == first.headers["x-request-id"]
    assert await intact(service)


async def test_twenty_refunds_at_once_by_two_staff_give_back_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300)
    await o.pay(700)
    answers = await asyncio.gather(
        *(do(person, f"/transactions/{paid}/refund") for person in (o.sam, o.ada) * 10)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 19
    assert (await balance_of(o.alice), await balance_of(o.bob)) == (300, 700)
    assert await intact(service)


async def test_a_receiver_without_the_money_is_only_forced_by_an_administrator(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300)
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 200})
    path = f"/transactions/{paid}/refund"
    refused = await do(o.sam, path)
    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient-funds")
    forbidden = await do(o.sam, path, force=True)
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "right-missing")
    forced = await do(o.ada, path, force=True)
    assert forced.status_code == 201, forced.text
    assert (await balance_of(o.alice), await balance_of(o.bob)) == (1_200, -200)
    wallet = (await o.ada.get(f"/admin/wallets/{o.bob.wallet_id}")).json()
    assert (wallet["posted"], wallet["overdraft_limit"], wallet["debt"]) == (-200, 0, 200)
    act = (await o.ada.get(f"/admin/audit-trail?subject={paid}")).json()["items"][0]
    assert act["before"] == {"refunded": 0, "debt": 0}
    assert act["after"]["debt"] == 200
    assert await intact(service)
    # What comes in repays the debt and cannot be spent; then the wallet is like any other.
    await o.alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 150})
    wallet = (await o.ada.get(f"/admin/wallets/{o.bob.wallet_id}")).json()
    assert (wallet["posted"], wallet["debt"]) == (-50, 50)
    assert await intact(service)
    spent = await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 1})
    assert (spent.status_code, spent.json()["code"]) == (422, "insufficient-funds")
    await o.alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 60})
    spent = await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 10})
    assert spent.status_code == 201, spent.text
    assert await intact(service)


async def test_one_administrator_alone_takes_a_wallet_no_further_below_zero_than_a_setting_says(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await o.alice.post("/wallets/topup", {"amount": 1_000_001})
    paid = await o.pay(1_000_001)
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 1_000_001})
    path = f"/transactions/{paid}/refund"
    refused = await do(o.ada, path, force=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "overdraft-limit-too-high")
    assert (refused.json()["maximum"], await balance_of(o.bob)) == (1_000_000, 0)
    await o.alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
    forced = await do(o.ada, path, force=True)
    assert (forced.status_code, await balance_of(o.bob)) == (201, -1_000_000)
    assert await intact(service)


async def test_refunds_that_are_forced_at_once_are_told_in_the_order_in_which_they_were_booked(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = [await o.pay(10) for _ in range(12)]
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 120})
    answers = await asyncio.gather(
        *(do(o.ada, f"/transactions/{id_}/refund", force=True) for id_ in paid)
    )
    assert {answer.status_code for answer in answers} == {201}
    found = (await o.ada.get("/admin/audit-trail?act=transfer.refunded")).json()["items"]
    assert [act["after"]["debt"] for act in found] == list(range(120, 0, -10))
    assert await intact(service)


async def test_of_a_refund_and_a_payment_of_the_same_money_at_once_one_succeeds(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for _ in range(5):
        paid = await o.pay(100)
        body = {"to_handle": "alice", "amount": 100}
        refund, payment = await asyncio.gather(
            do(o.sam, f"/transactions/{paid}/refund"), o.bob.post("/wallets/transfer", body)
        )
        assert sorted([refund.status_code, payment.status_code]) == [201, 422]
        assert (await balance_of(o.alice), await balance_of(o.bob)) == (1_000, 0)
    assert await intact(service)


async def test_a_freeze_does_not_stop_a_refund(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    paid = await o.pay(300)
    for person in (o.alice, o.bob):
        await do(o.sam, f"/wallets/{person.wallet_id}/freeze", direction="both")
    assert (await do(o.sam, f"/transactions/{paid}/refund")).status_code == 201
    assert await balance_of(o.alice) == 1_000


async def test_only_transfers_can_be_refunded(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    top_up = (await o.bob.top_up(500)).json()["id"]
    refund = (await do(o.sam, f"/transactions/{await o.pay(10)}/refund")).json()["id"]
    for id_ in (top_up, refund, o.bob.id):
        answer = await do(o.sam, f"/transactions/{id_}/refund")
        assert (answer.status_code, answer.json()["code"]) == (404, "transfer-not-found")
        assert ("only those can be refunded" in answer.json()["detail"]) == (id_ != o.bob.id)


async def test_nobody_refunds_what_is_their_own(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    body = {"to_handle": "sam", "amount": 100}
    paid = (await o.alice.post("/wallets/transfer", body)).json()["id"]
    answer = await do(o.sam, f"/transactions/{paid}/refund")
    assert (answer.status_code, answer.json()["code"]) == (403, "own-affairs")
    assert (await do(o.ada, f"/transactions/{paid}/refund")).status_code == 201


# Adjustments.


@pytest.mark.parametrize(("amount", "direction"), [(250, "in"), (-250, "out")])
async def test_an_adjustment_is_asked_for_and_approved_by_another(
    client: httpx.AsyncClient, service: Service, amount: int, direction: str
) -> None:
    o = await office(client, service)
    asked = await do(o.ada, "/adjustments", wallet_id=o.alice.wallet_id, amount=amount)
    assert asked.status_code == 201, asked.text
    pending = asked.json()
    assert (pending["status"], pending["amount"]) == ("pending", amount)
    assert pending["requested_by"]["handle"] == "ada"
    assert await balance_of(o.alice) == 1_000
    approved = await do(o.max, f"/adjustments/{pending['id']}/approve")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["decided_by"]["handle"]) == (
        "approved", "max",
    )  # fmt: skip
    assert await balance_of(o.alice) == 1_000 + amount
    line = (await o.alice.get(f"/transactions/{pending['id']}")).json()
    assert (line["kind"], line["direction"], line["amount"]) == ("adjustment", direction, 250)
    assert (line["counterparty"], line["note"]) == (None, None)
    seen = (await o.otto.get(f"/admin/transactions/{pending['id']}")).json()
    inside, outside = (
        (seen["target"], seen["source"]) if amount > 0 else (seen["source"], seen["target"])
    )
    assert (inside["owner"]["handle"], outside["purpose"], outside["owner"]) == (
        "alice", "adjustment", None,
    )  # fmt: skip
    balances = (await o.otto.get("/admin/overview")).json()["balances"]
    assert [(b["people"], b["money_in"], b["adjusted"]) for b in balances] == [
        (1_000 + amount, 1_000, amount)
    ]
    assert await intact(service)


async def test_who_asks_cannot_approve_and_the_database_says_so_too(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    asked = await do(o.ada, "/adjustments", wallet_id=o.alice.wallet_id, amount=250)
    path = f"/adjustments/{asked.json()['id']}"
    answer = await do(o.ada, f"{path}/approve")
    assert (answer.status_code, answer.json()["code"]) == (403, "second-approver-needed")
    assert await balance_of(o.alice) == 1_000
    with pytest.raises(Exception, match="adjustments_approved_by_another"):
        await on_database(
            service,
            "UPDATE adjustments SET status = 'approved', decided_by = requested_by, "
            "decided_at = now(), decision_reason = 'me'",
        )
    # Who asked may take it back.
    assert (await do(o.ada, f"{path}/reject")).json()["status"] == "rejected"


async def test_approved_by_two_at_once_many_times_it_is_booked_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    await on_database(service, "UPDATE users SET role = 'admin' WHERE id = $1::uuid", o.otto.id)
    asked = await do(o.ada, "/adjustments", wallet_id=o.alice.wallet_id, amount=250)
    path = f"/adjustments/{asked.json()['id']}/approve"
    answers = await asyncio.gather(*(do(person, path) for person in (o.max, o.otto) * 10))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["decided_by"]["id"] for answer in answers}) == 1
    assert await balance_of(o.alice) == 1_250
    acts = (await o.sam.get("/admin/audit-trail?act=adjustment.approved")).json()["items"]
    assert len(acts) == 1
    assert await intact(service)


async def test_approval_and_rejection_at_once_come_to_one_of_them(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for amount in range(1, 9):
        before = await balance_of(o.alice)
        asked = await do(o.ada, "/adjustments", wallet_id=o.alice.wallet_id, amount=amount)
        path = f"/adjustments/{asked.json()['id']}"
        approval, rejection = await asyncio.gather(
            do(o.max, f"{path}/approve"), do(o.ada, f"{path}/reject")
        )
        assert sorted([approval.status_code, rejection.status_code]) == [200, 409]
        moved = await balance_of(o.alice) - before
        assert moved == (amount if approval.status_code == 200 else 0)
    assert await intact(service)


async def test_a_rejection_that_is_repeated_for_want_of_an_answer_is_told_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    asked = await do(o.ada, "/adjustments", wallet_id=o.bob.wallet_id, amount=100)
    path = f"/adjustments/{asked.json()['id']}"
    first = await do(o.max, f"{path}/reject")
    again = await do(o.max, f"{path}/reject")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    other = await do(o.ada, f"{path}/reject")
    assert (other.status_code, other.json()["code"]) == (409, "adjustment-already-decided")
    acts = (await o.otto.get("/admin/audit-trail?act=adjustment.rejected")).json()["items"]
    assert len(acts) == 1


async def test_what_cannot_be_booked_now_stays_pending_and_can_be_approved_later(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    asked = await do(o.ada, "/adjustments", wallet_id=o.bob.wallet_id, amount=-100)
    path = f"/adjustments/{asked.json()['id']}"
    refused = await do(o.max, f"{path}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "adjustment-not-booked")
    assert refused.json()["reason"] == "insufficient-funds"
    assert (await o.max.get(f"/admin{path}")).json()["status"] == "pending"
    await o.pay(150)
    assert (await do(o.max, f"{path}/approve")).json()["status"] == "approved"
    assert await balance_of(o.bob) == 50
    late = await do(o.max, f"{path}/reject")
    assert (late.status_code, late.json()["code"]) == (409, "adjustment-already-decided")


async def test_a_request_with_a_key_is_made_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    body = {"wallet_id": o.alice.wallet_id, "amount": 5, "reason": REASON}
    first = await o.ada.post("/admin/adjustments", body, "key")
    again = await o.ada.post("/admin/adjustments", body, "key")
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = await o.ada.post("/admin/adjustments", body | {"amount": 6}, "key")
    assert other.json()["code"] == "idempotency-key-reused"
    listed = (await o.sam.get("/admin/adjustments?status=pending")).json()["items"]
    assert [item["id"] for item in listed] == [first.json()["id"]]
    outcome = (await o.ada.get("/idempotency-keys/key")).json()
    assert outcome["resource"] == f"/admin/adjustments/{first.json()['id']}"


async def test_an_amount_that_is_none_is_refused(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    for amount in (0, 1.5, "5", True, 10**15 + 1, -(10**15) - 1, None, 2**63, 10**400):
        answer = await do(o.ada, "/adjustments", wallet_id=o.alice.wallet_id, amount=amount)
        assert answer.status_code == 422, amount


async def test_nobody_adjusts_their_own_wallet(client: httpx.AsyncClient, service: Service) -> None:
    o = await office(client, service)
    answer = await do(o.ada, "/adjustments", wallet_id=o.ada.wallet_id, amount=5)
    assert (answer.status_code, answer.json()["code"]) == (403, "own-affairs")
    asked = await do(o.ada, "/adjustments", wallet_id=o.max.wallet_id, amount=5)
    for word in ("approve", "reject"):
        answer = await do(o.max, f"/adjustments/{asked.json()['id']}/{word}")
        assert (answer.status_code, answer.json()["code"]) == (403, "own-affairs"), word


async def test_in_safe_mode_staff_move_nothing_either(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(10)
    safe_mode = service.app.state.use_cases.staff_side.refunds._mover._safe_mode
    await safe_mode.enter("a test")
    try:
        answer = await do(o.sam, f"/transactions/{paid}/refund")
        assert (answer.status_code, answer.json()["code"]) == (503, "safe-mode")
        frozen = await do(o.sam, f"/wallets/{o.bob.wallet_id}/freeze", direction="send")
        assert frozen.status_code == 200
        shown = (await o.sam.get("/admin/integrity")).json()["safe_mode"]
        assert shown["reason"] == "a test"
    finally:
        await safe_mode.leave("tests", "done")


async def test_an_overdraft_that_makes_an_end_of_a_debt_says_so_in_the_trail_alone(
    client: httpx.AsyncClient, service: Service
) -> None:
    o = await office(client, service)
    paid = await o.pay(300)
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 200})
    await do(o.ada, f"/transactions/{paid}/refund", force=True)
    granted = await do(o.ada, f"/wallets/{o.bob.wallet_id}/overdraft", limit=250)
    assert (granted.status_code, granted.json()["debt"]) == (200, 0)
    act = (await o.ada.get(f"/admin/audit-trail?subject={o.bob.wallet_id}")).json()["items"][0]
    assert (act["before"]["debt"], act["after"]["debt"]) == (200, 0)
    assert (act["before"]["overdraft_limit"], act["after"]["overdraft_limit"]) == (0, 250)
    (own,) = (await o.bob.get("/wallets")).json()["items"]
    assert (own["available"], own["overdraft_limit"]) == (-200, 250)
    events = (await o.bob.get("/events")).json()["items"]
    (told,) = [event["data"] for event in events if event["type"] == "wallet.overdraft-set"]
    assert told["overdraft_limit"] == "250"
    assert "debt" not in told
    assert await intact(service)
