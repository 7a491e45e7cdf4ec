"""API keys: their secrets, who gets in with them, and for how long."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.fakes.town import Town, owner

from wallet.application.api_keys import ApiKeyWish, NewApiKey, SpendingWish
from wallet.application.directory import Recipient
from wallet.application.key_authentication import NEVER, KeyAuthentication
from wallet.application.limits import DEFAULT_LIMITS
from wallet.application.people import Profile
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.api_keys import (
    API_KEYS_MAX,
    SECRETS_MAX,
    ApiKeyInvalid,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    ApiKeyNotLive,
    ExpiryInvalid,
    InsufficientScope,
    Scope,
    ScopesInvalid,
    check_scopes,
    hint_of,
    is_well_formed,
    secret_digest,
    secret_of,
)
from wallet.domain.errors import WalletError
from wallet.domain.guards import Guard, GuardTripped
from wallet.domain.money import AmountOutOfRange, UnknownCurrency
from wallet.domain.spending import ApiKeyExpired, ApiKeyRevoked, Interval
from wallet.domain.transfers import RecipientNotFound
from wallet.domain.users import AccountClosed, NameInvalid
from wallet.domain.wallets import WalletNotFound

MANY = DEFAULT_LIMITS._replace(api_key=Guard("api-key", 10_000, 3600))


# Secrets.


@pytest.mark.parametrize("random", [bytes(32), bytes(31) + b"\x01", b"\xff" * 32])
def test_a_secret_has_a_prefix_43_characters_and_a_check_sum(random: bytes) -> None:
    secret = secret_of(random)
    assert re.fullmatch(r"wk_[0-9A-Za-z]{49}", secret)
    assert is_well_formed(secret)
    assert secret.endswith(hint_of(secret))
    assert len(hint_of(secret)) == 4


def test_a_secret_and_its_digest_are_the_same_for_ever() -> None:
    # Written out, because scanners for leaked secrets must be able to rely on the check sum.
    assert secret_of(bytes(32)) == "wk_" + "0" * 43 + "3gLqtj"
    assert secret_of(bytes(range(32))) == ("wk_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf4Axo1P")
    assert secret_digest("wk_" + "0" * 43 + "3gLqtj").hex() == (
        "26e28c4fe74021e676da3131d6356801179aee443e97eb3e0f763b471441af6b"
    )


def test_every_wrong_character_is_told_by_the_check_sum() -> None:
    secret = secret_of(bytes(range(32)))
    for place in range(len(secret)):
        for character in "0Zz_-":
            wrong = secret[:place] + character + secret[place + 1 :]
            assert is_well_formed(wrong) == (wrong == secret)


@pytest.mark.parametrize("text", ["", "wk_", "wk_" + "0" * 48, "wk_" + "0" * 50, "xk_" + "é" * 49])
def test_what_does_not_look_like_a_secret_is_none(text: str) -> None:
    assert not is_well_formed(text)


def test_scopes_come_in_one_order_and_once() -> None:
    given = [Scope.TRANSFERS_WRITE, Scope.WALLETS_READ, Scope.TRANSFERS_WRITE]
    assert check_scopes(given, spends=False) == ("wallets:read", "transfers:write")


@pytest.mark.parametrize(
    "scopes",
    [
        [Scope.WALLETS_READ],
        [Scope.TRANSFERS_WRITE, Scope.TOPUPS_WRITE],
        [Scope.TRANSFERS_WRITE, Scope.WALLETS_WRITE],
    ],
)
def test_a_spending_key_pays_and_reads_and_nothing_else(scopes: list[Scope]) -> None:
    with pytest.raises(ScopesInvalid):
        check_scopes(scopes, spends=True)
    assert check_scopes([Scope.TRANSFERS_WRITE, Scope.WALLETS_READ], spends=True)


# Keeping.


def wish(**changes: object) -> ApiKeyWish:
    return replace(ApiKeyWish("Till", [Scope.WALLETS_READ]), **changes)  # type: ignore[arg-type]


def spending_wish(**changes: object) -> ApiKeyWish:
    rule = replace(SpendingWish("USD", 100), **changes)  # type: ignore[arg-type]
    return ApiKeyWish("Till", [Scope.TRANSFERS_WRITE], spending=rule)


async def ada(town: Town) -> Profile:
    return await town.sign_up("ada")


async def made(town: Town, profile: Profile, given: ApiKeyWish | None = None) -> NewApiKey:
    return await town.api_keys.create(owner(profile), given or wish())


async def test_a_key_stands_for_its_owner_with_its_scopes() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    principal = await town.log_in.authenticate(new.secret)
    assert principal.user_id == profile.user.id
    assert principal.grant is not None
    assert principal.grant.api_key_id == new.key.id
    assert principal.grant.scopes == {"wallets:read"}
    assert principal.spending_key_id is None
    with pytest.raises(InsufficientScope) as caught:
        principal.grant.require(Scope.TRANSFERS_WRITE)
    assert caught.value.facts["scope"] == "transfers:write"


async def test_a_spending_key_is_known_as_one() -> None:
    town = Town()
    new = await made(town, await ada(town), spending_wish())
    principal = await town.log_in.authenticate(new.secret)
    assert principal.spending_key_id == new.key.id


async def test_nothing_that_is_kept_or_shown_again_holds_the_secret() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    stored = repr(vars(town.people_store.api_keys)) + repr(town.books.events)
    assert new.secret not in stored
    assert new.secret not in repr(new)
    assert new.secret not in repr(await town.api_keys.get(owner(profile), new.key.id))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (wish(name=" "), NameInvalid),
        (wish(name="a\u202eb"), NameInvalid),
        (wish(name="x" * 101), NameInvalid),
        (spending_wish(currency="XXQ"), UnknownCurrency),
        (spending_wish(currency="EUR"), WalletNotFound),
        (spending_wish(budget=0), AmountOutOfRange),
        (spending_wish(budget=10**15 + 1), AmountOutOfRange),
        (spending_wish(per_payment_max=0), AmountOutOfRange),
        (spending_wish(payees=[Recipient(handle="nobody")]), RecipientNotFound),
        (spending_wish(payees=[Recipient(user_id=UUID(int=9))]), RecipientNotFound),
    ],
)
async def test_what_cannot_be_is_refused_and_leaves_nothing(
    given: ApiKeyWish, error: type[WalletError]
) -> None:
    town = Town()
    profile = await ada(town)
    with pytest.raises(error):
        await made(town, profile, given)
    assert town.people_store.api_keys.keys == {}
    assert town.books.spendings == {}


async def test_a_key_expires_in_the_future_or_is_not_made() -> None:
    town = Town()
    profile = await ada(town)
    with pytest.raises(ExpiryInvalid):
        await made(town, profile, wish(expires_at=town.clock.now))


async def test_payees_are_whom_their_names_mean_today_each_once() -> None:
    town = Town()
    profile, bob = await ada(town), await town.sign_up("bob")
    payees = [Recipient(handle="bob"), Recipient(user_id=bob.user.id), Recipient(handle="BOB")]
    new = await made(town, profile, spending_wish(payees=payees))
    assert new.key.spending is not None
    assert new.key.spending.rule.payee_ids == (bob.user.id,)


async def test_a_person_has_at_most_fifty_keys_and_revoking_one_makes_room() -> None:
    town = Town(MANY)
    profile = await ada(town)
    keys = [await made(town, profile) for _ in range(API_KEYS_MAX - 1)]
    soon = town.clock.now + timedelta(hours=1)
    await made(town, profile, wish(expires_at=soon))
    with pytest.raises(ApiKeyLimitReached):
        await made(town, profile)
    await town.api_keys.revoke(owner(profile), keys[0].key.id)
    await made(town, profile)
    with pytest.raises(ApiKeyLimitReached):
        await made(town, profile)
    # One that has expired does not count.
    town.pass_time(hours=2)
    await made(town, profile)


async def test_making_and_rotating_are_counted_together() -> None:
    town = Town(DEFAULT_LIMITS._replace(api_key=Guard("api-key", 3, 3600)))
    profile = await ada(town)
    new = await made(town, profile)
    await made(town, profile)
    await town.api_keys.rotate(owner(profile), new.key.id, timedelta())
    with pytest.raises(GuardTripped):
        await town.api_keys.rotate(owner(profile), new.key.id, timedelta())
    with pytest.raises(GuardTripped):
        await made(town, profile)


async def test_keys_are_paged_newest_first() -> None:
    town = Town()
    profile = await ada(town)
    await made(town, await town.sign_up("eve"))
    ids = [(await made(town, profile)).key.id for _ in range(5)][::-1]
    found = []
    before = None
    while True:
        keys, before = await town.api_keys.page(owner(profile), before=before, limit=2)
        found.append([key.id for key in keys])
        if before is None:
            break
    assert found == [ids[:2], ids[2:4], ids[4:]]


async def test_somebody_elses_key_is_not_there() -> None:
    town = Town()
    new = await made(town, await ada(town))
    eve = owner(await town.sign_up("eve"))
    for attempt in (
        town.api_keys.get(eve, new.key.id),
        town.api_keys.rotate(eve, new.key.id, timedelta()),
        town.api_keys.revoke(eve, new.key.id),
    ):
        with pytest.raises(ApiKeyNotFound):
            await attempt
    await town.log_in.authenticate(new.secret)


# Getting in.


async def test_a_revoked_key_is_refused_at_once_here_and_soon_elsewhere() -> None:
    town = Town()
    profile = await ada(town)
    elsewhere = town.process()
    other = town.key_authentications[-1]._revocations
    new = await made(town, profile)
    await other.refresh()
    await elsewhere.authenticate(new.secret)
    await town.log_in.authenticate(new.secret)
    await town.api_keys.revoke(owner(profile), new.key.id)
    with pytest.raises(ApiKeyRevoked):
        await town.log_in.authenticate(new.secret)
    await elsewhere.authenticate(new.secret)
    await other.refresh()
    with pytest.raises(ApiKeyRevoked):
        await elsewhere.authenticate(new.secret)
    with pytest.raises(ApiKeyNotFound):
        await town.api_keys.get(owner(profile), new.key.id)


async def test_a_key_is_refused_from_the_instant_it_expires() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile, wish(expires_at=town.clock.now + timedelta(minutes=5)))
    await town.log_in.authenticate(new.secret)
    town.pass_time(minutes=5)
    for _ in range(2):
        with pytest.raises(ApiKeyExpired):
            await town.log_in.authenticate(new.secret)
    assert (await town.api_keys.get(owner(profile), new.key.id)).expired
    with pytest.raises(ApiKeyNotLive):
        await town.api_keys.rotate(owner(profile), new.key.id, timedelta())


@pytest.mark.parametrize("overlap", [timedelta(), timedelta(hours=1)])
async def test_a_rotated_secret_goes_on_for_the_overlap(overlap: timedelta) -> None:
    town = Town()
    profile = await ada(town)
    elsewhere = town.process()
    other = town.key_authentications[-1]._revocations
    old = await made(town, profile)
    await other.refresh()
    for process in (town.log_in, elsewhere):
        await process.authenticate(old.secret)
    new = await town.api_keys.rotate(owner(profile), old.key.id, overlap)
    assert new.secret != old.secret
    assert new.key.hint == new.secret[-4:]
    await other.refresh()
    for process in (town.log_in, elsewhere):
        before = await process.authenticate(new.secret)
        assert before.grant is not None
        assert before.grant.api_key_id == old.key.id
        if overlap:
            await process.authenticate(old.secret)
    town.pass_time(seconds=overlap.total_seconds())
    await other.refresh()
    for process in (town.log_in, elsewhere):
        with pytest.raises(ApiKeyRevoked):
            await process.authenticate(old.secret)
        await process.authenticate(new.secret)


async def test_the_end_of_a_rotated_secret_is_remembered_until_it_has_come() -> None:
    town = Town()
    profile = await ada(town)
    old = await made(town, profile)
    await town.log_in.authenticate(old.secret)
    principal = await town.log_in.authenticate(old.secret)
    await town.api_keys.rotate(owner(profile), old.key.id, timedelta(days=2))
    town.pass_time(days=1, hours=23)
    await town.revocations.refresh()
    assert not town.revocations.is_revoked(principal.session_id)
    town.pass_time(hours=1)
    # What a live stream looks at: it does not read the key again.
    assert town.revocations.is_revoked(principal.session_id)


async def test_of_many_rotations_the_newest_five_secrets_are_good() -> None:
    town = Town()
    profile = await ada(town)
    secrets = [(new := await made(town, profile)).secret]
    for _ in range(SECRETS_MAX + 1):
        rotated = await town.api_keys.rotate(owner(profile), new.key.id, timedelta(hours=1))
        secrets.append(rotated.secret)
    for secret in secrets[-SECRETS_MAX:]:
        await town.log_in.authenticate(secret)
    for secret in secrets[:-SECRETS_MAX]:
        with pytest.raises(ApiKeyRevoked):
            await town.log_in.authenticate(secret)


async def test_a_longer_overlap_does_not_bring_an_end_that_was_set_further_off() -> None:
    town = Town()
    profile = await ada(town)
    old = await made(town, profile)
    await town.api_keys.rotate(owner(profile), old.key.id, timedelta(minutes=1))
    await town.api_keys.rotate(owner(profile), old.key.id, timedelta(hours=1))
    town.pass_time(minutes=2)
    with pytest.raises(ApiKeyRevoked):
        await town.log_in.authenticate(old.secret)


class Counted:
    """A store whose look-ups are counted, and which can go away."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.times = 0
        self.away = False

    def __call__(self) -> UnitOfWork:
        self.times += 1
        if self.away:
            raise Interrupted
        return self.town.unit_of_work()


