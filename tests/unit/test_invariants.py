"""Each invariant, and a planted violation that only it can catch."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest

from wallet.application.verification import VIOLATIONS_MAX, Report, verify
from wallet.domain.invariants import (
    AccountState,
    AccountStream,
    EntryRow,
    StoredEntry,
    Violation,
    expected_hash,
    stream_violations,
    unbalanced_violations,
)
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.money import Currency

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTE = Details(salt=bytes(range(32)), note="lunch")
LAST = timedelta(seconds=3)
LIMIT = 9_000_000_000_000_000

Stream = tuple[AccountState, list[StoredEntry]]


def entry(version: int, delta: int, after: int, *, held: int = 0, held_after: int = 0) -> Entry:
    return Entry(
        account_id=ACCOUNT,
        version=version,
        instruction_id=UUID(int=100 + version),
        kind=Kind.TRANSFER,
        currency=Currency("USD"),
        posted_delta=delta,
        held_delta=held,
        posted_after=after,
        held_after=held_after,
        counterparty_id=OTHER,
        booked_at=NOW + timedelta(seconds=version),
        details_digest=None,
        hash=bytes(32),
    )


def chained(entries: Sequence[StoredEntry], *, floor: int = 0) -> Stream:
    """Return a stream whose hashes and account follow from its entries."""
    previous, result = bytes(32), []
    for stored in entries:
        previous = expected_hash(stored.entry, previous)
        result.append(replace(stored, entry=replace(stored.entry, hash=previous)))
    last = result[-1].entry
    state = AccountState(
        id=ACCOUNT,
        currency="USD",
        posted=last.posted_after,
        held=last.held_after,
        version=last.version,
        head_hash=previous,
        head_booked_at=last.booked_at,
        floor=floor,
    )
    return state, result


def bare(*entries: Entry) -> list[StoredEntry]:
    return [StoredEntry(e, None, "none") for e in entries]


def intact() -> Stream:
    """Three entries: 100 come in, 30 are held, 50 go out with a note."""
    noted = replace(entry(3, -50, 50, held_after=30), details_digest=NOTE.digest)
    first_two = bare(entry(1, 100, 100), entry(2, 0, 100, held=30, held_after=30))
    return chained([*first_two, StoredEntry(noted, NOTE, "kept")])


def broken(account: AccountState, entries: Sequence[StoredEntry]) -> set[str]:
    closely = {violation.invariant for violation in stream_violations(account, entries)}
    stream, quickly = AccountStream(account), set[str]()
    for stored in entries:
        if not stream.follows(row_of(stored)):
            quickly |= {violation.invariant for violation in stream.check(stored)}
    quickly |= {violation.invariant for violation in stream.finish()}
    assert quickly == closely
    return closely


def row_of(stored: StoredEntry) -> EntryRow:
    e = stored.entry
    columns = [
        *(e.account_id, e.version, e.instruction_id, e.kind, e.currency),
        *(e.posted_delta, e.held_delta, e.posted_after, e.held_after, e.counterparty_id),
        *(e.details_digest, e.hash, e.booked_at, stored.details_state != "none"),
    ]
    return EntryRow(columns, constantly(stored))


def constantly(
    value: StoredEntry | Violation,
) -> Callable[[Sequence[object]], StoredEntry | Violation]:
    return lambda _columns: value


def altered(stream: Stream, index: int, **changes: object) -> Stream:
    account, entries = stream
    entries[index] = replace(entries[index], entry=replace(entries[index].entry, **changes))  # type: ignore[arg-type]
    return account, entries


def rehashed(stream: Stream) -> Stream:
    """Cover the traces: make all hashes, and the account's head, fit what is there."""
    account, entries = stream
    state, result = chained(entries, floor=account.floor)
    return replace(account, head_hash=state.head_hash, head_booked_at=NOW + LAST), result


def with_metadata(metadata: object) -> StoredEntry:
    """Return the last entry of the intact stream, its metadata replaced by something else."""
    details = replace(NOTE, metadata=cast("Mapping[str, str]", metadata))
    return StoredEntry(intact()[1][2].entry, details, "kept")


