"""A tour through every operation of the API, by the pleasant name where there is one.

Written for the asynchronous client; `test_every_operation.py` runs it, and its synchronous twin,
which is made just as the synchronous client is made.
"""

import re
from collections.abc import Callable

import httpx
import pytest
from sdks.python.tests.authenticator import code_of

from wallet_sdk import AsyncWallet, Money, Payment, Ready, models, problems
from wallet_sdk._async.concurrency import sleep

PASSWORD = "nine patient herons by the weir"
NEW_PASSWORD = "ten patient herons by the weir"
OnOperation = Callable[[str], None]


async def tour(url: str, name: str, on_operation: OnOperation) -> None:
    """Do everything once, and tell of each operation that was called."""

    async def seen(request: httpx.Request) -> None:
        on_operation(request.extensions["operation_id"])

    async with httpx.AsyncClient(base_url=url, event_hooks={"request": [seen]}) as http:
        anna, ben = AsyncWallet(http=http), AsyncWallet(http=http)
        email, other = f"{name}_anna@example.com", f"{name}_ben@example.com"
        await _people(anna, email, f"{name}_anna", http)
        await _arrive(ben, other, f"{name}_ben")
        await _money(anna, f"{name}_ben")
        await _history(anna)
        await _proofs(anna)
        await _live(anna)
        await _machines(anna, url)
        await _operations(anna, email)
        await _second_factor(AsyncWallet(http=http), f"{name}_cleo@example.com", f"{name}_cleo")
        await _leave(ben)
        await _forgotten(anna, email, http)
    await _page(url, seen, other)


async def _arrive(wallet: AsyncWallet, email: str, handle: str) -> None:
    profile = await wallet.users.sign_up(
        first_name="Anna", last_name="Tester", email=email, password=PASSWORD, handle=handle
    )
    assert profile.handle == handle
    await wallet.log_in(email, PASSWORD)


async def _people(anna: AsyncWallet, email: str, handle: str, http: httpx.AsyncClient) -> None:
    await _arrive(anna, email, handle)
    assert (await anna.users.me()).email == email
    assert (await anna.users.update(first_name="Annika")).first_name == "Annika"
    await anna.users.request_email_verification()
    await anna.users.verify_email(await _mailed(http, email, "Confirm", 2))
    assert (await anna.users.me()).email_verified
    await anna.users.change_password(current_password=PASSWORD, new_password=NEW_PASSWORD)
    found = await anna.users.find(email=email)
    assert (found.handle, found.first_name, found.initial) == (handle, "Annika", "T")
    export = await anna.users.export()
    assert export.handles == [handle]
    (session,) = await anna.sessions.list()
    assert session.current
    with pytest.raises(problems.SessionNotFound):
        await anna.sessions.revoke(found.user_id)


async def _mailed(http: httpx.AsyncClient, email: str, about: str, count: int) -> str:
    """Return the token of the newest of some mails about something; it may be on its way."""
    for _ in range(100):
        answer = await http.get(
            "/dev/mail", params={"recipient": email}, extensions={"operation_id": "-"}
        )
        mails = [mail for mail in answer.json()["items"] if about in mail["subject"]]
        if len(mails) == count:
            return str(re.findall(r"[A-Za-z0-9_-]{43}", mails[0]["text"])[0])
        await sleep(0.05)
    raise AssertionError(f"no mail about {about}")


async def _money(anna: AsyncWallet, to_handle: str) -> None:
    opened = await anna.wallets.open("JPY")
    assert opened.available_money == Money(0, "JPY")
    top_up = await anna.wallets.top_up(Money.of("100.00", "USD"))
    assert (top_up.status, top_up.money) == ("completed", Money(10_000, "USD"))
    payment = Payment(to_handle=to_handle, amount=Money(250, "USD"))
    preview = await anna.transfers.preview(payment)
    assert preview.outcome == "accepted"
    paid = await anna.transfers.create(
        to_handle=to_handle,
        amount=Money(250, "USD"),
        note="Lunch",
        reference="4711",
        metadata={"order": "1"},
        idempotency_key="lunch / 1",
    )
    assert paid.balance.available_money == Money.of("97.50", "USD")
    assert paid.metadata == {"order": "1"}
    again = await anna.transfers.pay(
        Payment(
            to_handle=to_handle,
            amount=250,
            currency="USD",
            note="Lunch",
            reference="4711",
            metadata={"order": "1"},
        ),
        idempotency_key="lunch / 1",
    )
    assert again == paid
    assert (await anna.settle("lunch / 1")).id == paid.id
    batch = await anna.transfers.create_batch([payment, payment, Payment(to_handle="x", amount=1)])
    assert [result.status for result in batch.results] == ["completed", "completed", "refused"]
    assert [wallet.currency for wallet in await anna.wallets.list()] == ["JPY", "USD"]
    assert (await anna.wallets.balance()).available == 9_250
    assert (await anna.wallets.balance("JPY")).available == 0
    past = await anna.wallets.balance_at(paid.wallet_id, paid.booked_at)
    assert past.posted_money == Money(10_000, "USD")


