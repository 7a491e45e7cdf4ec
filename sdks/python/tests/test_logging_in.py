"""Sessions: tokens are renewed in time, once, and whatever happens to those who wait."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sdks.python.tests.authenticator import code_of
from sdks.python.tests.conftest import PASSWORD, client_of, new_name, sign_up
from sdks.python.tests.cutting_proxy import CuttingProxy
from sdks.python.tests.live_service import LiveService

from wallet_sdk import AsyncWallet, NotLoggedIn, OutcomeUnknown, Tokens, Wallet, problems

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


def with_second_factor(service: LiveService) -> tuple[Wallet, str, str, list[str]]:
    """Return a client, its e-mail address, and the secret and recovery codes of its owner."""
    wallet = client_of(service)
    email = sign_up(wallet, new_name("otto"))
    secret = wallet.second_factor.begin(password=PASSWORD).secret
    return wallet, email, secret, wallet.second_factor.confirm(code_of(secret))


def test_a_second_factor_is_asked_for_and_each_code_is_good_once(service: LiveService) -> None:
    here, email, secret, recovery_codes = with_second_factor(service)
    there = client_of(service)
    with pytest.raises(problems.SecondFactorRequired):
        there.log_in(email, PASSWORD)
    with pytest.raises(problems.CredentialsInvalid):
        there.log_in(email, "a wrong password of some length", otp=code_of(secret, 1))
    there.log_in(email, PASSWORD, otp=code_of(secret, 1))
    assert there.users.me().email == email
    with pytest.raises(problems.SecondFactorWrong):
        there.log_in(email, PASSWORD, otp=code_of(secret, 1))
    # That was no log-in: the session from before goes on, and so does the one that began it all.
    there.log_in(email, PASSWORD, otp=recovery_codes[0])
    assert there.second_factor.state().recovery_codes_left == 9
    assert here.users.me().email == email
    with pytest.raises(problems.SecondFactorAlreadyOn):
        here.second_factor.begin(password=PASSWORD)
    with pytest.raises(problems.PasswordWrong):
        here.second_factor.disable(password="not the password", otp=recovery_codes[1])
    with pytest.raises(problems.OtpWrong):
        here.second_factor.disable(password=PASSWORD, otp=recovery_codes[0])
    here.second_factor.disable(password=PASSWORD, otp=recovery_codes[1])
    client_of(service).log_in(email, PASSWORD)
    with pytest.raises(problems.SecondFactorOff):
        here.second_factor.replace_recovery_codes(password=PASSWORD, otp=recovery_codes[2])


def test_turning_a_second_factor_on_ends_sessions_that_were_begun_without(
    service: LiveService,
) -> None:
    here, there = client_of(service), client_of(service)
    email = sign_up(here, new_name("olga"))
    there.log_in(email, PASSWORD)
    secret = here.second_factor.begin(password=PASSWORD).secret
    here.second_factor.confirm(code_of(secret))
    with pytest.raises(problems.RefreshTokenInvalid):
        there.users.me()
    assert here.users.me().email == email


def test_a_code_whose_answer_is_lost_is_not_sent_again(service: LiveService) -> None:
    """It is used up: sent once more it would be called wrong, and its owner would doubt the app."""
    _, email, secret, _ = with_second_factor(service)
    proxy = CuttingProxy(service.port, lambda request: b"/users/login" in request)
    try:
        with Wallet(proxy.url) as wallet:
            otp = code_of(secret, 1)
            with pytest.raises(OutcomeUnknown) as raised:
                wallet.log_in(email, PASSWORD, otp=otp)
            assert proxy.cuts == 1
            assert otp not in repr(raised.value.operation)
            assert PASSWORD not in repr(raised.value.operation)
    finally:
        proxy.close()


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