def test_an_intact_stream_has_no_violations() -> None:
    assert list(stream_violations(*intact())) == []


def test_an_account_without_entries_has_no_violations() -> None:
    account = AccountState(ACCOUNT, "USD", 0, 0, 0, bytes(32), None, 0)
    assert list(stream_violations(account, [])) == []


def test_a_row_with_nothing_wrong_needs_no_close_look_unless_it_has_details() -> None:
    account, entries = intact()
    stream = AccountStream(account)
    assert [stream.follows(row_of(stored)) for stored in entries] == [True, True, False]


def test_a_missing_first_entry_is_a_gap() -> None:
    account, entries = intact()
    assert "versions-gap-free" in broken(account, entries[1:])


def test_a_missing_entry_in_the_middle_is_a_gap_named_once() -> None:
    account, entries = intact()
    gaps = [
        violation
        for violation in stream_violations(account, [entries[0], entries[2]])
        if violation.invariant == "versions-gap-free"
    ]
    assert [(gap.account_id, gap.version) for gap in gaps] == [(ACCOUNT, 3)]


def test_a_missing_last_entry_shows_in_the_account() -> None:
    account, entries = intact()
    assert broken(account, entries[:2]) == {
        "balance-equals-entries",
        "version-equals-entries",
        "head-hash",
        "head-booked-at",
    }


def test_a_stream_that_was_emptied_shows_in_the_account() -> None:
    account, _ = intact()
    assert broken(account, []) == {
        "balance-equals-entries",
        "version-equals-entries",
        "head-hash",
        "head-booked-at",
    }


def test_a_repeated_version_is_no_gap_free_stream() -> None:
    account, entries = intact()
    assert "versions-gap-free" in broken(account, [entries[0], *entries])


