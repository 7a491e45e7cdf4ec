"""Second factors: setting up, logging in with one, recovery codes, and what guessers meet."""

import asyncio
from datetime import timedelta

import pytest
from tests.fakes.second_factors import code_at
from tests.fakes.town import HERE, OTHER_PASSWORD, PASSWORD, Town, attempt

from wallet.application.log_in import Tokens
from wallet.application.second_factor_checks import second_factor_of_staff
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.audit_trail import ActKind
from wallet.domain.back_office import PersonNotFound
from wallet.domain.guards import LogInDelayed
from wallet.domain.second_factors import (
    OneTimeCode,
    OtpWrong,
    RecoveryCode,
    SecondFactorAlreadyOn,
    SecondFactorOff,
    SecondFactorRequired,
    SecondFactorRequiredForStaff,
    SecondFactorWrong,
    otp_of,
)
from wallet.domain.sessions import (
    CredentialsInvalid,
    GrantRefused,
    PasswordWrong,
    Principal,
    SessionRevoked,
)
from wallet.domain.staff import command_line
from wallet.infrastructure.security.keys import SecretInvalid
from wallet.infrastructure.security.one_time_codes import PasslibOneTimeCodes

STEP = timedelta(seconds=30)


class Home:
    """Ada, logged in, with a second factor."""

    def __init__(self, town: Town, ada: Principal, secret: str, codes: list[str]) -> None:
        self.town = town
        self.ada = ada
        self.secret = secret
        self.codes = codes

    def otp(self, steps: int = 0) -> str:
        return code_at(self.secret, self.town.clock.now + steps * STEP)

    async def enter(self, otp: str | None) -> Tokens:
        return await self.town.enter(otp=otp)


async def logged_in(town: Town, name: str = "ada") -> Principal:
    await town.sign_up(name)
    return await town.log_in.authenticate((await town.enter(name)).access_token)


async def home() -> Home:
    town = Town()
    ada = await logged_in(town)
    secret, codes = await town.turn_on(ada)
    # The code that turned it on is used up.
    town.pass_time(seconds=60)
    return Home(town, ada, secret, list(codes))


# Setting up.


async def test_it_counts_once_a_first_code_was_shown() -> None:
    town = Town()
    ada = await logged_in(town)
    made = await town.second_factors.begin(ada, PASSWORD)
    assert (await town.second_factors.status(ada)).enabled_at is None
    await town.enter()
    codes = await town.second_factors.confirm(ada, code_at(made.secret, town.clock.now))
    status = await town.second_factors.status(ada)
    assert status.enabled_at is not None
    assert status.recovery_codes_left == 10
    assert len(set(codes)) == 10
    with pytest.raises(SecondFactorRequired):
        await town.enter()


async def test_what_an_app_takes_in_names_the_person_and_is_a_picture_without_script() -> None:
    town = Town()
    ada = await logged_in(town)
    made = await town.second_factors.begin(ada, PASSWORD)
    assert made.otpauth_uri == (
        f"otpauth://totp/Wallet:ada@example.com?secret={made.secret}&issuer=Wallet"
    )
    assert len(made.secret) == 32
    assert made.qr_svg.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ')
    assert not {"<script", "style=", "href", "class="} & set(made.qr_svg.split())


async def test_the_secret_is_kept_encrypted_and_recovery_codes_as_digests() -> None:
    there = await home()
    store = there.town.people_store
    kept = repr([factor.secret for factor in store.second_factors.values()]) + repr(
        store.recovery_codes
    )
    assert there.secret not in kept
    assert not any(code.replace("-", "") in kept for code in there.codes)
    assert there.secret not in repr(store.second_factors)


async def test_setting_up_takes_the_password() -> None:
    town = Town()
    ada = await logged_in(town)
    with pytest.raises(PasswordWrong):
        await town.second_factors.begin(ada, OTHER_PASSWORD)
    with pytest.raises(SecondFactorOff):
        await town.second_factors.confirm(ada, "123456")


async def test_a_wrong_first_code_turns_nothing_on() -> None:
    town = Town()
    ada = await logged_in(town)
    made = await town.second_factors.begin(ada, PASSWORD)
    for otp in (code_at(made.secret, town.clock.now + 9 * STEP), "0" * 24, "nonsense"):
        with pytest.raises(OtpWrong):
            await town.second_factors.confirm(ada, otp)
    await town.enter()