def counted(town: Town, **options: int) -> tuple[KeyAuthentication, Counted]:
    reading = Counted(town)
    keys = KeyAuthentication(
        unit_of_work=reading,
        reading=reading,
        revocations=town.revocations,
        clock=town.clock,
        **options,
    )
    return keys, reading


async def test_a_key_that_is_known_costs_no_look_up_for_fifteen_minutes() -> None:
    town = Town()
    new = await made(town, await ada(town))
    keys, reading = counted(town)
    await town.revocations.refresh()
    for _ in range(3):
        principal, ends_at = await keys.authenticate_until(new.secret)
    assert (reading.times, ends_at) == (1, NEVER)
    town.pass_time(minutes=15)
    await town.revocations.refresh()
    assert (await keys.authenticate_until(new.secret))[0] == principal
    assert reading.times == 2


async def test_the_database_is_asked_each_time_while_revocations_are_stale() -> None:
    town = Town()
    new = await made(town, await ada(town))
    keys, reading = counted(town)
    await town.revocations.refresh()
    await keys.authenticate_until(new.secret)
    town.pass_time(seconds=6)
    for _ in range(2):
        await keys.authenticate_until(new.secret)
    assert reading.times == 3
    reading.away = True
    with pytest.raises(Interrupted):
        await keys.authenticate_until(new.secret)


