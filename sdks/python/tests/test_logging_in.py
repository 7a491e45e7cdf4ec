"""Sessions: tokens are renewed in time, once, and whatever happens to those who wait."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sdks.python.tests.conftest import PASSWORD, client_of, new_name, sign_up
from sdks.python.tests.live_service import LiveService

from wallet_sdk import AsyncWallet, NotLoggedIn, Tokens, Wallet, problems

Stale = Callable[[Tokens | None], Tokens]


def expired(tokens: Tokens | None) -> Tokens:
    """Return tokens that the client thinks have expired."""
    assert tokens is not None
    past = datetime.now(UTC) - timedelta(seconds=1)
    return replace(tokens, expires_at=past, renew_at=past)


def refused(tokens: Tokens | None) -> Tokens:
    """Return tokens that the client thinks are good, and the service refuses."""
    assert tokens is not None
    return replace(tokens, access_token=tokens.access_token[:-6] + "AAAAAA")


def logged_in(service: LiveService) -> Wallet:
    wallet = client_of(service)
    sign_up(wallet, new_name("anna"))
    return wallet


@pytest.mark.parametrize("stale", [expired, refused])
async def test_a_hundred_requests_at_once_refresh_the_token_once(
    service: LiveService, stale: Stale
) -> None:
    kept: list[Tokens | None] = []
    refreshes = []

    async def seen(request: httpx.Request) -> None:
        if request.extensions["operation_id"] == "refreshTokens":
            refreshes.append(request)

    async with httpx.AsyncClient(base_url=service.url, event_hooks={"request": [seen]}) as http:
        tokens = stale(logged_in(service).tokens)
        wallet = AsyncWallet(tokens=tokens, on_tokens=kept.append, http=http)
        profiles = await asyncio.gather(*(wallet.users.me() for _ in range(100)))
        assert len({profile.id for profile in profiles}) == 1
        assert len(refreshes) == 1
        assert kept == [wallet.tokens]
        # A refresh token that was used twice would have ended the session.
        assert (await wallet.users.me()).id == profiles[0].id


@pytest.mark.parametrize("stale", [expired, refused])
def test_twenty_threads_at_once_refresh_the_token_once(service: LiveService, stale: Stale) -> None:
    kept: list[Tokens | None] = []
    tokens = stale(logged_in(service).tokens)
    with Wallet(service.url, tokens=tokens, on_tokens=kept.append) as wallet:
        barrier = threading.Barrier(20)

        def ask(_: int) -> str:
            barrier.wait()
            return wallet.users.me().id

        with ThreadPoolExecutor(20) as threads:
            assert len(set(threads.map(ask, range(20)))) == 1
        assert len(kept) == 1
        assert wallet.users.me().id


async def test_a_caller_that_is_cancelled_in_the_middle_of_a_refresh_loses_no_tokens(
    service: LiveService,
) -> None:
    tokens: Tokens | None = logged_in(service).tokens
    async with AsyncWallet(service.url, tokens=tokens) as wallet:
        for number in range(12):
            wallet._transport.session.tokens = expired(wallet.tokens)
            asking = asyncio.create_task(wallet.users.me())
            await asyncio.sleep(number * 0.001)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            # Whoever comes next waits for that refresh and starts no second one.
            assert (await wallet.users.me()).id


def test_tokens_that_were_kept_go_on_in_another_program(service: LiveService) -> None:
    kept: list[Tokens | None] = []
    with Wallet(service.url, on_tokens=kept.append) as wallet:
        email = sign_up(wallet, new_name("ben"))
    with Wallet(service.url, tokens=kept[-1]) as later:
        assert later.users.me().email == email


def test_a_session_that_was_ended_elsewhere_is_over(service: LiveService) -> None:
    kept: list[Tokens | None] = []
    with Wallet(service.url, on_tokens=kept.append) as here, Wallet(service.url) as there:
        email = sign_up(here, new_name("carl"))
        there.log_in(email, PASSWORD)
        (other,) = [session for session in there.sessions.list() if not session.current]
        there.sessions.revoke(other.id)
        with pytest.raises(problems.RefreshTokenInvalid):
            here.users.me()
        assert kept[-1] is None
        with pytest.raises(NotLoggedIn):
            here.users.me()


def test_a_wrong_password_is_told_as_what_it_is(service: LiveService) -> None:
    with Wallet(service.url) as wallet:
        email = sign_up(wallet, new_name("dora"))
        with pytest.raises(problems.CredentialsInvalid):
            wallet.log_in(email, "a wrong password of some length")


def test_without_a_log_in_nothing_is_sent(service: LiveService) -> None:
    with Wallet("http://127.0.0.1:9") as nowhere, pytest.raises(NotLoggedIn):
        nowhere.wallets.balance()
    with Wallet(service.url, api_key="wk_of_nobody") as machine:
        with pytest.raises(problems.Unauthenticated):
            machine.wallets.balance()
    assert machine.tokens is None


def test_tokens_are_in_no_representation(service: LiveService) -> None:
    tokens = logged_in(service).tokens
    assert tokens is not None
    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)
