"""The problems of money and of staff, brought about by requests; see `problem_story.py`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api.api_keys import spender
from tests.api.people import Person
from tests.api.problem_story import UNKNOWN_ID, Answers
from tests.api.staff_people import do, office, quick_person
from tests.conftest import Service


async def every_problem_of_money(
    said: Answers, client: httpx.AsyncClient, service: Service
) -> None:
    """Pay, top up, look back, be refused; then let staff do the same."""
    cleo = await quick_person(client, service, "cleo")
    dan = await quick_person(client, service, "dan")
    await cleo.top_up(1_000)
    await paying(said, cleo)
    await dan.post("/wallets", {"currency": "JPY"})
    await spending(said, cleo)
    await topping_up(said, cleo)
    await looking_back(said, cleo)


async def paying(said: Answers, cleo: Person) -> None:
    def to_dan(amount: int) -> dict[str, Any]:
        return {"to_handle": "dan", "amount": amount}

    path = "/wallets/transfer"
    said.keep("validation-failed", await cleo.post(path, {"to_handle": "dan"}))
    said.keep("insufficient-funds", await cleo.post(path, to_dan(2_500)))
    said.keep("self-transfer", await cleo.post(path, {"to_handle": "cleo", "amount": 1}))
    said.keep("unknown-currency", await cleo.post("/wallets", {"currency": "ZZZ"}))
    said.keep("wallet-already-open", await cleo.post("/wallets", {"currency": "USD"}))
    said.keep("wallet-not-found", await cleo.get("/wallets/my-balance?currency=CHF"))
    await cleo.post("/wallets", {"currency": "JPY"})
    await cleo.top_up(500, "JPY")
    yen = to_dan(5) | {"currency": "JPY"}
    said.keep("recipient-has-no-wallet", await cleo.post(path, yen))
    said.keep("idempotency-key-invalid", await cleo.post(path, to_dan(5), "x" * 256))
    await cleo.post(path, to_dan(5), "k")
    said.keep("idempotency-key-reused", await cleo.post(path, to_dan(6), "k"))
    batch = {"transfers": [to_dan(1), to_dan(2_500)], "atomic": True}
    said.keep("batch-refused", await cleo.post("/transfers/batch", batch))


async def spending(said: Answers, cleo: Person) -> None:
    path, body = "/wallets/transfer", {"to_handle": "dan", "amount": 60}
    till = await spender(cleo, 100, interval="day")
    await till.post(path, body)
    said.keep("spending-budget-exceeded", await till.post(path, body))
    small = await spender(cleo, 100, per_payment_max=50)
    said.keep("spending-payment-too-large", await small.post(path, body))
    known = await spender(cleo, 100, payees=["anna"])
    said.keep("payee-not-allowed", await known.post(path, body))
    yen = {"to_handle": "dan", "amount": 5, "currency": "JPY"}
    said.keep("spending-wallet-other", await till.post(path, yen))


async def topping_up(said: Answers, cleo: Person) -> None:
    said.keep("top-up-declined", await cleo.top_up(90_001))
    for _ in range(9):
        await cleo.top_up(10**15, "JPY")
    said.keep("balance-limit-exceeded", await cleo.top_up(10**15, "JPY"))


async def looking_back(said: Answers, cleo: Person) -> None:
    wallet = f"/wallets/{cleo.wallet_id}"
    same_day = "booked_from=2026-02-01&booked_to=2026-02-01"
    said.keep("period-invalid", await cleo.get(f"{wallet}/statement?{same_day}"))
    backwards = "month_from=2026-11&month_to=2026-10"
    said.keep("months-invalid", await cleo.get(f"{wallet}/insights?{backwards}"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("wallet.application.statements.LINES_MAX", 2)
        today, days = datetime.now(UTC).date(), timedelta(days=2)
        lately = f"booked_from={today - days}&booked_to={today + days}"
        said.keep("statement-too-long", await cleo.get(f"{wallet}/statement?{lately}"))
    said.keep("transaction-not-found", await cleo.get(f"/transactions/{UNKNOWN_ID}"))
    said.keep("checkpoint-not-found", await cleo.get("/proofs/checkpoints/999999"))
    backwards = "first=2&second=1"
    said.keep("consistency-invalid", await cleo.get(f"/proofs/consistency?{backwards}"))


async def every_problem_of_staff(
    said: Answers, client: httpx.AsyncClient, service: Service
) -> None:
    """Let staff do what they may not, and what cannot be done."""
    o = await office(client, service)
    alice, bob = f"/wallets/{o.alice.wallet_id}", f"/wallets/{o.bob.wallet_id}"
    paid = await o.pay(300)
    said.keep("right-missing", await do(o.otto, f"{alice}/freeze", direction="send"))
    said.keep(
        "own-affairs", await do(o.ada, f"/wallets/{o.ada.wallet_id}/freeze", direction="send")
    )
    said.keep("reason-invalid", await do(o.ada, f"{bob}/freeze", direction="send", reason="     "))
    said.keep("person-not-found", await o.ada.get(f"/admin/people/{UNKNOWN_ID}"))
    said.keep("wallet-unknown", await o.ada.get(f"/admin/wallets/{UNKNOWN_ID}"))
    said.keep("refusal-not-found", await o.ada.get(f"/admin/refusals/{UNKNOWN_ID}"))
    said.keep("movement-not-found", await o.ada.get(f"/admin/transactions/{UNKNOWN_ID}"))
    said.keep("transfer-not-found", await do(o.sam, f"/transactions/{UNKNOWN_ID}/refund"))
    said.keep("wallet-not-empty", await do(o.ada, f"{alice}/close"))
    # Bob has paid on what he got: a refund that is forced leaves him in debt.
    await o.bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 200})
    await do(o.ada, f"/transactions/{paid}/refund", force=True)
    said.keep("refund-exceeds-transfer", await do(o.sam, f"/transactions/{paid}/refund"))
    await do(o.ada, f"{bob}/overdraft", limit=500)
    said.keep("overdraft-in-use", await do(o.ada, f"{bob}/overdraft", limit=0))
    said.keep("overdraft-limit-too-high", await do(o.ada, f"{bob}/overdraft", limit=1_000_001))
    await adjusting(said, o.ada, o.max, o.alice.wallet_id)
    await do(o.sam, f"{alice}/freeze", direction="send")
    said.keep(
        "wallet-frozen", await o.alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
    )
    empty = f"/wallets/{o.otto.wallet_id}"
    await do(o.ada, f"{empty}/close")
    said.keep("wallet-closed", await do(o.ada, f"{empty}/freeze", direction="send"))


async def adjusting(said: Answers, ada: Person, max_: Person, wallet_id: str) -> None:
    said.keep("act-not-found", await ada.get(f"/admin/audit-trail/{UNKNOWN_ID}"))
    said.keep("adjustment-not-found", await ada.get(f"/admin/adjustments/{UNKNOWN_ID}"))
    nothing = await do(ada, "/adjustments", wallet_id=wallet_id, amount=0)
    said.keep("adjustment-amount-invalid", nothing)
    asked = await do(ada, "/adjustments", wallet_id=wallet_id, amount=-100_000)
    path = f"/adjustments/{asked.json()['id']}"
    said.keep("second-approver-needed", await do(ada, f"{path}/approve"))
    said.keep("adjustment-not-booked", await do(max_, f"{path}/approve"))
    await do(ada, f"{path}/reject")
    said.keep("adjustment-already-decided", await do(max_, f"{path}/reject"))