async def _history(anna: AsyncWallet) -> None:
    lines = [line async for line in anna.transactions.list(kind="transfer", page_size=2)]
    assert [line.amount for line in lines] == [250, 250, 250]
    lunch = lines[-1]
    assert await anna.transactions.get(lunch.id) == lunch
    filtered = anna.transactions.list(
        q="lunch", direction="out", metadata_key="order", booked_to=lunch.booked_at, count=True
    )
    page = await filtered.first()
    assert page.count is not None
    assert page.count.lines == 0
    month = f"{lunch.booked_at:%Y-%m}"
    statement = await anna.statements.get(lunch.wallet_id, month=month)
    assert statement.in_currency(statement.totals.amount_out) == Money(750, "USD")
    for format_, first in (("csv", b"\xef\xbb\xbf"), ("pdf", b"%PDF-"), ("camt.053", b"<?xml")):
        content = await anna.statements.download(
            lunch.wallet_id,
            format=format_,  # type: ignore[arg-type]
            booked_from=lunch.booked_at.date(),
            booked_to=lunch.booked_at,
        )
        assert content.startswith(first)
    insight = await anna.statements.insights(lunch.wallet_id, month_from=month, month_to=month)
    assert insight.months[0].total.lines_out == 3


async def _proofs(anna: AsyncWallet) -> None:
    line = (await anna.transactions.list().first()).items[0]
    receipt = await anna.transactions.receipt(line.id)
    assert receipt.entry.instruction_id == line.id
    latest = await anna.proofs.latest_checkpoint()
    assert await anna.proofs.checkpoint(latest.tree_size) == latest
    checkpoints = [checkpoint async for checkpoint in anna.proofs.checkpoints(page_size=1)]
    assert latest in checkpoints
    proof = await anna.proofs.consistency(first=1, second=latest.tree_size)
    assert proof.second == latest.tree_size
    keys = await anna.proofs.keys()
    assert latest.key_id in [key["kid"] for key in keys.keys]


async def _live(anna: AsyncWallet) -> None:
    async for event in anna.live.events():
        assert isinstance(event, Ready)
        assert sorted(balance.currency for balance in event.balances) == ["JPY", "USD"]
        break


async def _machines(anna: AsyncWallet, url: str) -> None:
    key = await anna.api_keys.create(
        name="Till",
        scopes=["wallets:read", "transfers:write"],
        spending=models.SpendingBody(currency="USD", budget=500),
    )
    assert key.secret not in repr(key)
    assert (await anna.api_keys.get(key.id)).status == "active"
    assert [found.id async for found in anna.api_keys.list()] == [key.id]
    async with AsyncWallet(url, api_key=key.secret) as machine:
        assert (await machine.wallets.balance()).currency == "USD"
        with pytest.raises(problems.InsufficientScope):
            await machine.transactions.list().first()
        rotated = await anna.api_keys.rotate(key.id, overlap_s=60)
        assert rotated.secret != key.secret
        await anna.api_keys.revoke(key.id)
        with pytest.raises(problems.Unauthenticated) as raised:
            await machine.wallets.balance()
        assert raised.value.code == "api-key-revoked"
    await _webhooks(anna)