ALONE: dict[str, tuple[set[str], Callable[[], Stream]]] = {
    "a running balance that does not follow, rehashed": (
        {"running-balance", "balance-equals-entries"},
        lambda: rehashed(altered(intact(), 2, posted_after=51)),
    ),
    "a running held balance that does not follow, rehashed": (
        {"running-balance", "balance-equals-entries"},
        lambda: rehashed(altered(intact(), 2, held_after=31)),
    ),
    "a delta that was changed, rehashed": (
        {"running-balance"},
        lambda: rehashed(altered(intact(), 1, posted_delta=1)),
    ),
    "another currency, rehashed": (
        {"one-currency"},
        lambda: rehashed(altered(intact(), 0, currency="EUR")),
    ),
    "a time before the last, rehashed": (
        {"time-non-decreasing"},
        lambda: rehashed(altered(intact(), 1, booked_at=NOW)),
    ),
    "a hash that is not that of the row": (
        {"hash-chain"},
        lambda: altered(intact(), 1, instruction_id=UUID(int=999)),
    ),
    "details that were changed": (
        {"details-digest"},
        lambda: (
            intact()[0],
            [
                *intact()[1][:2],
                StoredEntry(intact()[1][2].entry, replace(NOTE, note="dinner"), "kept"),
            ],
        ),
    ),
    "details that are missing": (
        {"details-kept"},
        lambda: (intact()[0], [*intact()[1][:2], StoredEntry(intact()[1][2].entry, None, "none")]),
    ),
    "details that were added": (
        {"details-digest"},
        lambda: (intact()[0], [StoredEntry(intact()[1][0].entry, NOTE, "kept"), *intact()[1][1:]]),
    ),
    "an erasure of details that never were": (
        {"details-digest"},
        lambda: (
            intact()[0],
            [StoredEntry(intact()[1][0].entry, None, "erased"), *intact()[1][1:]],
        ),
    ),
    "a posted balance that was changed": (
        {"balance-equals-entries"},
        lambda: (replace(intact()[0], posted=51), intact()[1]),
    ),
    "a held balance that was changed": (
        {"balance-equals-entries"},
        lambda: (replace(intact()[0], held=29), intact()[1]),
    ),
    "a version that was changed": (
        {"version-equals-entries"},
        lambda: (replace(intact()[0], version=4), intact()[1]),
    ),
    "a head hash that was changed": (
        {"head-hash"},
        lambda: (replace(intact()[0], head_hash=bytes(32)), intact()[1]),
    ),
    "a head time that was changed": (
        {"head-booked-at"},
        lambda: (replace(intact()[0], head_booked_at=NOW), intact()[1]),
    ),
    "a head time that was taken away": (
        {"head-booked-at"},
        lambda: (replace(intact()[0], head_booked_at=None), intact()[1]),
    ),
    "details whose metadata is a list": (
        {"details-digest"},
        lambda: (intact()[0], [*intact()[1][:2], with_metadata([])]),
    ),
    "details whose metadata is a number": (
        {"details-digest"},
        lambda: (intact()[0], [*intact()[1][:2], with_metadata(5)]),
    ),
    "available below the floor": (
        {"available-not-below-floor"},
        lambda: (replace(intact()[0], floor=21), intact()[1]),
    ),
    "available further below the floor than the debt": (
        {"available-not-below-floor"},
        lambda: (replace(intact()[0], floor=25, debt=4), intact()[1]),
    ),
    "a debt that is more than what is missing": (
        {"debt-is-what-is-missing"},
        lambda: (replace(intact()[0], floor=25, debt=6), intact()[1]),
    ),
    "a balance above the limit": (
        {"balance-in-range"},
        lambda: chained(bare(entry(1, LIMIT + 1, LIMIT + 1))),
    ),
    "a balance below the limit": (
        {"balance-in-range"},
        lambda: chained(bare(entry(1, -LIMIT - 1, -LIMIT - 1)), floor=-LIMIT - 1),
    ),
    "held below zero": (
        {"balance-in-range"},
        lambda: chained(bare(entry(1, 0, 0, held=-1, held_after=-1))),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_planted_violation_is_caught_by_its_invariant(name: str) -> None:
    expected, plant = ALONE[name]
    assert broken(*plant()) == expected


def test_two_entries_that_changed_places_are_caught() -> None:
    account, entries = intact()
    first, second = entries[0].entry, entries[1].entry
    entries[0] = replace(entries[0], entry=replace(second, version=1))
    entries[1] = replace(entries[1], entry=replace(first, version=2))
    assert {"hash-chain", "running-balance", "time-non-decreasing"} <= broken(account, entries)


def test_details_that_were_erased_are_no_violation() -> None:
    account, entries = intact()
    entries[2] = StoredEntry(entries[2].entry, None, "erased")
    assert list(stream_violations(account, entries)) == []


def test_two_entries_at_the_same_time_are_no_violation() -> None:
    stream = rehashed(altered(intact(), 1, booked_at=NOW + timedelta(seconds=1)))
    assert list(stream_violations(*stream)) == []


def test_an_overdraft_within_its_floor_is_no_violation() -> None:
    assert list(stream_violations(*chained(bare(entry(1, -25, -25)), floor=-25))) == []


def test_a_broken_link_is_named_once_and_the_rest_of_the_chain_still_checked() -> None:
    account, entries = altered(intact(), 1, counterparty_id=None)
    places = [(v.invariant, v.version) for v in stream_violations(account, entries)]
    assert places == [("hash-chain", 2)]


IMPOSSIBLE: dict[str, dict[str, object]] = {
    "a time before 1970": {"booked_at": datetime(1960, 1, 1, tzinfo=UTC)},
    "a negative version": {"version": -1},
    "a currency that is no ASCII": {"currency": "€€€"},
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_values_that_cannot_be_hashed_are_named_instead_of_crashing(name: str) -> None:
    account, entries = altered(intact(), 1, **IMPOSSIBLE[name])
    assert "hash-chain" in broken(account, entries)


@pytest.mark.parametrize("digest", [b"", b"\0" * 33, NOTE.digest + b"\0", NOTE.digest[:31]])
def test_a_digest_of_another_length_is_caught_even_when_the_details_are_erased(
    digest: bytes,
) -> None:
    account, entries = altered(intact(), 2, details_digest=digest)
    entries[2] = StoredEntry(entries[2].entry, None, "erased")
    assert broken(account, entries) != set()


def test_legs_that_sum_to_zero_are_no_violation() -> None:
    assert list(unbalanced_violations({(UUID(int=5), "USD"): 0})) == []


def test_legs_that_do_not_sum_to_zero_are_named_with_instruction_and_difference() -> None:
    sums = {(UUID(int=5), "USD"): 0, (UUID(int=6), "USD"): -3}
    assert list(unbalanced_violations(sums)) == [
        Violation(
            "legs-sum-to-zero",
            None,
            None,
            "00000000-0000-0000-0000-000000000006 by -3 USD",
        )
    ]


def test_a_violation_says_what_where_and_why() -> None:
    violation = Violation("hash-chain", ACCOUNT, 7, "the hash is not that of the row")
    assert str(violation) == (
        "hash-chain: account 00000000-0000-0000-0000-000000000001 version 7: "
        "the hash is not that of the row"
    )


def test_a_violation_of_no_place_says_what_and_why() -> None:
    assert str(Violation("money-conserved", None, None, "3 USD")) == "money-conserved:: 3 USD"


@dataclass
class PlantedBooks:
    """Books that say whatever they are told to."""

    accounts: list[Stream] = field(default_factory=list)
    sums: dict[tuple[UUID, str], int] = field(default_factory=dict)
    sum_of_all: dict[str, int] = field(default_factory=dict)
    crosses: list[Violation] = field(default_factory=list)
    unreadable: list[Violation] = field(default_factory=list)

    async def journal(self) -> AsyncIterator[AccountState | EntryRow]:
        for account, entries in self.accounts:
            yield account
            for stored in entries:
                yield row_of(stored)
        for violation in self.unreadable:
            yield EntryRow([None] * 14, constantly(violation))

    async def unbalanced(self) -> dict[tuple[UUID, str], int]:
        return self.sums

    async def totals(self) -> dict[str, int]:
        return self.sum_of_all

    async def cross_checks(self) -> AsyncIterator[Violation]:
        for violation in self.crosses:
            yield violation


def found(report: Report) -> list[str]:
    return [violation.invariant for violation in report.violations]


async def test_the_report_counts_what_it_read() -> None:
    report = await verify(PlantedBooks([intact(), intact()], sum_of_all={"USD": 0}))
    assert (report.accounts, report.entries, report.intact, report.complete) == (2, 6, True, True)


async def test_the_report_names_what_streams_sums_totals_and_cross_checks_find() -> None:
    books = PlantedBooks(
        [(replace(intact()[0], posted=51), intact()[1])],
        {(UUID(int=6), "USD"): 1},
        {"USD": 1, "EUR": 0},
        [Violation("held-equals-open-holds", ACCOUNT, None, "held without a hold")],
    )
    report = await verify(books)
    assert found(report) == [
        "balance-equals-entries",
        "legs-sum-to-zero",
        "money-conserved",
        "held-equals-open-holds",
    ]
    assert not report.intact


async def test_the_report_names_rows_that_cannot_be_read_and_goes_on() -> None:
    unreadable = Violation("row-readable", ACCOUNT, 4, "99 is not a valid Kind")
    account, entries = intact()
    books = PlantedBooks([(replace(account, posted=51), entries)], unreadable=[unreadable])
    assert found(await verify(books)) == ["row-readable", "balance-equals-entries"]


async def test_a_system_account_may_hold_a_thousand_times_as_much() -> None:
    account, entries = chained(bare(entry(1, -1000 * LIMIT, -1000 * LIMIT)), floor=-1000 * LIMIT)
    assert broken(account, entries) == {"balance-in-range"}
    assert broken(replace(account, balance_max=1000 * LIMIT), entries) == set()


async def test_a_report_too_long_to_list_is_cut_and_says_so() -> None:
    one = Violation("hash-chain", ACCOUNT, 1, "x")
    report = await verify(PlantedBooks(crosses=[one] * 10_001))
    assert VIOLATIONS_MAX == 10_000
    assert (len(report.violations), report.complete) == (10_000, False)