async def test_what_was_begun_waits_for_half_an_hour() -> None:
    town = Town()
    ada = await logged_in(town)
    made = await town.second_factors.begin(ada, PASSWORD)
    town.pass_time(minutes=30)
    with pytest.raises(SecondFactorOff):
        await town.second_factors.confirm(ada, code_at(made.secret, town.clock.now))


async def test_beginning_again_makes_another_secret_until_it_is_on() -> None:
    town = Town()
    ada = await logged_in(town)
    first = await town.second_factors.begin(ada, PASSWORD)
    second = await town.second_factors.begin(ada, PASSWORD)
    with pytest.raises(OtpWrong):
        await town.second_factors.confirm(ada, code_at(first.secret, town.clock.now))
    await town.second_factors.confirm(ada, code_at(second.secret, town.clock.now))
    with pytest.raises(SecondFactorAlreadyOn):
        await town.second_factors.begin(ada, PASSWORD)
    with pytest.raises(SecondFactorAlreadyOn):
        await town.second_factors.confirm(ada, code_at(second.secret, town.clock.now + STEP))


async def test_turning_it_on_ends_the_sessions_that_were_begun_without_it() -> None:
    town = Town()
    ada = await logged_in(town)
    other = (await town.enter()).access_token
    await town.turn_on(ada)
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(other)
    assert len(await town.log_in.sessions(ada)) == 1


async def test_each_change_is_an_event_and_a_mail() -> None:
    there = await home()
    town = there.town
    await town.second_factors.replace_codes(there.ada, PASSWORD, there.codes[0])
    await town.second_factors.disable(there.ada, PASSWORD, there.otp())
    await town.background.drain()
    assert [event.kind for event in town.books.events][-4:] == [
        "user.second-factor-enabled",
        "user.recovery-code-used",
        "user.recovery-codes-replaced",
        "user.second-factor-disabled",
    ]
    mails = town.mailer.outbox[-4:]
    assert {mail.recipient for mail in mails} == {"ada@example.com"}
    assert [mail.subject for mail in mails] == [
        "The second factor is on",
        "A recovery code was used",
        "New recovery codes",
        "The second factor is off",
    ]
    assert "Codes left: 9." in mails[1].text
    secrets = (there.secret, *there.codes)
    assert not any(secret in mail.text for mail in mails for secret in secrets)


# Logging in.


async def test_logging_in_takes_password_and_code() -> None:
    there = await home()
    with pytest.raises(SecondFactorRequired):
        await there.enter(None)
    with pytest.raises(SecondFactorWrong):
        await there.enter(there.otp(9))
    await there.enter(there.otp())


async def test_nobody_hears_of_a_second_factor_without_the_password() -> None:
    there = await home()
    for otp in (None, there.otp(), there.codes[0]):
        with pytest.raises(CredentialsInvalid):
            await there.town.enter(password=OTHER_PASSWORD, otp=otp)
    assert (await there.town.second_factors.status(there.ada)).recovery_codes_left == 10


@pytest.mark.parametrize("otp", [None, "000000", "nonsense", "right", "recovery"])
async def test_every_way_costs_one_verification_of_a_hash(otp: str | None) -> None:
    there = await home()
    given = {"right": there.otp(), "recovery": there.codes[0]}.get(otp or "", otp)
    for password in (PASSWORD, OTHER_PASSWORD):
        there.town.hasher.verified.clear()
        await asyncio.gather(there.town.enter(password=password, otp=given), return_exceptions=True)
        assert there.town.hasher.verified == ["v2"]
        there.town.hasher.verified.clear()
        await asyncio.gather(
            there.town.enter("nobody", password=password, otp=given), return_exceptions=True
        )
        assert there.town.hasher.verified == ["v2"]


async def test_whoever_has_no_second_factor_may_give_any_code() -> None:
    town = Town()
    await logged_in(town)
    await town.enter(otp="123456")