async def test_the_cache_of_known_keys_is_bounded() -> None:
    town = Town()
    profile = await ada(town)
    secrets = [(await made(town, profile)).secret for _ in range(3)]
    keys, reading = counted(town, cache_size_max=2)
    await town.revocations.refresh()
    for secret in secrets:
        await keys.authenticate_until(secret)
    assert reading.times == 3
    await keys.authenticate_until(secrets[2])
    assert reading.times == 3
    await keys.authenticate_until(secrets[0])
    assert reading.times == 4


async def test_what_is_no_secret_by_its_looks_is_refused_without_a_look_up() -> None:
    town = Town()
    new = await made(town, await ada(town))
    keys, reading = counted(town)
    flipped = new.secret[:20] + ("A" if new.secret[20] != "A" else "B") + new.secret[21:]
    for text in (flipped, new.secret[:-1], new.secret + "0", "wk_", "wk_" + "\xff" * 49):
        with pytest.raises(ApiKeyInvalid):
            await keys.authenticate_until(text)
    assert reading.times == 0
    with pytest.raises(ApiKeyInvalid):
        await keys.authenticate_until(secret_of(b"\x07" * 32))
    assert reading.times == 1


# When it was used last.


async def test_the_last_use_is_noted_in_batches_and_at_most_once_a_minute() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    keys = town.key_authentications[0]

    async def noted() -> datetime | None:
        return (await town.api_keys.get(owner(profile), new.key.id)).last_used_at

    await town.log_in.authenticate(new.secret)
    assert await noted() is None
    await keys.note_uses()
    first = await noted()
    assert first is not None
    town.pass_time(seconds=30)
    await town.log_in.authenticate(new.secret)
    await keys.note_uses()
    assert await noted() == first
    town.pass_time(seconds=31)
    await town.log_in.authenticate(new.secret)
    await keys.note_uses()
    second = await noted()
    assert second is not None
    assert timedelta(seconds=61) <= second - first < timedelta(seconds=62)


