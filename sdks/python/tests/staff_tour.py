"""A tour through what staff alone may do, as operators' scripts call it: by `operations`.

Written for the asynchronous client; `test_every_operation.py` runs it and its synchronous twin.
"""

from collections.abc import Callable

import httpx
import pytest
from sdks.python.tests.authenticator import code_of

from wallet_sdk import AsyncWallet, Money, models, problems

PASSWORD = "nine patient herons by the weir"
WHY = models.ReasonBody(reason="Because of ticket 4711.")
OnOperation = Callable[[str], None]
Appoint = Callable[[str], None]


async def tour(url: str, name: str, on_operation: OnOperation, appoint: Appoint) -> None:
    """Do everything once, and tell of each operation that was called.

    `appoint` makes an administrator of whoever has an e-mail address, with the same password.
    """

    async def seen(request: httpx.Request) -> None:
        on_operation(request.extensions["operation_id"])

    async with httpx.AsyncClient(base_url=url, event_hooks={"request": [seen]}) as http:
        emma, finn = AsyncWallet(http=http), AsyncWallet(http=http)
        emma_wallet = await _person(emma, f"{name}_emma")
        finn_wallet = await _person(finn, f"{name}_finn")
        await emma.wallets.top_up(Money(1_000, "USD"))
        paid = await emma.transfers.create(to_handle=f"{name}_finn", amount=Money(400, "USD"))
        with pytest.raises(problems.NotFound):
            await emma.operations.get_overview()
        ada = await _administrator(http, f"{name}_ada@example.com", appoint)
        max_ = await _administrator(http, f"{name}_max@example.com", appoint)
        await _looking(ada, (await emma.users.me()).id, f"{name}_emma", paid.id)
        await _wallets(ada, emma, emma_wallet, f"{name}_finn")
        await _refund(ada, paid.id)
        await _adjustments(ada, max_, emma_wallet)
        # The refund has emptied it.
        closed = await ada.operations.close_wallet(finn_wallet, body=WHY)
        assert closed.status == "closed"
        ended = await ada.operations.end_sessions((await finn.users.me()).id, body=WHY)
        assert ended.ended == 1
        trail = await max_.operations.list_acts(limit=100)
        closing = next(act for act in trail.items if act.subject.id == finn_wallet)
        assert (await max_.operations.get_act(closing.id)).reason == WHY.reason


async def _person(wallet: AsyncWallet, handle: str) -> str:
    """Sign up and log in; return the wallet's id."""
    email = f"{handle}@example.com"
    profile = await wallet.users.sign_up(
        first_name="Emma", last_name="Tester", email=email, password=PASSWORD, handle=handle
    )
    await wallet.log_in(email, PASSWORD)
    assert profile.wallet is not None
    return profile.wallet.id


async def _administrator(http: httpx.AsyncClient, email: str, appoint: Appoint) -> AsyncWallet:
    appoint(email)
    wallet = AsyncWallet(http=http)
    await wallet.log_in(email, PASSWORD)
    with pytest.raises(problems.SecondFactorRequiredForStaff):
        await wallet.operations.get_overview()
    begun = await wallet.second_factor.begin(password=PASSWORD)
    await wallet.second_factor.confirm(code_of(begun.secret))
    return wallet


async def _looking(ada: AsyncWallet, person_id: str, handle: str, paid_id: str) -> None:
    assert (await ada.operations.get_overview()).integrity.safe_mode is None
    assert (await ada.operations.get_integrity()).safe_mode is None
    found = await ada.operations.search_everything(q=handle)
    assert [person.id for person in found.people] == [person_id]
    people = await ada.operations.list_people(q=handle)
    assert [person.handle for person in people.items] == [handle]
    person = await ada.operations.get_person(person_id)
    assert not person.second_factor
    assert [wallet.posted_money for wallet in person.wallets] == [Money(600, "USD")]
    lines = await ada.operations.list_person_transactions(person_id, kind=["transfer"])
    assert [line.id for line in lines.items] == [paid_id]
    assert (await ada.operations.get_timeline(person_id)).items
    movement = await ada.operations.get_staff_transaction(paid_id)
    assert (movement.refundable, movement.source.posted_after) == (400, 600)
    listed = await ada.operations.list_staff_transactions(kind=["transfer"], amount_min=400)
    assert paid_id in [item.id for item in listed.items]


async def _wallets(ada: AsyncWallet, emma: AsyncWallet, wallet_id: str, handle: str) -> None:
    body = models.FreezeBody(direction="send", reason=WHY.reason)
    assert (await ada.operations.freeze_wallet(wallet_id, body=body)).frozen == "send"
    frozen = await ada.operations.list_staff_wallets(frozen=True, currency="USD")
    assert wallet_id in [wallet.id for wallet in frozen.items]
    with pytest.raises(problems.WalletFrozen):
        await emma.transfers.create(to_handle=handle, amount=1, currency="USD")
    refused = (await ada.operations.list_refusals(code="wallet-frozen", limit=1)).items[0]
    assert (refused.account_id, refused.amount) == (wallet_id, 1)
    assert (await ada.operations.get_refusal(refused.id)).facts == refused.facts
    thawed = await ada.operations.unfreeze_wallet(wallet_id, body=WHY)
    assert thawed.frozen == "none"
    lent = models.OverdraftBody(limit=50, reason=WHY.reason)
    assert (await ada.operations.set_overdraft(wallet_id, body=lent)).overdraft_limit == 50
    assert (await ada.operations.get_staff_wallet(wallet_id)).available_money == Money(600, "USD")


async def _refund(ada: AsyncWallet, paid_id: str) -> None:
    body = models.RefundBody(reason=WHY.reason)
    refund = await ada.operations.refund_transfer(paid_id, body=body, idempotency_key=paid_id)
    assert refund.money == Money(400, "USD")
    again = await ada.operations.refund_transfer(paid_id, body=body, idempotency_key=paid_id)
    assert again.id == refund.id


async def _adjustments(ada: AsyncWallet, max_: AsyncWallet, wallet_id: str) -> None:
    body = models.AdjustmentBody(wallet_id=wallet_id, amount=25, reason=WHY.reason)
    asked = await ada.operations.request_adjustment(body=body)
    with pytest.raises(problems.SecondApproverNeeded):
        await ada.operations.approve_adjustment(asked.id, body=WHY)
    approved = await max_.operations.approve_adjustment(asked.id, body=WHY)
    assert (approved.status, approved.money) == ("approved", Money(25, "USD"))
    other = await ada.operations.request_adjustment(body=body)
    assert (await max_.operations.reject_adjustment(other.id, body=WHY)).status == "rejected"
    assert (await max_.operations.get_adjustment(other.id)).decision_reason == WHY.reason
    rejected = await max_.operations.list_adjustments(status="rejected")
    assert other.id in [adjustment.id for adjustment in rejected.items]