async def _webhooks(anna: AsyncWallet) -> None:
    made = await anna.webhooks.create("http://127.0.0.1:65534/hooks", events=["topup.settled"])
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    changed = await anna.webhooks.update(made.id, description="Nobody listens", enabled=True)
    assert (await anna.webhooks.get(made.id)).description == changed.description
    assert [endpoint.id for endpoint in await anna.webhooks.list()] == [made.id]
    rotated = await anna.webhooks.rotate_secret(made.id, overlap_s=60)
    assert rotated.rotating_until is not None
    delivery = await anna.webhooks.test(made.id)
    assert delivery.status == "failed"
    again = await anna.webhooks.resend_delivery(made.id, delivery.id)
    assert again.event_id == delivery.event_id
    logged = [found.id async for found in anna.webhooks.deliveries(made.id, page_size=1)]
    assert logged == [again.id, delivery.id]
    checked = await anna.webhooks.check_signature(
        made.id,
        body=models.SignatureBody(
            webhook_id="1", webhook_timestamp="1", webhook_signature="v1,AAAA", body="{}"
        ),
    )
    assert not checked.valid
    assert await anna.webhooks.resend(made.id, since=made.created_at) == 0
    await anna.webhooks.delete(made.id)
    types = [event.type_ async for event in anna.events.list(page_size=2)]
    assert types.count("topup.settled") == 1
    page = await anna.events.list(after="now").first()
    assert page.items == []
    first = (await anna.events.list(types=["topup.settled"]).first()).items[0]
    assert await anna.events.get(first.id) == first


async def _operations(anna: AsyncWallet, email: str) -> None:
    """Call what has no other name, as the document has it."""
    assert (await anna.operations.get_liveness()).status == "alive"
    assert (await anna.operations.get_readiness()).status == "ready"
    assert "# HELP" in await anna.operations.get_metrics()
    kind = await anna.operations.get_problem("insufficient-funds")
    assert kind.status == 422
    assert len(await anna.operations.list_signing_keys()) == 1
    assert (await anna.operations.issue_live_ticket()).expires_in == 30
    tokens = await anna.operations.issue_token(
        body=models.IssueTokenBody(grant_type="password", username=email, password=NEW_PASSWORD)
    )
    renewed = await anna.operations.refresh_tokens(
        body=models.RefreshBody(refresh_token=tokens.refresh_token)
    )
    assert renewed.refresh_token != tokens.refresh_token


async def _second_factor(cleo: AsyncWallet, email: str, handle: str) -> None:
    await _arrive(cleo, email, handle)
    assert not (await cleo.second_factor.state()).enabled
    begun = await cleo.second_factor.begin(password=PASSWORD)
    assert begun.secret in begun.otpauth_uri
    assert begun.secret not in repr(begun)
    with pytest.raises(problems.OtpWrong):
        await cleo.second_factor.confirm("not six digits")
    codes = await cleo.second_factor.confirm(code_of(begun.secret))
    state = await cleo.second_factor.state()
    assert (state.enabled, state.recovery_codes_left) == (True, 10)
    with pytest.raises(problems.SecondFactorRequired):
        await cleo.log_in(email, PASSWORD)
    await cleo.log_in(email, PASSWORD, otp=code_of(begun.secret, steps_later=1))
    newer = await cleo.second_factor.replace_recovery_codes(password=PASSWORD, otp=codes[0])
    with pytest.raises(problems.SecondFactorWrong):
        await cleo.log_in(email, PASSWORD, otp=codes[1])
    await cleo.second_factor.disable(password=PASSWORD, otp=newer[0])
    assert (await cleo.second_factor.state()).enabled_at is None


async def _page(url: str, seen: Callable[[httpx.Request], object], email: str) -> None:
    """Do what the service's own pages do, with the headers and the cookie of a browser."""
    async with httpx.AsyncClient(
        base_url=url,
        event_hooks={"request": [seen]},
        headers={"Sec-Fetch-Site": "same-origin"},
    ) as browser:
        page = AsyncWallet(http=browser)
        begun = await page.operations.begin_browser_session(
            body=models.LogInBody(email=email, password=PASSWORD)
        )
        # A jar gives the cookie to https alone.
        browser.headers["Cookie"] = f"__Host-wallet={browser.cookies['__Host-wallet']}"
        browser.headers["X-CSRF-Token"] = begun.csrf_token
        assert (await page.operations.get_browser_session()).user.email == email
        await page.operations.end_browser_session()
        with pytest.raises(problems.SessionRevoked):
            await page.operations.get_browser_session()


async def _leave(ben: AsyncWallet) -> None:
    with pytest.raises(problems.WalletNotEmpty) as raised:
        await ben.users.close(password=PASSWORD)
    assert raised.value.operation_id == "closeAccount"


async def _forgotten(anna: AsyncWallet, email: str, http: httpx.AsyncClient) -> None:
    await anna.users.request_password_reset(email)
    token = await _mailed(http, email, "new password", 1)
    await anna.users.reset_password(token=token, new_password=PASSWORD)
    await anna.log_in(email, PASSWORD)
    await anna.log_out()
    assert anna.tokens is None
