"""Sessions of browsers: cookies that are recognised, expire and are revoked; tickets."""

import asyncio
from datetime import timedelta

import pytest
from tests.fakes.second_factors import code_at
from tests.fakes.town import OTHER_PASSWORD, PASSWORD, Town, attempt

from wallet.application.browser_sessions import Browser, BrowserSessions, Shown, csrf_token_of
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.browser_sessions import TicketInvalid
from wallet.domain.guards import GuardTripped
from wallet.domain.second_factors import SecondFactorRequired
from wallet.domain.sessions import CredentialsInvalid, SessionRevoked
from wallet.domain.users import AccountClosed


async def entered(town: Town, name: str = "ada") -> tuple[Shown, str]:
    return await town.browser_sessions.begin(attempt(f"{name}@example.com"))


def counted(town: Town, sessions: BrowserSessions) -> list[int]:
    """Return a list that grows with every unit of work of these sessions."""
    asked: list[int] = []

    def counting() -> UnitOfWork:
        asked.append(1)
        return town.unit_of_work()

    sessions._unit_of_work = counting
    return asked


async def test_a_log_in_gives_a_secret_that_is_kept_as_a_digest_only() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    assert (shown.user.handle, shown.second_factor, len(secret)) == ("ada", False, 43)
    assert secret not in repr(town.people_store.cookies) + repr(shown)
    assert shown.browser.csrf_token not in repr(shown)
    assert await town.browser_sessions.authenticate(secret) == shown.browser


async def test_a_wrong_password_begins_nothing() -> None:
    town = Town()
    await town.sign_up()
    for email in ("ada@example.com", "nobody@example.com"):
        with pytest.raises(CredentialsInvalid):
            await town.browser_sessions.begin(attempt(email, OTHER_PASSWORD))
    assert town.people_store.cookies == {}
    assert town.hasher.verified == ["v2", "v2"]


async def test_a_second_factor_is_asked_for_and_told() -> None:
    town = Town()
    await town.sign_up()
    shown, _ = await entered(town)
    secret, _ = await town.turn_on(shown.browser.principal)
    town.pass_time(seconds=60)
    with pytest.raises(SecondFactorRequired):
        await entered(town)
    otp = code_at(secret, town.clock.now)
    shown, _ = await town.browser_sessions.begin(attempt("ada@example.com", otp=otp))
    assert shown.second_factor is True
    assert (await town.browser_sessions.show(shown.browser)).second_factor is True


async def test_a_cookie_that_is_known_costs_no_question_for_a_minute() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)
    asked = counted(town, town.browser_sessions)
    await town.revocations.refresh()
    for _ in range(100):
        await town.browser_sessions.authenticate(secret)
    assert len(asked) == 0
    town.pass_time(seconds=60)
    await town.revocations.refresh()
    for _ in range(100):
        await town.browser_sessions.authenticate(secret)
    assert len(asked) == 1


async def test_another_process_asks_once() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    revocations = town._revocations()
    await revocations.refresh()
    there = town.browser_process(revocations)
    asked = counted(town, there)
    found = [await there.authenticate(secret) for _ in range(10)]
    assert {browser.principal for browser in found} == {shown.browser.principal}
    assert {browser.csrf_token for browser in found} == {shown.browser.csrf_token}
    assert len(asked) == 1


async def test_a_session_ends_when_nobody_uses_it() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)
    town.pass_time(minutes=29)
    await town.browser_sessions.authenticate(secret)
    town.pass_time(minutes=29)
    await town.browser_sessions.authenticate(secret)
    town.pass_time(minutes=31)
    for _ in range(2):
        with pytest.raises(SessionRevoked):
            await town.browser_sessions.authenticate(secret)


async def test_a_session_ends_after_twelve_hours_however_much_it_is_used() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    begun = shown.browser.expires_at - timedelta(minutes=30)
    for _ in range(47):
        town.pass_time(minutes=15)
        browser = await town.browser_sessions.authenticate(secret)
    assert browser.expires_at == begun + timedelta(hours=12)
    town.pass_time(minutes=15)
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(secret)


async def test_use_in_one_process_keeps_it_alive_in_another() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)
    there = town.browser_process()
    await there.authenticate(secret)
    for _ in range(4):
        town.pass_time(minutes=20)
        await town.browser_sessions.authenticate(secret)
    await there.authenticate(secret)


async def test_a_session_that_was_ended_is_refused_here_at_once() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    await town.log_in.log_out(shown.browser.principal)
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(secret)


async def test_and_in_another_process_with_its_next_refresh() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    revocations = town._revocations()
    there = town.browser_process(revocations)
    await revocations.refresh()
    await there.authenticate(secret)
    await town.log_in.log_out(shown.browser.principal)
    await there.authenticate(secret)
    town.pass_time(seconds=1)
    await revocations.refresh()
    with pytest.raises(SessionRevoked):
        await there.authenticate(secret)
    # Long after the revocation is forgotten, the database still knows.
    town.pass_time(minutes=20)
    await revocations.refresh()
    with pytest.raises(SessionRevoked):
        await there.authenticate(secret)


async def test_sessions_by_cookie_and_by_token_are_one_list() -> None:
    town = Town()
    await town.sign_up()
    shown, secret = await entered(town)
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    listed = {session.id for session in await town.log_in.sessions(ada)}
    assert listed == {ada.session_id, shown.browser.principal.session_id}
    await town.log_in.revoke(ada, shown.browser.principal.session_id)
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(secret)


async def test_a_new_log_in_has_a_new_secret_and_ends_the_one_the_browser_had() -> None:
    town = Town()
    await town.sign_up()
    _, first = await entered(town)
    shown, second = await town.browser_sessions.begin(attempt("ada@example.com"), first)
    assert first != second
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(first)
    assert await town.browser_sessions.authenticate(second) == shown.browser