@pytest.mark.parametrize(
    ("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
async def test_a_code_is_good_one_step_before_and_after_its_own(steps: int, good: bool) -> None:
    there = await home()
    if good:
        await there.enter(there.otp(steps))
    else:
        with pytest.raises(SecondFactorWrong):
            await there.enter(there.otp(steps))


async def test_a_code_is_good_once_and_none_before_it_is_good_after_it() -> None:
    there = await home()
    before, now, after = there.otp(-1), there.otp(), there.otp(1)
    await there.enter(now)
    for otp in (now, before):
        with pytest.raises(SecondFactorWrong):
            await there.enter(otp)
    await there.enter(after)
    with pytest.raises(SecondFactorWrong):
        await there.enter(now)


async def test_the_code_that_turned_it_on_does_not_log_in() -> None:
    town = Town()
    ada = await logged_in(town)
    secret, _ = await town.turn_on(ada)
    with pytest.raises(SecondFactorWrong):
        await town.enter(otp=code_at(secret, town.clock.now))


async def test_of_one_code_sent_at_once_one_gets_in() -> None:
    there = await home()
    results = await asyncio.gather(
        *(there.enter(there.otp()) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == [
        "SecondFactorWrong", "SecondFactorWrong", "SecondFactorWrong", "Tokens",
    ]  # fmt: skip


async def test_codes_are_taken_as_people_type_them() -> None:
    there = await home()
    otp = there.otp()
    await there.enter(f" {otp[:3]} {otp[3:]} ")
    await there.enter(there.codes[0].upper())
    await there.enter(there.codes[1].replace("-", " ").replace("0", "o").replace("1", "l"))


async def test_a_recovery_code_is_good_once() -> None:
    there = await home()
    await there.enter(there.codes[3])
    with pytest.raises(SecondFactorWrong):
        await there.enter(there.codes[3])
    await there.enter(there.codes[4])
    assert (await there.town.second_factors.status(there.ada)).recovery_codes_left == 8


async def test_of_one_recovery_code_sent_at_once_one_gets_in() -> None:
    there = await home()
    results = await asyncio.gather(
        *(there.enter(there.codes[0]) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, Tokens) for result in results) == 1


async def test_new_recovery_codes_are_worth_something_and_the_old_ones_nothing() -> None:
    there = await home()
    new = await there.town.second_factors.replace_codes(there.ada, PASSWORD, there.otp())
    with pytest.raises(SecondFactorWrong):
        await there.enter(there.codes[0])
    await there.enter(new[0])


async def test_codes_of_somebody_else_are_worth_nothing() -> None:
    there = await home()
    eve = await logged_in(there.town, "eve")
    secret, codes = await there.town.turn_on(eve)
    there.town.pass_time(seconds=60)
    for otp in (codes[0], code_at(secret, there.town.clock.now)):
        with pytest.raises(SecondFactorWrong):
            await there.enter(otp)


async def test_five_wrong_codes_are_free_and_then_one_has_to_wait() -> None:
    there = await home()
    for _ in range(5):
        with pytest.raises(SecondFactorWrong):
            await there.enter("000000")
    with pytest.raises(LogInDelayed) as caught:
        await there.enter(there.otp())
    assert caught.value.retry_after_s == 1
    there.town.pass_time(seconds=1)
    with pytest.raises(SecondFactorWrong):
        await there.enter("000000")
    with pytest.raises(LogInDelayed) as caught:
        await there.enter(there.codes[0])
    assert caught.value.retry_after_s == 2
    there.town.pass_time(seconds=60)
    await there.enter(there.otp())


async def test_who_is_guessed_at_is_told_once_in_a_row_of_failures() -> None:
    there = await home()
    town = there.town

    async def told() -> tuple[int, int]:
        await town.background.drain()
        mails = [m for m in town.mailer.outbox if m.subject == "Wrong codes are being tried"]
        kinds = [event.kind for event in town.books.events]
        return len(mails), kinds.count("user.second-factor-guessed")

    async def guess(times: int) -> None:
        for _ in range(times):
            town.pass_time(seconds=60)
            with pytest.raises(SecondFactorWrong):
                await there.enter("000000")

    await guess(4)
    assert await told() == (0, 0)
    await guess(1)
    assert await told() == (1, 1)
    assert town.mailer.outbox[-1].recipient == "ada@example.com"
    assert "5 times in a row" in town.mailer.outbox[-1].text
    await guess(3)
    assert await told() == (1, 1)
    town.pass_time(seconds=60)
    await there.enter(there.otp())
    await guess(5)
    assert await told() == (2, 2)


async def test_a_thousand_guesses_at_once_try_five_codes() -> None:
    there = await home()
    ways = [f"{number:06d}" for number in range(1000) if f"{number:06d}" != there.otp()]
    results = await asyncio.gather(*(there.enter(otp) for otp in ways), return_exceptions=True)
    assert sum(isinstance(result, SecondFactorWrong) for result in results) == 5


async def test_guesses_in_a_session_and_at_the_log_in_are_counted_together() -> None:
    there = await home()
    for _ in range(3):
        with pytest.raises(OtpWrong):
            await there.town.second_factors.disable(there.ada, PASSWORD, "000000")
    for _ in range(2):
        with pytest.raises(SecondFactorWrong):
            await there.enter("000000")
    with pytest.raises(LogInDelayed):
        await there.town.second_factors.replace_codes(there.ada, PASSWORD, there.otp())


async def test_whoever_gives_no_code_guesses_nothing() -> None:
    there = await home()
    for _ in range(20):
        with pytest.raises(SecondFactorRequired):
            await there.enter(None)
    await there.enter(there.otp())


async def test_an_attempt_that_nobody_could_check_is_taken_back() -> None:
    there = await home()
    town = there.town
    entrance = town.log_in._entrance
    good, calls = entrance._unit_of_work, 0

    def flaky() -> UnitOfWork:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise Interrupted
        return good()

    entrance._unit_of_work = flaky
    for _ in range(6):
        with pytest.raises(Interrupted):
            await there.enter("000000")
    entrance._unit_of_work = good
    await there.enter(there.otp())


# Without it.


async def test_taking_it_off_takes_password_and_code() -> None:
    there = await home()
    with pytest.raises(PasswordWrong):
        await there.town.second_factors.disable(there.ada, OTHER_PASSWORD, there.otp())
    with pytest.raises(OtpWrong):
        await there.town.second_factors.disable(there.ada, PASSWORD, "000000")
    await there.town.second_factors.disable(there.ada, PASSWORD, there.otp())
    await there.enter(None)
    status = await there.town.second_factors.status(there.ada)
    assert (status.enabled_at, status.recovery_codes_left) == (None, 0)
    with pytest.raises(SecondFactorOff):
        await there.town.second_factors.disable(there.ada, PASSWORD, there.codes[0])


async def test_whoever_lost_the_device_gets_back_in_by_recovery_codes() -> None:
    there = await home()
    town = there.town
    ada = await town.log_in.authenticate((await there.enter(there.codes[0])).access_token)
    await town.second_factors.disable(ada, PASSWORD, there.codes[1])
    secret, _ = await town.turn_on(ada)
    town.pass_time(seconds=60)
    await there.enter(code_at(secret, town.clock.now))


async def test_a_password_reset_keeps_the_second_factor() -> None:
    there = await home()
    town = there.town
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    await town.credentials.reset_password(town.mailed_token(), OTHER_PASSWORD, HERE.address)
    with pytest.raises(SecondFactorRequired):
        await town.enter(password=OTHER_PASSWORD)
    await town.enter(password=OTHER_PASSWORD, otp=there.otp())


async def test_staff_can_take_it_off_which_ends_all_sessions_and_is_kept() -> None:
    there = await home()
    town = there.town
    tokens = await there.enter(there.otp())
    root = command_line("root")
    await town.second_factors.reset("ADA@example.com", root, "showed a passport")
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(tokens.access_token)
    await there.enter(None)
    await town.background.drain()
    event = town.books.events[-1]
    assert (event.kind, dict(event.facts)) == ("user.second-factor-reset", {})
    act = town.books.acts[-1]
    assert (act.kind, act.actor, act.reason) == (
        ActKind.SECOND_FACTOR_RESET, root, "showed a passport",
    )  # fmt: skip
    assert town.mailer.outbox[-1].subject == "The second factor was taken off"
    with pytest.raises(SecondFactorOff):
        await town.second_factors.reset("ada@example.com", root, "again")
    with pytest.raises(PersonNotFound):
        await town.second_factors.reset("nobody@example.com", root, "nobody")


async def test_nothing_of_it_stays_of_somebody_who_leaves() -> None:
    there = await home()
    await there.town.people.close(there.ada, PASSWORD)
    store = there.town.people_store
    assert (store.second_factors, store.recovery_codes) == ({}, {})


async def test_the_password_grant_is_refused_to_whoever_has_one() -> None:
    there = await home()
    for otp in (None, there.otp()):
        with pytest.raises(GrantRefused):
            await there.town.log_in.log_in(attempt("ada@example.com", otp=otp, alone=True))
    with pytest.raises(CredentialsInvalid):
        await there.town.log_in.log_in(attempt("ada@example.com", OTHER_PASSWORD, alone=True))


# Staff.


async def test_staff_need_one_that_is_on_as_the_database_knows_it_now() -> None:
    there = await home()
    town = there.town
    user = town.people_store.users[there.ada.user_id]

    async def check() -> None:
        async with town.unit_of_work() as work:
            await second_factor_of_staff(work, user, there.ada)

    await check()
    await town.second_factors.disable(there.ada, PASSWORD, there.otp())
    with pytest.raises(SecondFactorRequiredForStaff):
        await check()
    await town.second_factors.begin(there.ada, PASSWORD)
    with pytest.raises(SecondFactorRequiredForStaff):
        await check()


# Keys.


async def test_a_rotated_key_goes_on_opening_what_the_one_before_has_closed() -> None:
    there = await home()
    town = there.town
    old, new = "a key that encrypts second factors", "another key that encrypts them"
    rotated = PasslibOneTimeCodes([new, old])
    town.second_factors._codes = town.second_factor_checks._codes = rotated
    await there.enter(there.otp())
    assert await town.second_factors.encrypt_again() == 0  # Its use had done so already.
    alone = PasslibOneTimeCodes([new])
    town.second_factors._codes = town.second_factor_checks._codes = alone
    await there.enter(there.otp(1))


async def test_all_secrets_can_be_encrypted_again_at_once() -> None:
    there = await home()
    town = there.town
    await town.turn_on(await logged_in(town, "eve"))
    old, new = "a key that encrypts second factors", "another key that encrypts them"
    town.second_factors._codes = PasslibOneTimeCodes([new, old])
    assert await town.second_factors.encrypt_again() == 2
    assert await town.second_factors.encrypt_again() == 0
    town.second_factor_checks._codes = PasslibOneTimeCodes([new])
    await there.enter(there.otp())


async def test_a_key_that_is_missing_is_named() -> None:
    there = await home()
    there.town.second_factor_checks._codes = PasslibOneTimeCodes(["quite another key than that"])
    with pytest.raises(SecretInvalid, match="WALLET_PREVIOUS_SECOND_FACTOR_KEY"):
        await there.enter(there.otp())


# What is typed.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("123456", OneTimeCode("123456")),
        (" 123-456 ", OneTimeCode("123456")),
        ("7M2K-0Q9X-C3VA-88TP-ZN4E-51WD", RecoveryCode("7m2k0q9xc3va88tpzn4e51wd")),
        ("7m2k oq9x c3va 88tp zn4e 5iwd", RecoveryCode("7m2k0q9xc3va88tpzn4e51wd")),
        ("12345", None),
        ("1234567", None),
        ("\u0661\u0662\u0663\u0664\u0665\u0666", None),
        ("12\u00b2456", None),
        ("u" * 24, None),
        ("", None),
        ("0" * 64, None),
    ],
)  # fmt: skip
def test_what_is_typed_is_one_of_two_things_or_nothing(text: str, found: object) -> None:
    assert otp_of(text) == found


def test_a_recovery_code_is_written_in_groups_and_holds_all_its_bits() -> None:
    assert RecoveryCode.of_number(0).shown == "0000-0000-0000-0000-0000-0000"
    assert RecoveryCode.of_number(2**120 - 1).shown == "zzzz-zzzz-zzzz-zzzz-zzzz-zzzz"
    assert RecoveryCode.of_number(2**119).text == "0" * 23 + "g"
    assert "zzzz" not in repr(RecoveryCode.of_number(2**120 - 1))
