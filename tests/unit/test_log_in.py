"""Logging in: credentials, sessions, refresh tokens, revocation, resets, and what guessers meet."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fakes.town import HERE, OTHER_PASSWORD, PASSWORD, Town, attempt

from wallet.application.authentication import Authentication
from wallet.application.background import Background
from wallet.application.entrance import Client
from wallet.application.log_in import LogIn
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.errors import Overloaded, Unauthenticated
from wallet.domain.guards import GuardTripped, LogInDelayed
from wallet.domain.passwords import PasswordCommon
from wallet.domain.sessions import (
    SESSIONS_MAX,
    CredentialsInvalid,
    GrantRefused,
    MailTokenInvalid,
    PasswordWrong,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionNotFound,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
)
from wallet.domain.users import Role


async def test_logging_in_gives_tokens_that_name_the_person_and_the_session() -> None:
    town = Town()
    profile = await town.sign_up()
    tokens = await town.log_in.log_in(attempt(" ADA@Example.com"))
    ada = await town.log_in.authenticate(tokens.access_token)
    assert ada.user_id == profile.user.id
    (session,) = await town.log_in.sessions(ada)
    assert (session.id, session.address, session.user_agent) == (
        ada.session_id, "203.0.113.7", "pytest"
    )  # fmt: skip
    assert tokens.expires_in_s == 900
    assert tokens.refresh_token not in repr(town.people_store.refresh_tokens)
    assert "secret" not in repr(tokens)


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com", "no address", "\0"])
async def test_unknown_and_known_look_the_same_and_cost_one_verification(email: str) -> None:
    town = Town()
    await town.sign_up()
    with pytest.raises(CredentialsInvalid) as caught:
        await town.log_in.log_in(attempt(email, OTHER_PASSWORD))
    assert (caught.value.code, dict(caught.value.facts)) == ("credentials-invalid", {})
    assert town.hasher.verified == ["v2"]


async def test_five_failures_are_free_and_then_one_has_to_wait() -> None:
    town = Town()
    await town.sign_up()
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await town.enter(password=OTHER_PASSWORD)
    with pytest.raises(LogInDelayed) as caught:
        await town.enter()
    assert caught.value.retry_after_s == 1
    assert len(town.hasher.verified) == 5
    town.pass_time(seconds=1)
    with pytest.raises(CredentialsInvalid):
        await town.enter(password=OTHER_PASSWORD)
    with pytest.raises(LogInDelayed) as caught:
        await town.enter()
    assert caught.value.retry_after_s == 2
    town.pass_time(seconds=2)
    await town.enter()
    with pytest.raises(CredentialsInvalid):
        await town.enter(password=OTHER_PASSWORD)


async def test_a_thousand_guesses_never_lock_an_account_for_good() -> None:
    town = Town()
    await town.sign_up()
    for number in range(1000):
        town.pass_time(minutes=15)
        there = Client(f"198.51.100.{number % 250}")
        with pytest.raises(CredentialsInvalid):
            await town.log_in.log_in(attempt("ada@example.com", f"guess {number}", there))
    town.pass_time(minutes=15)
    await town.enter()


async def test_failures_are_forgotten_after_a_day() -> None:
    town = Town()
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await town.enter("nobody")
    town.pass_time(hours=25)
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await town.enter("nobody")


async def test_guesses_sent_at_once_are_counted_one_by_one() -> None:
    town = Town()
    await town.sign_up()
    results = await asyncio.gather(
        *(town.enter(password=OTHER_PASSWORD) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(result, CredentialsInvalid) for result in results) == 5
    assert len(town.hasher.verified) == 5


async def test_log_ins_are_counted_by_address_over_all_accounts() -> None:
    town = Town()
    for number in range(60):
        with pytest.raises(CredentialsInvalid):
            await town.enter(f"person{number}")
    with pytest.raises(GuardTripped):
        await town.enter("person60")
    with pytest.raises(CredentialsInvalid):
        await town.log_in.log_in(attempt("person60@example.com", client=Client("198.51.100.1")))


async def test_an_older_hash_is_upgraded_at_log_in() -> None:
    town = Town()
    profile = await town.sign_up()
    town.hasher.parameters = "v3"
    await town.enter()
    assert (town.people_store.users[profile.user.id].password_hash or "").startswith("v3$")
    assert town.hasher.verified == ["v2"]


async def test_a_password_changed_meanwhile_opens_no_session() -> None:
    town = Town()
    profile = await town.sign_up()
    log_in = asyncio.create_task(town.enter())
    while not town.hasher.verified:
        await asyncio.sleep(0)
    user = town.people_store.users[profile.user.id]
    town.people_store.users[user.id] = replace(user, password_hash="v2$changed")
    with pytest.raises(CredentialsInvalid):
        await log_in
    assert not town.people_store.sessions


async def test_staff_cannot_use_the_grant_of_the_docs_page() -> None:
    town = Town()
    profile = await town.sign_up()
    user = town.people_store.users[profile.user.id]
    town.people_store.users[user.id] = replace(user, role=Role.SUPPORT)
    with pytest.raises(GrantRefused):
        await town.log_in.log_in(attempt("ada@example.com", alone=True))
    with pytest.raises(CredentialsInvalid):
        await town.log_in.log_in(attempt("ada@example.com", OTHER_PASSWORD, alone=True))
    await town.enter()


async def test_the_least_used_session_makes_room_for_the_fifty_first() -> None:
    town = Town()
    await town.sign_up()
    first = await town.enter()
    for _ in range(SESSIONS_MAX):
        town.pass_time(seconds=2)
        last = await town.enter()
    ada = await town.log_in.authenticate(last.access_token)
    assert len(await town.log_in.sessions(ada)) == SESSIONS_MAX
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(first.refresh_token, HERE)


async def test_a_refresh_token_gives_the_next_one_and_the_session_lasts_longer() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    for _ in range(4):
        town.pass_time(days=20)
        tokens = await town.log_in.refresh(tokens.refresh_token, HERE)
    ada = await town.log_in.authenticate(tokens.access_token)
    assert len(await town.log_in.sessions(ada)) == 1
    town.pass_time(days=31)
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(tokens.refresh_token, HERE)


async def test_a_refresh_token_that_comes_twice_ends_the_session() -> None:
    town = Town()
    await town.sign_up()
    stolen = await town.enter()
    other = await town.enter()
    fresh = await town.log_in.refresh(stolen.refresh_token, HERE)
    with pytest.raises(RefreshTokenReused):
        await town.log_in.refresh(stolen.refresh_token, HERE)
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(fresh.refresh_token, HERE)
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(fresh.access_token)
    await town.log_in.refresh(other.refresh_token, HERE)
    assert town.books.events[-1].kind == "session.refresh-token-reused"


async def test_of_two_refreshes_at_once_one_wins_and_the_session_ends() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    results = await asyncio.gather(
        *(town.log_in.refresh(tokens.refresh_token, HERE) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["RefreshTokenReused", "Tokens"]


@pytest.mark.parametrize("token", ["", "unknown", "x" * 1000])
async def test_an_unknown_refresh_token_is_refused(token: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        await Town().log_in.refresh(token, HERE)


async def test_refreshes_are_counted_by_address() -> None:
    town = Town()
    for _ in range(120):
        with pytest.raises(RefreshTokenInvalid):
            await town.log_in.refresh("unknown", HERE)
    with pytest.raises(GuardTripped):
        await town.log_in.refresh("unknown", HERE)


async def test_logging_out_ends_the_session_at_once_and_may_be_repeated() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    ada = await town.log_in.authenticate(tokens.access_token)
    await town.log_in.log_out(ada)
    await town.log_in.log_out(ada)
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(tokens.access_token)
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(tokens.refresh_token, HERE)


async def test_one_can_end_ones_own_sessions_and_no_others() -> None:
    town = Town()
    await town.sign_up("ada")
    await town.sign_up("eve")
    here, there = await town.enter(), await town.enter()
    ada = await town.log_in.authenticate(here.access_token)
    other = await town.log_in.authenticate(there.access_token)
    eve = await town.log_in.authenticate((await town.enter("eve")).access_token)
    for session_id in (other.session_id, UUID(int=5)):
        with pytest.raises(SessionNotFound):
            await town.log_in.revoke(eve, session_id)
    await town.log_in.revoke(ada, other.session_id)
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(there.access_token)
    with pytest.raises(SessionNotFound):
        await town.log_in.revoke(ada, other.session_id)
    assert await town.log_in.authenticate(here.access_token) == ada


async def test_changing_the_password_ends_all_other_sessions() -> None:
    town = Town()
    await town.sign_up()
    here, there = await town.enter(), await town.enter()
    ada = await town.log_in.authenticate(here.access_token)
    with pytest.raises(PasswordWrong):
        await town.credentials.change_password(ada, OTHER_PASSWORD, OTHER_PASSWORD)
    with pytest.raises(PasswordCommon):
        await town.credentials.change_password(ada, PASSWORD, "passwordpassword")
    await town.credentials.change_password(ada, PASSWORD, OTHER_PASSWORD)
    assert await town.log_in.authenticate(here.access_token) == ada
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(there.access_token)
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(there.refresh_token, HERE)
    with pytest.raises(CredentialsInvalid):
        await town.enter()
    await town.enter(password=OTHER_PASSWORD)


async def test_guessing_the_current_password_is_delayed_like_a_log_in() -> None:
    town = Town()
    await town.sign_up()
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    for _ in range(5):
        with pytest.raises(PasswordWrong):
            await town.credentials.change_password(ada, "guess", OTHER_PASSWORD)
    with pytest.raises(LogInDelayed):
        await town.people.close(ada, PASSWORD)


async def test_a_reset_sets_the_password_verifies_the_address_and_ends_all_sessions() -> None:
    town = Town()
    profile = await town.sign_up()
    tokens = await town.enter()
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await town.enter(password=OTHER_PASSWORD)
    await town.credentials.request_password_reset("ADA@example.com", HERE.address)
    await town.background.drain()
    token = town.mailed_token()
    with pytest.raises(PasswordCommon):
        await town.credentials.reset_password(token, "passwordpassword", HERE.address)
    await town.credentials.reset_password(token, OTHER_PASSWORD, HERE.address)
    with pytest.raises(MailTokenInvalid):
        await town.credentials.reset_password(token, PASSWORD, HERE.address)
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(tokens.access_token)
    assert town.people_store.users[profile.user.id].email_verified_at is not None
    await town.enter(password=OTHER_PASSWORD)


async def test_of_two_resets_with_one_token_one_wins() -> None:
    town = Town()
    await town.sign_up()
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    token = town.mailed_token()
    results = await asyncio.gather(
        *(town.credentials.reset_password(token, new, HERE.address)
          for new in (OTHER_PASSWORD, OTHER_PASSWORD + "!")),
        return_exceptions=True,
    )  # fmt: skip
    assert sorted(type(result).__name__ for result in results) == ["MailTokenInvalid", "NoneType"]


@pytest.mark.parametrize("email", ["nobody@example.com", "no address"])
async def test_asking_for_a_reset_tells_nothing_about_who_exists(email: str) -> None:
    town = Town()
    await town.sign_up()
    await town.credentials.request_password_reset(email, HERE.address)
    await town.background.drain()
    assert [message.recipient for message in town.mailer.outbox] == ["ada@example.com"]
    assert town.reported == []


async def test_resets_are_limited_by_receiver_in_silence_and_by_address_aloud() -> None:
    town = Town()
    await town.sign_up()
    for _ in range(30):
        await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    assert len(town.mailer.outbox) == 1 + 4
    with pytest.raises(GuardTripped):
        await town.credentials.request_password_reset("ada@example.com", HERE.address)


async def test_a_reset_token_of_somebody_who_has_left_is_worth_nothing() -> None:
    town = Town()
    await town.sign_up()
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    token = town.mailed_token()
    await town.people.close(ada, PASSWORD)
    with pytest.raises(MailTokenInvalid):
        await town.credentials.reset_password(token, OTHER_PASSWORD, HERE.address)


async def test_an_access_token_expires_even_when_it_is_known() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    await town.log_in.authenticate(tokens.access_token)
    town.pass_time(minutes=15)
    for _ in range(2):
        with pytest.raises(TokenExpired):
            await town.log_in.authenticate(tokens.access_token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000, "\ud800"])
async def test_what_is_no_token_of_ours_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        await Town().log_in.authenticate(token)


async def test_a_verified_token_is_recognised_without_verifying_it_again() -> None:
    town = Town()
    await town.sign_up()
    tokens = [await town.enter() for _ in range(3)]
    counted: list[str] = []

    class Spy:
        issue = town.tokens.issue
        jwks = town.tokens.jwks

        def verify(self, token: str, now: object) -> object:
            counted.append(token)
            return town.tokens.verify(token, now)  # type: ignore[arg-type]

    authentication = Authentication(
        tokens=Spy(),  # type: ignore[arg-type]
        revocations=town.revocations,
        clock=town.clock,
        keys=town.key_authentications[0],
        cache_size_max=2,
    )
    first, second, third = (each.access_token for each in tokens)
    for token in (first, first, second, first, third, second, first):
        await authentication.authenticate(token)
    assert counted == [first, second, third, first]


async def test_another_process_learns_of_a_revocation_within_a_refresh() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    revocations = town._revocations()
    there = town.process(revocations)
    await revocations.refresh()
    ada = await there.authenticate(tokens.access_token)
    await town.log_in.log_out(ada)
    assert await there.authenticate(tokens.access_token) == ada
    town.pass_time(seconds=1)
    await revocations.refresh()
    with pytest.raises(SessionRevoked):
        await there.authenticate(tokens.access_token)


async def test_a_set_older_than_five_seconds_is_not_trusted() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()
    revocations = town._revocations()
    there = town.process(revocations)
    await revocations.refresh()
    ada = await there.authenticate(tokens.access_token)
    await town.log_in.log_out(ada)
    town.pass_time(seconds=5)
    with pytest.raises(SessionRevoked):
        await there.authenticate(tokens.access_token)


async def test_in_an_outage_a_stale_set_lets_nobody_in() -> None:
    town = Town()
    await town.sign_up()
    tokens = await town.enter()

    def unreachable() -> UnitOfWork:
        raise Interrupted

    town.revocations._unit_of_work = unreachable
    with pytest.raises(Interrupted):
        await town.log_in.authenticate(tokens.access_token)


async def test_revocations_are_forgotten_when_no_token_can_be_left() -> None:
    town = Town()
    town.revocations.add([UUID(int=1)])
    await town.revocations.refresh()
    assert UUID(int=1) in town.revocations._until
    town.pass_time(minutes=17)
    await town.revocations.refresh()
    assert not town.revocations._until


async def test_the_refresher_outlives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()
    monkeypatch.setattr("wallet.application.revocations.INTERVAL_S", 0.001)
    good = town.revocations._unit_of_work
    attempts = 0

    def flaky() -> UnitOfWork:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise Interrupted
        return good()

    town.revocations._unit_of_work = flaky
    task = asyncio.create_task(town.revocations.run())
    while attempts < 3:
        await asyncio.sleep(0.001)
    task.cancel()
    assert [type(error) for error in town.reported] == [Interrupted]


async def test_access_tokens_may_not_live_longer_than_fifteen_minutes() -> None:
    town = Town()
    with pytest.raises(ValueError, match="15 minutes"):
        LogIn(
            unit_of_work=town.unit_of_work,
            entrance=town.entrance(town.revocations),
            guards=town.guards,
            tokens=town.tokens,
            authentication=Authentication(
                tokens=town.tokens,
                revocations=town.revocations,
                clock=town.clock,
                keys=town.key_authentications[0],
            ),
            revocations=town.revocations,
            clock=town.clock,
            new_id=town.new_id,
            new_secret=town.new_secret,
            access_lifetime=timedelta(minutes=16),
        )


async def test_background_work_is_bounded_and_ended() -> None:
    background = Background(lambda _: None, tasks_max=1)
    background.start(asyncio.sleep(60))
    with pytest.raises(Overloaded):
        background.start(asyncio.sleep(60))
    await background.drain(timeout_s=0.01)
    await background.drain()


def test_every_way_of_not_being_known_is_one_family() -> None:
    for error in (CredentialsInvalid, TokenInvalid, TokenExpired, SessionRevoked):
        assert issubclass(error, Unauthenticated)
