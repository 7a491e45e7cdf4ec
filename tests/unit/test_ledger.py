"""The book of one batch: what it accepts, what it refuses, and that it never half changes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from wallet.domain.accounts import (
    GENESIS_HASH,
    STRIPES,
    Account,
    BalanceLimitExceeded,
    Freeze,
    InsufficientFunds,
    Purpose,
    WalletClosed,
    WalletFrozen,
    system_account_id,
    system_accounts,
)
from wallet.domain.errors import Forbidden, NotFound, Rejected
from wallet.domain.funding import (
    Funding,
    FundingNotSettled,
    FundingStatus,
    RequestTopUp,
    SettleTopUp,
)
from wallet.domain.journal import Details, Kind, Posting
from wallet.domain.ledger import (
    AccountMissing,
    Book,
    Change,
    Decision,
    Header,
    IdempotencyKeyReused,
    Instruction,
    LedgerInvariantBroken,
    Outcome,
    Result,
)
from wallet.domain.money import Currency
from wallet.domain.transfers import CreateTransfer, NotYourWallet, RecipientHasNoWallet

USD = Currency("USD")
JPY = Currency("JPY")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALICE, BOB, CAROL, EVE = (UUID(int=n) for n in (1, 2, 3, 4))
ALICE_WALLET, BOB_WALLET, CAROL_WALLET = (UUID(int=n) for n in (11, 12, 13))
YEN_WALLET = UUID(int=14)
LIMIT = 9_000_000_000_000_000


def header(
    *,
    key: str = "key",
    kind: Kind = Kind.TRANSFER,
    account_id: UUID = ALICE_WALLET,
    amount: int = 30,
    fingerprint: str = "request",
    counterparty_id: UUID | None = BOB_WALLET,
    currency: Currency = USD,
) -> Header:
    return Header(
        id=UUID(bytes=sha256(key.encode()).digest()[:16]),
        kind=kind,
        scope=f"person:{ALICE}",
        key_digest=sha256(key.encode()).digest(),
        fingerprint=sha256(fingerprint.encode()).digest(),
        account_id=account_id,
        currency=currency,
        amount=amount,
        owner_id=ALICE,
        counterparty_id=counterparty_id,
        counterparty_owner_id=BOB,
    )


@dataclass(frozen=True)
class Decided:
    """An instruction that has made up its mind, whatever the books say."""

    decision: Decision
    header: Header = field(default_factory=header)
    details: Details | None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        return (self.header.account_id,)

    def decide(self, book: Book) -> Decision:
        return self.decision


def postings(*legs: tuple[UUID, int] | tuple[UUID, int, int]) -> Decided:
    return Decided(Change(tuple(Posting(*leg) for leg in legs)))


def account(id_: UUID, owner: UUID, posted: int = 0, currency: Currency = USD) -> Account:
    return Account(id_, currency, Purpose.WALLET, owner, posted=posted)


@pytest.fixture
def book() -> Book:
    accounts = [
        account(ALICE_WALLET, ALICE, 100),
        account(BOB_WALLET, BOB, 50),
        account(CAROL_WALLET, CAROL),
        account(YEN_WALLET, ALICE, 500, JPY),
        *system_accounts(USD),
    ]
    return Book({a.id: a for a in accounts}, NOW)


def send(amount: int = 30, *, key: str = "key", fingerprint: str = "request") -> CreateTransfer:
    return CreateTransfer(header(amount=amount, key=key, fingerprint=fingerprint), ALICE)


def decide(book: Book, instruction: Instruction) -> Result:
    (result,) = book.decide([instruction])
    return result


def accepted(result: Result) -> Outcome:
    assert isinstance(result, Outcome), result
    assert result.refusal is None
    return result


def refused(result: Result) -> Rejected:
    assert isinstance(result, Outcome), result
    assert result.refusal is not None
    return result.refusal


# Invariants: whatever an instruction decides, the books assert it once more.

BROKEN = {
    "the legs do not sum to zero": postings((ALICE_WALLET, -30), (BOB_WALLET, 29)),
    "there is only one leg": postings((ALICE_WALLET, -30)),
    "the legs are of two currencies": postings((ALICE_WALLET, -30), (YEN_WALLET, 30)),
    "two postings to one account": postings(
        (ALICE_WALLET, -30), (BOB_WALLET, 15), (BOB_WALLET, 15)
    ),
    "two postings to one account that cancel out": postings(
        (ALICE_WALLET, -30), (ALICE_WALLET, 30)
    ),
    "available falls below the floor": postings((ALICE_WALLET, -101), (BOB_WALLET, 101)),
    "a hold takes more than is available": postings((ALICE_WALLET, 0, 101)),
    "held falls below zero": postings((ALICE_WALLET, 0, -1)),
    "a balance exceeds its upper bound": postings(
        (BOB_WALLET, LIMIT - 49), (ALICE_WALLET, -(LIMIT - 49))
    ),
    "a system account exceeds its bounds": postings(
        (system_account_id(Purpose.FUNDING, "USD", 0), -1000 * LIMIT - 1),
        (system_account_id(Purpose.FUNDING, "USD", 1), 1000 * LIMIT + 1),
    ),
    "held exceeds its upper bound": postings((ALICE_WALLET, 0, LIMIT + 1)),
    "the last of three legs breaks a rule": postings(
        (ALICE_WALLET, -30), (BOB_WALLET, 60), (CAROL_WALLET, -30)
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_decision_that_breaks_an_invariant_is_raised(name: str, book: Book) -> None:
    with pytest.raises(LedgerInvariantBroken):
        book.decide([BROKEN[name]])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_invariant_leaves_the_book_untouched(name: str, book: Book) -> None:
    before = deepcopy(book)
    with pytest.raises(LedgerInvariantBroken):
        book.decide([BROKEN[name]])
    assert book == before


def test_a_posting_to_an_account_that_is_not_locked_leaves_the_book_untouched(book: Book) -> None:
    before = deepcopy(book)
    with pytest.raises(AccountMissing):
        book.decide([postings((ALICE_WALLET, -30), (UUID(int=99), 30))])
    assert book == before


def test_details_that_cannot_be_hashed_leave_the_book_untouched(book: Book) -> None:
    before = deepcopy(book)
    lone_surrogate = Details(salt=bytes(32), note="\ud800")
    with pytest.raises(UnicodeEncodeError):
        book.decide([CreateTransfer(header(), ALICE, lone_surrogate)])
    assert book == before


def test_a_credit_may_leave_an_account_below_its_floor(book: Book) -> None:
    book.accounts[BOB_WALLET].posted = -40
    accepted(decide(book, send(30)))
    assert book.accounts[BOB_WALLET].posted == -10


def test_a_release_may_leave_an_account_below_its_floor(book: Book) -> None:
    book.accounts[BOB_WALLET].held = 80
    accepted(decide(book, postings((BOB_WALLET, 0, -20))))
    assert (book.accounts[BOB_WALLET].available, book.accounts[BOB_WALLET].held) == (-10, 60)


# What an accepted instruction does.


def test_a_transfer_moves_the_amount_in_two_legs(book: Book) -> None:
    accepted(decide(book, send(30)))
    assert (book.accounts[ALICE_WALLET].posted, book.accounts[BOB_WALLET].posted) == (70, 80)


def test_each_leg_names_the_other_side(book: Book) -> None:
    decide(book, send(30))
    assert [(e.account_id, e.counterparty_id) for e in book.entries] == [
        (ALICE_WALLET, BOB_WALLET),
        (BOB_WALLET, ALICE_WALLET),
    ]


def test_an_entry_carries_deltas_and_both_balances_after(book: Book) -> None:
    book.accounts[ALICE_WALLET].held = 20
    entry = accepted(decide(book, send(30))).entry
    assert entry is not None
    assert (entry.posted_delta, entry.held_delta) == (-30, 0)
    assert (entry.posted_after, entry.held_after) == (70, 20)


def test_the_outcome_carries_the_entry_of_the_account_it_is_filed_under(book: Book) -> None:
    entry = accepted(decide(book, send(30))).entry
    assert entry is not None
    assert (entry.account_id, entry.version) == (ALICE_WALLET, 1)


def test_the_first_entry_is_chained_to_32_zero_bytes(book: Book) -> None:
    outcome = accepted(decide(book, send(30)))
    assert outcome.entry is not None
    hashed = (
        b"wallet-entry-v1"
        + bytes(32)
        + ALICE_WALLET.bytes
        + (1).to_bytes(8, "big")
        + outcome.header.id.bytes
        + (1).to_bytes(2, "big")
        + b"USD"
        + (-30).to_bytes(8, "big", signed=True)
        + bytes(8)
        + (70).to_bytes(8, "big")
        + bytes(8)
        + BOB_WALLET.bytes
        + (1_767_268_800_000_000).to_bytes(8, "big")
        + bytes(32)
    )
    assert outcome.entry.hash == sha256(hashed).digest()


def test_version_and_head_rise_with_each_entry_and_with_nothing_else(book: Book) -> None:
    alice = book.accounts[ALICE_WALLET]
    seen = [(alice.version, alice.head_hash)]
    for key, amount in [("a", 10), ("b", 1000), ("c", 10)]:
        decide(book, send(amount, key=key))
        seen.append((alice.version, alice.head_hash))
    assert [version for version, _ in seen] == [0, 1, 1, 2]
    assert seen[0][1] == GENESIS_HASH
    assert seen[1] == seen[2]
    assert seen[2][1] != seen[3][1]


def test_the_head_of_an_account_is_the_hash_of_its_last_entry(book: Book) -> None:
    decide(book, send(10, key="a"))
    decide(book, send(10, key="b"))
    assert book.accounts[ALICE_WALLET].head_hash == book.entries[2].hash


def test_every_leg_and_outcome_of_a_batch_is_booked_at_the_same_time(book: Book) -> None:
    book.decide([send(10, key="a"), send(10, key="b"), send(1000, key="c")])
    assert {entry.booked_at for entry in book.entries} == {NOW}
    assert {outcome.booked_at for outcome in book.outcomes} == {NOW}
    assert book.accounts[ALICE_WALLET].head_booked_at == NOW


def test_the_time_is_hashed_to_the_microsecond(book: Book) -> None:
    later = Book(deepcopy(book.accounts), NOW + timedelta(microseconds=1))
    assert decide(book, send()) != decide(later, send())
    assert book.entries[0].hash != later.entries[0].hash


def test_details_are_hashed_into_every_leg(book: Book) -> None:
    details = Details(salt=bytes(32), note="lunch")
    outcome = accepted(decide(book, CreateTransfer(header(), ALICE, details)))
    assert outcome.details == details
    assert {entry.details_digest for entry in book.entries} == {
        sha256(bytes(32) + b'{"metadata":{},"note":"lunch","reference":null}').digest()
    }


def test_without_details_an_entry_has_no_digest(book: Book) -> None:
    decide(book, send())
    assert [entry.details_digest for entry in book.entries] == [None, None]


def test_only_accounts_with_a_new_entry_are_changed_each_once(book: Book) -> None:
    book.decide([send(10, key="a"), send(10, key="b"), send(1000, key="c")])
    assert [a.id for a in book.changed_accounts()] == [ALICE_WALLET, BOB_WALLET]


def test_a_hold_is_an_entry_of_its_held_delta_alone(book: Book) -> None:
    entry = accepted(decide(book, postings((ALICE_WALLET, 0, 80)))).entry
    assert entry is not None
    assert (entry.posted_delta, entry.held_delta) == (0, 80)
    assert (entry.posted_after, entry.held_after) == (100, 80)
    assert book.accounts[ALICE_WALLET].available == 20


def test_a_release_gives_back_what_was_held(book: Book) -> None:
    book.accounts[ALICE_WALLET].held = 80
    entry = accepted(decide(book, postings((ALICE_WALLET, 0, -50)))).entry
    assert entry is not None
    assert (entry.posted_after, entry.held_after) == (100, 30)


def test_a_capture_lowers_posted_and_held_at_once(book: Book) -> None:
    book.accounts[ALICE_WALLET].held = 80
    capture = postings((ALICE_WALLET, -60, -80), (BOB_WALLET, 60))
    entry = accepted(decide(book, capture)).entry
    assert entry is not None
    assert (entry.posted_delta, entry.held_delta) == (-60, -80)
    assert (entry.posted_after, entry.held_after) == (40, 0)


def test_what_is_held_cannot_be_sent(book: Book) -> None:
    book.accounts[ALICE_WALLET].held = 80
    assert refused(decide(book, send(21))).facts["available"] == 20
    accepted(decide(book, send(20, key="other")))


# Overdraft, freeze and closing.


def test_an_overdraft_may_be_used_to_the_last_unit(book: Book) -> None:
    book.accounts[ALICE_WALLET].floor = -25
    accepted(decide(book, send(125)))
    assert book.accounts[ALICE_WALLET].posted == -25


def test_an_overdraft_ends_at_the_floor(book: Book) -> None:
    book.accounts[ALICE_WALLET].floor = -25
    refusal = refused(decide(book, send(126)))
    assert isinstance(refusal, InsufficientFunds)
    assert refusal.facts == {
        "wallet_id": "00000000-0000-0000-0000-00000000000b",
        "currency": "USD",
        "available": 100,
        "amount": 126,
    }


FREEZES = [
    (Freeze.NONE, Freeze.NONE, None),
    (Freeze.SEND, Freeze.NONE, "send"),
    (Freeze.BOTH, Freeze.NONE, "send"),
    (Freeze.RECEIVE, Freeze.NONE, None),
    (Freeze.NONE, Freeze.RECEIVE, "receive"),
    (Freeze.NONE, Freeze.BOTH, "receive"),
    (Freeze.NONE, Freeze.SEND, None),
    (Freeze.SEND, Freeze.RECEIVE, "send"),
]


@pytest.mark.parametrize(("payer", "payee", "direction"), FREEZES)
def test_a_freeze_stops_its_direction_only(
    payer: Freeze, payee: Freeze, direction: str | None, book: Book
) -> None:
    book.accounts[ALICE_WALLET].freeze = payer
    book.accounts[BOB_WALLET].freeze = payee
    result = decide(book, send(30))
    if direction is None:
        accepted(result)
    else:
        refusal = refused(result)
        assert isinstance(refusal, WalletFrozen)
        assert refusal.facts["direction"] == direction


def test_a_refusal_for_the_other_side_tells_nothing_of_its_wallet(book: Book) -> None:
    book.accounts[BOB_WALLET].freeze = Freeze.RECEIVE
    assert refused(decide(book, send())).facts == {"direction": "receive"}
    book.accounts[BOB_WALLET].closed = True
    assert refused(decide(book, send(key="k2"))).facts == {}
    book.accounts[BOB_WALLET].closed = False
    book.accounts[BOB_WALLET].freeze = Freeze.NONE
    book.accounts[BOB_WALLET].posted = LIMIT
    assert refused(decide(book, send(key="k3"))).facts == {"maximum": 9_000_000_000_000_000}


def test_nothing_leaves_a_closed_wallet(book: Book) -> None:
    book.accounts[ALICE_WALLET].closed = True
    assert isinstance(refused(decide(book, send())), WalletClosed)


def test_nothing_enters_a_closed_wallet(book: Book) -> None:
    book.accounts[BOB_WALLET].closed = True
    assert isinstance(refused(decide(book, send())), WalletClosed)


def test_a_balance_may_reach_the_limit_and_no_further(book: Book) -> None:
    book.accounts[BOB_WALLET].posted = LIMIT - 30
    assert isinstance(refused(decide(book, send(31))), BalanceLimitExceeded)
    accepted(decide(book, send(30, key="fits")))
    assert book.accounts[BOB_WALLET].posted == 9_000_000_000_000_000


def pending_funding(book: Book, amount: int = 40) -> SettleTopUp:
    funding = Funding(
        id=UUID(int=77),
        account_id=ALICE_WALLET,
        owner_id=ALICE,
        amount=amount,
        currency="USD",
        source="sandbox",
        status=FundingStatus.PENDING,
        created_at=NOW,
    )
    book.fundings[funding.id] = funding
    settle = header(key="settle", kind=Kind.TOP_UP, amount=amount, counterparty_id=None)
    return SettleTopUp(settle, funding.id)


@pytest.mark.parametrize("freeze", [Freeze.SEND, Freeze.RECEIVE, Freeze.BOTH])
def test_settled_money_passes_a_freeze(freeze: Freeze, book: Book) -> None:
    book.accounts[ALICE_WALLET].freeze = freeze
    accepted(decide(book, pending_funding(book)))
    assert book.accounts[ALICE_WALLET].posted == 140


@pytest.mark.parametrize("freeze", [Freeze.RECEIVE, Freeze.BOTH])
def test_a_new_top_up_does_not_pass_a_freeze(freeze: Freeze, book: Book) -> None:
    book.accounts[ALICE_WALLET].freeze = freeze
    request = RequestTopUp(header(kind=Kind.TOP_UP_REQUEST), ALICE, "sandbox")
    assert isinstance(refused(decide(book, request)), WalletFrozen)


def test_settled_money_does_not_enter_a_closed_wallet(book: Book) -> None:
    book.accounts[ALICE_WALLET].closed = True
    result = decide(book, pending_funding(book))
    assert isinstance(result, FundingNotSettled)
    assert result.facts == {"reason": "wallet-closed"}


def test_a_settlement_is_taken_from_the_system_account_of_the_stripe(book: Book) -> None:
    book.stripe = 5
    accepted(decide(book, pending_funding(book)))
    assert book.accounts[system_account_id(Purpose.FUNDING, "USD", 5)].posted == -40
    assert book.accounts[system_account_id(Purpose.FUNDING, "USD", 0)].posted == 0


def test_a_funding_changes_with_the_entry_that_credits_it(book: Book) -> None:
    accepted(decide(book, pending_funding(book)))
    funding = book.changed_fundings[UUID(int=77)]
    assert (funding.status, funding.decided_at) == (FundingStatus.SETTLED, NOW)


def test_money_that_cannot_be_credited_yet_stays_pending_and_nothing_is_stored(book: Book) -> None:
    book.accounts[ALICE_WALLET].posted = LIMIT
    result = decide(book, pending_funding(book))
    assert isinstance(result, FundingNotSettled)
    assert result.facts == {"reason": "balance-limit-exceeded"}
    assert book.fundings[UUID(int=77)].status is FundingStatus.PENDING
    assert (book.changed_fundings, book.outcomes) == ({}, [])


def test_a_currency_has_sixteen_funding_accounts_with_ids_of_their_own() -> None:
    accounts = system_accounts(USD)
    assert STRIPES == 16
    assert len({a.id for a in accounts}) == 16
    assert {a.floor for a in accounts} == {-9_000_000_000_000_000_000}


def test_the_id_of_a_system_account_never_changes() -> None:
    assert (
        str(system_account_id(Purpose.FUNDING, "USD", 0)) == "bec1e4ee-5887-587a-bb0b-c82de93a990c"
    )


# What is stored, replayed, and not stored.


def test_a_refusal_is_stored_as_an_outcome(book: Book) -> None:
    decide(book, send(1000))
    assert [o.refusal.code for o in book.outcomes if o.refusal] == ["insufficient-funds"]
    assert book.entries == []


def test_a_refusal_does_not_disturb_its_neighbours(book: Book) -> None:
    first, second, third = book.decide(
        [send(60, key="a"), send(60, key="b"), send(40, key="c")],
    )
    accepted(first)
    assert isinstance(refused(second), InsufficientFunds)
    accepted(third)
    assert (book.accounts[ALICE_WALLET].posted, book.accounts[ALICE_WALLET].version) == (0, 2)


def test_the_same_key_in_one_batch_is_decided_once(book: Book) -> None:
    first, again = book.decide([send(30), send(30)])
    assert accepted(again).replayed
    assert accepted(again).entry == accepted(first).entry
    assert (len(book.outcomes), book.accounts[ALICE_WALLET].posted) == (1, 70)


def test_a_replayed_refusal_is_the_first_one(book: Book) -> None:
    book.decide([send(1000)])
    book.accounts[ALICE_WALLET].posted = 5000
    assert refused(decide(book, send(1000))).facts["available"] == 100


def test_an_earlier_outcome_is_replayed_and_not_stored_again(book: Book) -> None:
    earlier = Outcome(header(), NOW - timedelta(days=1))
    book.earlier[earlier.header.key] = earlier
    result = accepted(decide(book, send(30)))
    assert (result.replayed, result.booked_at) == (True, NOW - timedelta(days=1))
    assert (book.outcomes, book.entries) == ([], [])


def test_the_same_key_for_another_request_is_refused_and_nothing_is_stored(book: Book) -> None:
    first, other = book.decide([send(30), send(31, fingerprint="another request")])
    accepted(first)
    assert isinstance(other, IdempotencyKeyReused)
    assert len(book.outcomes) == 1


def test_the_same_key_for_another_kind_is_refused_whatever_the_fingerprint(book: Book) -> None:
    request = RequestTopUp(header(kind=Kind.TOP_UP_REQUEST), ALICE, "sandbox")
    first, other = book.decide([send(30), request])
    accepted(first)
    assert isinstance(other, IdempotencyKeyReused)


def test_two_scopes_share_no_keys(book: Book) -> None:
    other = replace(header(account_id=BOB_WALLET), scope=f"person:{BOB}")
    first, second = book.decide([send(30), Decided(Change(), other)])
    assert not accepted(first).replayed
    assert not accepted(second).replayed


def test_whoever_may_not_is_told_so_and_nothing_is_stored(book: Book) -> None:
    result = decide(book, CreateTransfer(header(), EVE))
    assert isinstance(result, NotYourWallet)
    assert isinstance(result, Forbidden)
    assert (book.outcomes, book.entries, book.earlier) == ([], [], {})


def test_a_key_that_was_forbidden_stays_free(book: Book) -> None:
    decide(book, CreateTransfer(header(), EVE))
    assert not accepted(decide(book, send())).replayed


def test_a_missing_account_is_an_error_of_its_instruction_alone(book: Book) -> None:
    missing = CreateTransfer(header(key="gone", account_id=UUID(int=99)), ALICE)
    first, second = book.decide([missing, send(30)])
    assert isinstance(first, AccountMissing)
    accepted(second)
    assert len(book.outcomes) == 1


def test_a_recipient_without_a_wallet_is_decided_and_stored(book: Book) -> None:
    result = decide(book, CreateTransfer(header(counterparty_id=None), ALICE))
    assert isinstance(refused(result), RecipientHasNoWallet)
    assert len(book.outcomes) == 1


def test_an_unknown_funding_is_not_found_and_not_stored(book: Book) -> None:
    result = decide(book, SettleTopUp(header(kind=Kind.TOP_UP), UUID(int=78)))
    assert isinstance(result, NotFound)
    assert book.outcomes == []


def test_results_come_in_the_order_of_the_instructions(book: Book) -> None:
    keys = [f"k{n}" for n in range(20)]
    results = book.decide([send(1, key=key) for key in keys])
    assert [accepted(r).header.key_digest for r in results] == [
        sha256(key.encode()).digest() for key in keys
    ]


def test_an_empty_batch_has_no_results(book: Book) -> None:
    assert book.decide([]) == []