async def test_a_cookie_that_was_put_there_by_somebody_else_is_never_taken_on() -> None:
    town = Town()
    await town.sign_up()
    planted = "p" * 43
    _, secret = await town.browser_sessions.begin(attempt("ada@example.com"), planted)
    assert secret != planted
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(planted)


async def test_a_failed_log_in_leaves_the_session_that_the_browser_had() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)
    with pytest.raises(CredentialsInvalid):
        await town.browser_sessions.begin(attempt("ada@example.com", OTHER_PASSWORD), secret)
    await town.browser_sessions.authenticate(secret)


async def test_a_new_password_ends_it() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    await town.credentials.change_password(ada, PASSWORD, OTHER_PASSWORD)
    with pytest.raises(SessionRevoked):
        await town.browser_sessions.authenticate(secret)


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "x" * 5000, "\ud800" * 43, "\u00e9" * 43])
async def test_what_is_no_cookie_of_ours_is_refused(secret: str) -> None:
    with pytest.raises(SessionRevoked):
        await Town().browser_sessions.authenticate(secret)


async def test_in_an_outage_a_cookie_that_must_be_asked_for_lets_nobody_in() -> None:
    town = Town()
    await town.sign_up()
    _, secret = await entered(town)

    def unreachable() -> UnitOfWork:
        raise Interrupted

    there = town.browser_process()
    there._unit_of_work = unreachable
    with pytest.raises(Interrupted):
        await there.authenticate(secret)


async def test_the_oldest_of_too_many_is_forgotten_and_asked_for_again() -> None:
    town = Town()
    await town.sign_up()
    secrets = [(await entered(town))[1] for _ in range(3)]
    revocations = town._revocations()
    await revocations.refresh()
    there = BrowserSessions(
        unit_of_work=town.unit_of_work,
        entrance=town.entrance(revocations),
        revocations=revocations,
        clock=town.clock,
        new_secret=town.new_secret,
        cache_size_max=2,
    )
    asked = counted(town, there)
    for secret in (*secrets, secrets[2], secrets[1]):
        await there.authenticate(secret)
    assert len(asked) == 3
    await there.authenticate(secrets[0])
    assert len(asked) == 4


async def test_whoever_has_left_is_shown_nothing() -> None:
    town = Town()
    await town.sign_up()
    shown, _ = await entered(town)
    await town.people.close(shown.browser.principal, PASSWORD)
    with pytest.raises(AccountClosed):
        await town.browser_sessions.show(shown.browser)


# The CSRF token.


def test_the_csrf_token_follows_from_the_secret_and_tells_nothing_of_it() -> None:
    assert csrf_token_of("a" * 43) == csrf_token_of("a" * 43)
    assert csrf_token_of("a" * 43) != csrf_token_of("b" * 43)
    # HMAC-SHA-256 of "wallet-csrf-v1", by `openssl dgst -sha256 -mac HMAC`.
    assert csrf_token_of("a" * 43) == "yMOuib5wSsz8fQDzx1g5OmWJ6abW1U6WU_Ug8XhWIVA"


async def test_only_the_sessions_own_csrf_token_is_accepted() -> None:
    town = Town()
    await town.sign_up()
    one, two = (await entered(town))[0].browser, (await entered(town))[0].browser
    assert one.accepts(one.csrf_token)
    for other in (two.csrf_token, "", one.csrf_token[:-1], one.csrf_token + "=", "\u00e9\ud800"):
        assert not one.accepts(other)


# Tickets.


async def issued(town: Town) -> tuple[Browser, str]:
    shown, _ = await entered(town)
    browser = shown.browser
    return browser, await town.live_tickets.issue(browser.principal, browser.expires_at)


async def test_a_ticket_opens_one_stream_for_as_long_as_the_session_lasts() -> None:
    town = Town()
    await town.sign_up()
    browser, ticket = await issued(town)
    assert ticket not in repr(town.people_store.tickets)
    assert await town.live_tickets.redeem(ticket) == (browser.principal, browser.expires_at)
    with pytest.raises(TicketInvalid):
        await town.live_tickets.redeem(ticket)


async def test_of_one_ticket_used_at_once_one_opens_a_stream() -> None:
    town = Town()
    await town.sign_up()
    _, ticket = await issued(town)
    results = await asyncio.gather(
        *(town.live_tickets.redeem(ticket) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(result, TicketInvalid) for result in results) == 4


async def test_a_ticket_is_good_for_thirty_seconds() -> None:
    town = Town()
    await town.sign_up()
    _, late = await issued(town)
    town.pass_time(seconds=29)
    _, early = await issued(town)
    town.pass_time(seconds=2)
    with pytest.raises(TicketInvalid):
        await town.live_tickets.redeem(late)
    await town.live_tickets.redeem(early)


async def test_a_ticket_of_a_session_that_has_ended_opens_nothing() -> None:
    town = Town()
    await town.sign_up()
    browser, ticket = await issued(town)
    await town.log_in.log_out(browser.principal)
    with pytest.raises(SessionRevoked):
        await town.live_tickets.redeem(ticket)


@pytest.mark.parametrize("ticket", ["", "x" * 43, "x" * 5000, "\ud800" * 43, "\u00e9" * 43])
async def test_what_is_no_ticket_opens_nothing(ticket: str) -> None:
    with pytest.raises(TicketInvalid):
        await Town().live_tickets.redeem(ticket)


async def test_tickets_are_counted() -> None:
    town = Town()
    await town.sign_up()
    browser, _ = await issued(town)
    for _ in range(119):
        await town.live_tickets.issue(browser.principal, browser.expires_at)
    with pytest.raises(GuardTripped):
        await town.live_tickets.issue(browser.principal, browser.expires_at)
