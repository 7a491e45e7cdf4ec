"""People: names, addresses, handles, sign-up, profile, recipients, and leaving."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.ledger import MemoryHistory
from tests.fakes.town import HERE, OTHER_PASSWORD, PASSWORD, Town, owner

from wallet.application.directory import Recipient
from wallet.application.people import SignUp
from wallet.domain.errors import Invalid, Throttled
from wallet.domain.guards import GuardTripped, delay_s, subject_of_address
from wallet.domain.history import Page
from wallet.domain.ids import uuid7
from wallet.domain.sessions import (
    MailTokenInvalid,
    PasswordWrong,
    Principal,
    SessionRevoked,
    user_agent_of,
)
from wallet.domain.transfers import RecipientAmbiguous, RecipientNotFound
from wallet.domain.users import (
    FORMER_NAME,
    AccountClosed,
    EmailAlreadyVerified,
    EmailInvalid,
    EmailTaken,
    HandleInvalid,
    HandleLimitReached,
    HandleReserved,
    HandleTaken,
    NameInvalid,
    Role,
    as_seen_by_payers,
    email_of,
    handle_of,
    name_of,
)
from wallet.domain.wallets import WalletNotEmpty


async def principal(town: Town, name: str = "ada") -> Principal:
    return await town.log_in.authenticate((await town.enter(name)).access_token)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada  ", "Ada"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("O'Brien-Núñez", "O'Brien-Núñez"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",) * 2,
        ("李", "李"),
        ("x" * 100, "x" * 100),
    ],
)
def test_a_name_is_kept_trimmed_and_composed(text: str, name: str) -> None:
    assert name_of(text, "first_name") == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "x" * 101,
        "A\x00da",
        "A\nda",
        "A\u202eda",
        "A\u2066da",
        "A\u2028da",
        "\u200d",
        "\ue000",
    ],
)
def test_a_name_that_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(NameInvalid) as caught:
        name_of(text, "last_name")
    assert caught.value.facts["field"] == "last_name"


def test_an_email_address_is_compared_in_lower_case() -> None:
    assert email_of(" Ada.Lovelace@Example.COM ") == "ada.lovelace@example.com"


@pytest.mark.parametrize(
    "text",
    ["", "ada", "@example.com", "ada@", "a@b@c", "a da@example.com", "ada\x00@example.com",
     "ädä@example.com", "a" * 250 + "@b.org"],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(EmailInvalid):
        email_of(text)


@pytest.mark.parametrize("text", ["ada", "ADA_99", "a23", "a" * 30])
def test_a_handle_is_kept_in_lower_case(text: str) -> None:
    assert handle_of(text) == text.lower()


@pytest.mark.parametrize("text", ["", "ab", "a" * 31, "1ada", "_ada", "a-da", "ada\n", "\u0430da"])
def test_what_is_no_handle_is_refused(text: str) -> None:
    with pytest.raises(HandleInvalid):
        handle_of(text)


@pytest.mark.parametrize("text", ["admin", "Support", "wallet"])
def test_handles_that_look_official_are_reserved(text: str) -> None:
    with pytest.raises(HandleReserved):
        handle_of(text)


def test_only_staff_roles_are_staff() -> None:
    assert [role for role in Role if role.is_staff] == [Role.SUPPORT, Role.AUDITOR, Role.ADMIN]


def test_a_uuid_of_version_7_carries_its_time_and_randomness() -> None:
    made = uuid7(0x017F22E279B0, bytes.fromhex("ffffffffffffffffffff"))
    assert str(made) == "017f22e2-79b0-7fff-bfff-ffffffffffff"
    assert str(uuid7(0, bytes(10))) == "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(("now_ms", "random"), [(-1, bytes(10)), (1 << 48, bytes(10)), (0, b"x")])
def test_a_uuid_needs_a_time_that_fits_and_ten_bytes(now_ms: int, random: bytes) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        uuid7(now_ms, random)


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "unknown"),
    ],
)
def test_guards_count_ipv6_by_network(address: str, subject: str) -> None:
    assert subject_of_address(address) == subject


def test_five_failures_are_free_and_then_the_delay_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [delay_s(n) for n in range(1, 9)] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert delay_s(14) == 512
    assert delay_s(15) == delay_s(10**6) == 900


@pytest.mark.parametrize(
    ("text", "shown"),
    [(None, None), ("", None), ("curl/8\r\n\x00", "curl/8"), ("x" * 300, "x" * 200)],
)
def test_user_agents_are_cut_to_what_can_be_shown(text: str | None, shown: str | None) -> None:
    assert user_agent_of(text) == shown


async def test_signing_up_makes_a_person_with_a_default_wallet_and_mails_a_token() -> None:
    town = Town()
    profile = await town.sign_up()
    assert (profile.user.email, profile.user.handle) == ("ada@example.com", "ada")
    assert profile.user.email_verified_at is None
    assert town.books.wallets == {(profile.user.id, "USD"): profile.wallet_id}
    assert [event.kind for event in town.books.events] == ["wallet.opened", "user.signed-up"]
    assert town.mailer.outbox[0].recipient == "ada@example.com"
    assert town.mailed_token() in town.mailer.outbox[0].text
    assert "secret" not in repr(town.people_store.mail_tokens)


async def test_a_taken_email_address_or_handle_leaves_nothing_behind() -> None:
    town = Town()
    await town.sign_up()
    before = (len(town.people_store.users), len(town.books.wallets), len(town.books.events))
    wish = SignUp("Eve", "Smith", "ADA@example.com", PASSWORD, "eve")
    with pytest.raises(EmailTaken):
        await town.people.sign_up(wish)
    with pytest.raises(HandleTaken):
        await town.people.sign_up(SignUp("Eve", "Smith", "eve@example.com", PASSWORD, "ADA"))
    assert before == (
        len(town.people_store.users), len(town.books.wallets), len(town.books.events)
    )  # fmt: skip
    assert "eve" not in town.people_store.handles


async def test_a_mail_server_that_is_down_does_not_stop_a_sign_up() -> None:
    town = Town()
    town.mailer.broken = True
    await town.sign_up()
    assert [type(error) for error in town.reported] == [ConnectionRefusedError]


async def test_sign_ups_are_counted_by_address() -> None:
    town = Town()
    for number in range(60):
        await town.sign_up(f"ada{number}")
    with pytest.raises(GuardTripped) as caught:
        await town.sign_up("ada60")
    assert caught.value.facts == {"guard": "sign-up"}
    town.pass_time(minutes=1)
    await town.sign_up("ada61")


async def test_a_profile_can_be_changed_in_part() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    changed = await town.people.update(ada, first_name=" Augusta ")
    assert (changed.user.first_name, changed.user.last_name) == ("Augusta", "Lovelace")
    assert (await town.people.me(ada)).user == changed.user
    with pytest.raises(Invalid):
        await town.people.update(ada, last_name="\n")


async def test_a_freed_handle_comes_back_only_to_whoever_had_it() -> None:
    town = Town()
    await town.sign_up("ada")
    await town.sign_up("eve")
    ada, eve = await principal(town, "ada"), await principal(town, "eve")
    await town.people.update(ada, handle="countess")
    with pytest.raises(HandleTaken):
        await town.people.update(eve, handle="ada")
    assert (await town.people.update(ada, handle="Ada")).user.handle == "ada"
    with pytest.raises(HandleTaken):
        await town.people.update(eve, handle="countess")


async def test_nobody_may_collect_handles() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    for number in range(4):
        await town.people.update(ada, handle=f"ada_{number}")
    with pytest.raises(HandleLimitReached):
        await town.people.update(ada, handle="ada_5")
    await town.people.update(ada, handle="ada_0")


async def test_a_payer_sees_handle_first_name_and_initial_only() -> None:
    town = Town()
    profile = await town.sign_up()
    seen = as_seen_by_payers(profile.user)
    assert (seen.handle, seen.first_name, seen.initial) == ("ada", "Ada", "L")


async def test_recipients_are_found_by_id_handle_and_verified_address_only() -> None:
    town = Town()
    await town.sign_up("bob")
    profile = await town.sign_up("ada")
    payer = (await principal(town, "bob")).user_id
    assert await town.recipients.find(payer, Recipient(user_id=profile.user.id)) == profile.user.id
    assert await town.recipients.find(payer, Recipient(handle="ADA")) == profile.user.id
    with pytest.raises(RecipientNotFound):
        await town.recipients.find(payer, Recipient(email="ada@example.com"))
    await town.credentials.verify_email(owner(profile), town.mailed_token())
    assert await town.recipients.find(payer, Recipient(email="Ada@example.com")) == profile.user.id
    assert (await town.recipients.look_up(payer, Recipient(handle="ada"))).first_name == "Ada"


@pytest.mark.parametrize(
    "recipient",
    [Recipient(user_id=UUID(int=7)), Recipient(email="no@example.com"), Recipient(email="x"),
     Recipient(handle="nobody_here"), Recipient(handle="!")],
)  # fmt: skip
async def test_an_unknown_recipient_is_not_found(recipient: Recipient) -> None:
    with pytest.raises(RecipientNotFound):
        await Town().recipients.find(UUID(int=1), recipient)


@pytest.mark.parametrize("recipient", [Recipient(), Recipient(email="a@b.org", handle="ada")])
async def test_a_recipient_is_named_in_exactly_one_way(recipient: Recipient) -> None:
    with pytest.raises(RecipientAmbiguous):
        await Town().recipients.find(UUID(int=1), recipient)


async def test_after_thirty_misses_even_a_hit_is_not_told() -> None:
    town = Town()
    await town.sign_up()
    payer = UUID(int=1)
    for number in range(30):
        with pytest.raises(RecipientNotFound):
            await town.recipients.find(payer, Recipient(handle=f"guess{number}"))
    with pytest.raises(Throttled):
        await town.recipients.find(payer, Recipient(handle="ada"))
    await town.recipients.find(UUID(int=2), Recipient(handle="ada"))
    town.pass_time(hours=1)
    await town.recipients.find(payer, Recipient(handle="ada"))


async def test_closing_erases_the_person_and_frees_the_address_but_not_the_handle() -> None:
    town = Town()
    profile = await town.sign_up(verified=True)
    tokens = await town.enter()
    ada = await town.log_in.authenticate(tokens.access_token)
    await town.people.close(ada, PASSWORD)
    closed = town.people_store.users[profile.user.id]
    assert (closed.first_name, closed.last_name) == (FORMER_NAME, "")
    assert (closed.email, closed.handle, closed.password_hash) == (None, None, None)
    assert town.books.accounts[profile.wallet_id or UUID(int=0)].closed
    with pytest.raises(SessionRevoked):
        await town.log_in.authenticate(tokens.access_token)
    with pytest.raises(RecipientNotFound):
        await town.recipients.find(UUID(int=1), Recipient(user_id=profile.user.id))
    again = SignUp("Ada", "Byron", "ada@example.com", PASSWORD, "ada")
    with pytest.raises(HandleTaken):
        await town.people.sign_up(again)
    await town.people.sign_up(SignUp("Ada", "Byron", "ada@example.com", PASSWORD))


async def test_closing_needs_the_password_and_empty_wallets() -> None:
    town = Town()
    profile = await town.sign_up()
    ada = await principal(town)
    with pytest.raises(PasswordWrong):
        await town.people.close(ada, OTHER_PASSWORD)
    town.books.accounts[profile.wallet_id or UUID(int=0)].posted = 1
    with pytest.raises(WalletNotEmpty):
        await town.people.close(ada, PASSWORD)
    assert (await town.people.me(ada)).user.email == "ada@example.com"


async def test_whoever_has_left_can_do_nothing_more() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    await town.people.close(ada, PASSWORD)
    for attempt in (
        town.people.me(ada),
        town.people.update(ada, first_name="Eve"),
        town.people.close(ada, PASSWORD),
        town.people.export(ada),
        town.credentials.request_verification(ada),
        town.credentials.change_password(ada, PASSWORD, OTHER_PASSWORD),
    ):
        with pytest.raises(AccountClosed):
            await attempt


async def test_an_export_holds_everything_about_the_person_and_no_hash() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    await town.people.update(ada, handle="countess")
    export = await town.people.export(ada)
    assert export.handles == ["ada", "countess"]
    assert [session.user_agent for session in export.sessions] == ["pytest"]
    assert [wallet.currency for wallet in export.wallets] == ["USD"]
    assert [line async for line in town.people.export_lines(ada)] == []
    assert "v2$" not in repr(export)


async def test_an_export_walks_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    wallet_id = UUID(int=9)
    asked: list[object] = []

    async def page(
        self: object, owner_id: UUID, *, before_versions: Mapping[UUID, int] | None, limit: int
    ) -> Page:
        asked.append(before_versions)
        lines: list[Any] = [f"line {len(asked)}"]
        return Page(lines, {wallet_id: 7} if len(asked) == 1 else None)

    monkeypatch.setattr(MemoryHistory, "page", page)
    found: list[Any] = [line async for line in town.people.export_lines(ada)]
    assert found == ["line 1", "line 2"]
    assert asked == [None, {wallet_id: 7}]


async def test_changing_nothing_writes_nothing() -> None:
    town = Town()
    profile = await town.sign_up()
    ada = await principal(town)
    events = len(town.books.events)
    assert await town.people.update(ada, first_name="Ada", handle="ADA") == profile
    assert len(town.books.events) == events


async def test_a_mailed_token_is_bound_to_the_address_it_went_to() -> None:
    town = Town()
    profile = await town.sign_up()
    verification = town.mailed_token()
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    user = town.people_store.users[profile.user.id]
    town.people_store.users[user.id] = replace(user, email="new@example.com")
    town.people_store.emails = {"new@example.com": user.id}
    with pytest.raises(MailTokenInvalid):
        await town.credentials.verify_email(owner(profile), verification)
    with pytest.raises(MailTokenInvalid):
        await town.credentials.reset_password(town.mailed_token(), OTHER_PASSWORD, HERE.address)


async def test_an_address_that_changes_during_a_reset_ends_it() -> None:
    town = Town()
    profile = await town.sign_up()
    await town.credentials.request_password_reset("ada@example.com", HERE.address)
    await town.background.drain()
    hash_password = town.hasher.hash

    async def slowly(password: str) -> str:
        user = town.people_store.users[profile.user.id]
        town.people_store.users[user.id] = replace(user, email="new@example.com")
        return await hash_password(password)

    town.hasher.hash = slowly  # type: ignore[method-assign]
    with pytest.raises(MailTokenInvalid):
        await town.credentials.reset_password(town.mailed_token(), OTHER_PASSWORD, HERE.address)


async def test_a_verification_token_works_once_and_for_thirty_minutes() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    first = town.mailed_token()
    town.pass_time(minutes=30)
    with pytest.raises(MailTokenInvalid):
        await town.credentials.verify_email(ada, first)
    await town.credentials.request_verification(ada)
    await town.background.drain()
    second = town.mailed_token()
    with pytest.raises(MailTokenInvalid):
        await town.credentials.reset_password(second, OTHER_PASSWORD, HERE.address)
    await town.credentials.verify_email(ada, second)
    with pytest.raises(MailTokenInvalid):
        await town.credentials.verify_email(ada, second)
    with pytest.raises(EmailAlreadyVerified):
        await town.credentials.request_verification(ada)


async def test_nobody_gets_more_than_five_mails_an_hour_the_sign_up_s_included() -> None:
    town = Town()
    await town.sign_up()
    ada = await principal(town)
    for _ in range(4):
        await town.credentials.request_verification(ada)
    with pytest.raises(GuardTripped):
        await town.credentials.request_verification(ada)