async def test_a_use_that_could_not_be_noted_is_noted_later() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    keys, reading = counted(town)
    await keys.authenticate_until(new.secret)
    reading.away = True
    with pytest.raises(Interrupted):
        await keys.note_uses()
    reading.away = False
    await keys.note_uses()
    assert (await town.api_keys.get(owner(profile), new.key.id)).last_used_at is not None


# Leaving.


async def test_closing_the_account_ends_its_keys() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile, spending_wish())
    await town.log_in.authenticate(new.secret)
    await town.people.close(owner(profile), "violet kettle orbit sandal")
    with pytest.raises(ApiKeyRevoked):
        await town.log_in.authenticate(new.secret)
    assert [spending.ended for spending in town.books.spendings.values()] == [True]
    with pytest.raises(AccountClosed):
        await made(town, profile)


async def test_a_changed_password_leaves_keys_alone() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    await town.credentials.change_password(
        owner(profile), "violet kettle orbit sandal", "seven quiet rivers of amber"
    )
    await town.log_in.authenticate(new.secret)


async def test_ones_data_list_the_keys_with_what_they_have_spent() -> None:
    town = Town()
    profile = await ada(town)
    plain = await made(town, profile)
    spender = await made(town, profile, spending_wish(interval=Interval.MONTH))
    gone = await made(town, profile)
    await town.api_keys.revoke(owner(profile), gone.key.id)
    export = await town.people.export(owner(profile))
    assert [key.id for key in export.api_keys] == [spender.key.id, plain.key.id]
    assert export.api_keys[0].spending is not None
    assert export.api_keys[0].spending.left == 100


async def test_its_owner_hears_by_mail_of_a_new_key_and_of_a_new_secret() -> None:
    town = Town()
    profile = await ada(town)
    new = await made(town, profile)
    again = await town.api_keys.rotate(owner(profile), new.key.id, timedelta())
    await town.background.drain()
    first, second = town.mailer.outbox[-2:]
    assert (first.subject, second.subject) == (
        "There is a new API key", "An API key has a new secret",
    )  # fmt: skip
    for message in (first, second):
        assert message.recipient == "ada@example.com"
        assert new.key.name in message.text
        assert new.secret not in message.text
        assert again.secret not in message.text
