"""People on PostgreSQL when everything about one account happens at once."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from tests.fakes.second_factors import code_at
from tests.fakes.town import HERE, OTHER_PASSWORD, PASSWORD, Town, attempt

from wallet.application.directory import Recipient
from wallet.application.people import SignUp
from wallet.domain.errors import WalletError
from wallet.domain.sessions import MailTokenInvalid, PasswordWrong, RefreshTokenInvalid
from wallet.domain.transfers import RecipientNotFound
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.guards import PostgresGuards, PostgresLogInDelays
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


@pytest.fixture
def town(postgres_pool: Pool) -> Town:
    return Town(
        unit_of_work=lambda: PostgresUnitOfWork(postgres_pool, acquire_timeout_s=10),
        guards=PostgresGuards(postgres_pool, acquire_timeout_s=10),
        delays=PostgresLogInDelays(postgres_pool, acquire_timeout_s=10),
        new_id=new_id,
        clock=utc_now,
    )


async def outcomes(*work: Awaitable[object]) -> list[str]:
    """Run all at once and return what became of each: a code, or `done`."""
    results = await asyncio.gather(*work, return_exceptions=True)
    unexpected = [r for r in results if isinstance(r, Exception) and not isinstance(r, WalletError)]
    assert unexpected == []
    return [r.code if isinstance(r, WalletError) else "done" for r in results]


async def test_the_whole_life_of_an_account(town: Town) -> None:
    profile = await town.sign_up("ada")
    payer = (await town.sign_up("bob")).user.id
    tokens = await town.enter()
    ada = await town.log_in.authenticate(tokens.access_token)
    tokens = await town.log_in.refresh(tokens.refresh_token, HERE)
    changed = await town.people.update(ada, first_name="Augusta", handle="countess")
    assert changed.wallet_id == profile.wallet_id
    await town.credentials.request_verification(ada)
    await town.background.drain()
    await town.credentials.verify_email(ada, town.mailed_token())
    found = await town.recipients.look_up(payer, Recipient(email="ada@example.com"))
    assert (found.handle, found.first_name, found.initial) == ("countess", "Augusta", "L")
    await town.credentials.change_password(ada, PASSWORD, OTHER_PASSWORD)
    export = await town.people.export(ada)
    assert (list(export.handles), len(export.wallets)) == (["ada", "countess"], 1)
    assert [line async for line in town.people.export_lines(ada)] == []
    with pytest.raises(PasswordWrong):
        await town.people.close(ada, PASSWORD)
    await town.people.close(ada, OTHER_PASSWORD)
    with pytest.raises(RecipientNotFound):
        await town.recipients.find(payer, Recipient(user_id=profile.user.id))
    with pytest.raises(RefreshTokenInvalid):
        await town.log_in.refresh(tokens.refresh_token, HERE)
    assert town.reported == []


async def test_of_many_sign_ups_at_once_one_gets_the_address_and_one_the_handle(
    town: Town,
) -> None:
    def wish(email: str, handle: str) -> SignUp:
        return SignUp("Ada", "Lovelace", f"{email}@example.com", PASSWORD, handle)

    same_email = [town.people.sign_up(wish("ada", f"ada_{n}")) for n in range(8)]
    same_handle = [town.people.sign_up(wish(f"ada{n}", "ada")) for n in range(8)]
    found = await outcomes(*same_email, *same_handle)
    assert sorted(found) == ["done"] * 2 + ["email-taken"] * 7 + ["handle-taken"] * 7


async def test_everything_at_once_meets_no_deadlock(town: Town) -> None:
    await town.sign_up("ada")
    entered = [await town.enter() for _ in range(4)]
    principals = [await town.log_in.authenticate(t.access_token) for t in entered]
    verification = town.mailed_token()
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    reset = town.mailed_token()
    found = await outcomes(
        *(town.credentials.verify_email(principals[0], verification) for _ in range(3)),
        *(town.credentials.reset_password(reset, OTHER_PASSWORD, HERE.address) for _ in range(3)),
        *(town.log_in.refresh(t.refresh_token, HERE) for t in entered for _ in range(2)),
        *(town.log_in.log_out(p) for p in principals),
        *(town.people.update(p, handle=f"ada_{n}") for n, p in enumerate(principals)),
        town.enter(),
    )
    assert "database-unavailable" not in found
    assert found[:3].count("done") <= 1
    assert found[3:6].count("done") == 1
    await town.enter(password=OTHER_PASSWORD)


async def test_no_session_outlives_the_password_it_was_begun_with(town: Town) -> None:
    await town.sign_up("ada")
    for number in range(4):  # As many mails as an hour allows besides that of the sign-up.
        await town.credentials.request_password_reset("ada@example.com", HERE.address)
        await town.background.drain()
        old, new = (PASSWORD, OTHER_PASSWORD) if number % 2 == 0 else (OTHER_PASSWORD, PASSWORD)
        results = await asyncio.gather(
            town.enter(password=old),
            town.credentials.reset_password(town.mailed_token(), new, HERE.address),
            town.enter(password=old),
            return_exceptions=True,
        )
        for result in (results[0], results[2]):
            if not isinstance(result, BaseException):
                with pytest.raises(RefreshTokenInvalid):
                    await town.log_in.refresh(result.refresh_token, HERE)


async def test_of_closings_at_once_one_closes(town: Town) -> None:
    await town.sign_up("ada")
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    found = await outcomes(*(town.people.close(ada, PASSWORD) for _ in range(4)))
    assert found.count("done") == 1
    assert set(found) <= {"done", "account-closed", "password-wrong"}


async def test_a_reset_token_works_once_over_many_connections(town: Town) -> None:
    await town.sign_up("ada")
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    token = town.mailed_token()
    found = await outcomes(
        *(town.credentials.reset_password(token, OTHER_PASSWORD, HERE.address) for _ in range(10))
    )
    assert found.count("done") == 1
    assert found.count(MailTokenInvalid.code) == 9


async def test_of_log_ins_at_once_with_one_code_one_gets_in(town: Town) -> None:
    await town.sign_up("ada")
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    secret, codes = await town.turn_on(ada)
    # The code of now turned it on; that of the next step is good already.
    otp = code_at(secret, utc_now() + timedelta(seconds=30))
    found = await outcomes(*(town.enter(otp=otp) for _ in range(3)))
    assert sorted(found) == ["done"] + ["second-factor-wrong"] * 2
    # Not more of them: two wrong ones may be left of the first, and five are free.
    found = await outcomes(*(town.enter(otp=codes[0]) for _ in range(3)))
    assert sorted(found) == ["done"] + ["second-factor-wrong"] * 2
    found = await outcomes(*(town.enter(otp=code) for code in codes[1:4]))
    assert found == ["done"] * 3
    assert (await town.second_factors.status(ada)).recovery_codes_left == 6


async def test_of_guesses_at_once_at_a_code_five_are_tried(town: Town) -> None:
    await town.sign_up("ada")
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    await town.turn_on(ada)
    found = await outcomes(*(town.enter(otp="x") for _ in range(30)))
    assert sorted(found) == ["log-in-delayed"] * 25 + ["second-factor-wrong"] * 5


async def test_turning_on_twice_at_once_turns_on_once(town: Town) -> None:
    await town.sign_up("ada")
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    made = await town.second_factors.begin(ada, PASSWORD)
    otp = code_at(made.secret, utc_now())
    found = await outcomes(*(town.second_factors.confirm(ada, otp) for _ in range(4)))
    assert sorted(found) == ["done"] + ["second-factor-already-on"] * 3
    assert (await town.second_factors.status(ada)).recovery_codes_left == 10


async def test_everything_about_a_second_factor_at_once_meets_no_deadlock(town: Town) -> None:
    await town.sign_up("ada")
    ada = await town.log_in.authenticate((await town.enter()).access_token)
    _, codes = await town.turn_on(ada)
    found = await outcomes(
        *(town.browser_sessions.begin(attempt("ada@example.com", otp=c)) for c in codes[:2]),
        town.second_factors.replace_codes(ada, PASSWORD, codes[2]),
        town.second_factors.disable(ada, PASSWORD, codes[3]),
        town.credentials.change_password(ada, PASSWORD, OTHER_PASSWORD),
        town.people.close(ada, PASSWORD),
    )
    assert "database-unavailable" not in found
    assert found.count("done") >= 1
