"""The checker: what the tellers heard against what the books say. An empty list is a pass.

It shares no code with the service: it reads the tables as they are and derives everything anew.
"""

import bisect
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from tests.nemesis.bank import History, Misuse, Operation, Reading

ENTRIES = """
SELECT account_id, version, instruction_id, posted_delta, posted_after, currency
FROM entries ORDER BY account_id, version
"""
INSTRUCTIONS = "SELECT id, scope, key_digest, kind, refusal_code, refusal_facts FROM instructions"
ACCOUNTS = "SELECT id, posted, version FROM accounts"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of entries."""

    account_id: str
    version: int
    instruction_id: str
    delta: int
    after: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Instruction:
    """A row of instructions; `available` is the fact of a refusal for lack of funds."""

    id: str
    scope: str
    digest: bytes
    refusal: str | None = None
    available: int | None = None


@dataclass(slots=True)
class Books:
    """The tables as they are after a run."""

    entries: list[Entry] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    accounts: dict[str, tuple[int, int]] = field(default_factory=dict)


async def read_books(url: str) -> Books:
    """Read the tables in one snapshot."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            entries = await connection.fetch(ENTRIES)
            instructions = await connection.fetch(INSTRUCTIONS)
            accounts = await connection.fetch(ACCOUNTS)
    finally:
        await connection.close()
    return Books(
        [Entry(str(r[0]), r[1], str(r[2]), r[3], r[4], r[5]) for r in entries],
        [
            Instruction(
                str(r["id"]),
                r["scope"],
                r["key_digest"],
                r["refusal_code"],
                json.loads(r["refusal_facts"] or "{}").get("available"),
            )
            for r in instructions
        ],
        {str(r["id"]): (r["posted"], r["version"]) for r in accounts},
    )


def violations(history: History, books: Books) -> list[str]:
    """Return everything that must not be."""
    streams: dict[str, list[Entry]] = defaultdict(list)
    legs: dict[str, list[Entry]] = defaultdict(list)
    for entry in books.entries:
        streams[entry.account_id].append(entry)
        legs[entry.instruction_id].append(entry)
    windows = _windows(history, streams)
    return [
        *_books_are_sound(books, streams, legs),
        *_operations_are_in_the_books(history, books, legs),
        *_answers_are_the_same(history),
        *_keys_cannot_be_reused(history.misuses),
        *_order_is_real(windows),
        *_refusals_are_justified(history, books, windows),
        *_readings_are_current(history.readings, windows),
    ]


def _books_are_sound(
    books: Books, streams: Mapping[str, Sequence[Entry]], legs: Mapping[str, Sequence[Entry]]
) -> Iterator[str]:
    for account_id, stream in streams.items():
        balance = 0
        for version, entry in enumerate(stream, 1):
            balance += entry.delta
            if entry.version != version:
                yield f"gap: {account_id} has version {entry.version} in place of {version}"
                break
            if entry.after != balance:
                yield f"balance: {account_id}:{version} says {entry.after}, it is {balance}"
                break
        if books.accounts.get(account_id) != (balance, len(stream)):
            yield f"account: {account_id} says {books.accounts.get(account_id)}, not its stream"
    for instruction_id, entries in legs.items():
        if sum(e.delta for e in entries) or len(entries) != 2:
            yield f"legs: {instruction_id} has {[e.delta for e in entries]}"


def _operations_are_in_the_books(
    history: History, books: Books, legs: Mapping[str, Sequence[Entry]]
) -> Iterator[str]:
    by_key = {(i.scope, i.digest): i for i in books.instructions}
    claimed: set[str] = set()
    for operation in history.operations:
        instruction = by_key.pop((operation.payer.scope, operation.digest), None)
        yield from _operation_is_in_the_books(operation, instruction)
        if operation.accepted:
            id_ = _answered_id(operation)
            if id_ in claimed:
                yield f"twice: {operation.key} was answered with another key's movement"
            claimed.add(id_)
            yield from _legs_as_asked(operation, id_, legs.get(id_, ()))
    for scope, digest in by_key:
        if scope.startswith("person:"):
            yield f"unasked: nobody asked for {scope} {digest.hex()}"
    for id_ in legs.keys() - claimed:
        yield f"unclaimed: nobody was answered with the movement {id_}"


def _operation_is_in_the_books(
    operation: Operation, instruction: Instruction | None
) -> Iterator[str]:
    definite = operation.definite
    if definite is None:
        yield f"undecided: {operation.key}"
    elif not operation.accepted:
        if instruction is None or instruction.refusal != definite.word:
            yield f"refusal: {operation.key} was refused, and the books say otherwise"
    elif instruction is None or instruction.refusal is not None:
        yield f"lost: {operation.key} was acknowledged and is not in the books"
    elif not _is_instruction_of(operation, instruction.id, _answered_id(operation)):
        yield f"other: {operation.key} was answered with something that is not its own"


def _answered_id(operation: Operation) -> str:
    definite = operation.definite
    assert definite is not None
    id_ = json.loads(definite.body)["id"]
    assert isinstance(id_, str)
    return id_


def _is_instruction_of(operation: Operation, instruction_id: str, answered_id: str) -> bool:
    if operation.payee is None:
        return UUID(instruction_id).int ^ 1 == UUID(answered_id).int
    return instruction_id == answered_id


def _legs_as_asked(operation: Operation, id_: str, entries: Sequence[Entry]) -> Iterator[str]:
    found = {e.account_id: e.delta for e in entries}
    if operation.payee is None:
        if found.get(operation.payer.wallet_id) != operation.amount:
            yield f"top-up: {operation.key} ({id_}) came to {found}"
        return
    wanted = {
        operation.payer.wallet_id: -operation.amount,
        operation.payee.wallet_id: operation.amount,
    }
    if found != wanted:
        yield f"transfer: {operation.key} ({id_}) came to {found}"


def _answers_are_the_same(history: History) -> Iterator[str]:
    for operation in history.operations:
        answers = {_lasting(a.body, a.status) for a in operation.attempts if a.is_definite}
        if len(answers) > 1:
            yield f"answers: {operation.key} was answered in {len(answers)} ways: {answers}"


def _lasting(body: bytes, status: int) -> bytes:
    """Return what must be the same each time: all of a success, all but the id of a problem."""
    if status == 201:
        return body
    document = json.loads(body)
    document.pop("request_id", None)
    return json.dumps(document, sort_keys=True).encode()


def _keys_cannot_be_reused(misuses: Sequence[Misuse]) -> Iterator[str]:
    for misuse in misuses:
        attempt = misuse.attempt
        if attempt.status == 201 or (attempt.status == 422 and attempt.word != REUSED):
            yield f"reused: {misuse.operation.key} with another body: {attempt.status}"


REUSED = "idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class _Window:
    """One account: its balances, and which versions must and may be visible at a moment."""

    account_id: str
    after: Sequence[int]
    spans: Sequence[tuple[int, int, int]]
    ends: Sequence[int]
    end_versions: Sequence[int]
    starts: Sequence[int]
    start_versions: Sequence[int]

    def lowest(self, started_ns: int) -> int:
        """The version that something begun at that moment had to see at least."""
        found = bisect.bisect_left(self.ends, started_ns)
        return self.end_versions[found - 1] if found else 0

    def highest(self, ended_ns: int) -> int:
        """The version that something ended at that moment could see at most."""
        found = bisect.bisect_right(self.starts, ended_ns)
        return self.start_versions[found - 1] if found else 0


def _windows(history: History, streams: Mapping[str, Sequence[Entry]]) -> dict[str, _Window]:
    spans: dict[str, tuple[int, int]] = {}
    for operation in history.accepted():
        spans[_answered_id(operation)] = (operation.started_ns, operation.known_ns)
    windows = {}
    for account_id, stream in streams.items():
        known = [(e.version, *spans[e.instruction_id]) for e in stream if e.instruction_id in spans]
        ends, end_versions = _running([(end, version) for version, _, end in known])
        starts, start_versions = _running([(start, version) for version, start, _ in known])
        after = [0, *(e.after for e in stream)]
        windows[account_id] = _Window(
            account_id, after, known, ends, end_versions, starts, start_versions
        )
    return windows


def _running(moments: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return the moments in order, and the highest version up to each."""
    times: list[int] = []
    versions: list[int] = []
    for time_ns, version in sorted(moments):
        times.append(time_ns)
        versions.append(max(version, versions[-1] if versions else 0))
    return times, versions


def _order_is_real(windows: Mapping[str, _Window]) -> Iterator[str]:
    """What had ended before another began must have the lower version."""
    for window in windows.values():
        latest_start_ns = 0
        for version, start_ns, end_ns in sorted(window.spans):
            if end_ns < latest_start_ns:
                yield f"order: {window.account_id}:{version} ended before one below it began"
                break
            latest_start_ns = max(latest_start_ns, start_ns)


def _refusals_are_justified(
    history: History, books: Books, windows: Mapping[str, _Window]
) -> Iterator[str]:
    facts = {(i.scope, i.digest): i.available for i in books.instructions}
    for operation in history.operations:
        definite = operation.definite
        if definite is None or definite.word != "insufficient-funds":
            continue
        available = facts.get((operation.payer.scope, operation.digest))
        window = windows.get(operation.payer.wallet_id)
        seen = [0]
        if window is not None:
            low = window.lowest(operation.started_ns)
            seen = list(window.after[low : window.highest(operation.known_ns) + 1])
        if available not in seen or available is None or available >= operation.amount:
            yield f"unjustified: {operation.key} of {operation.amount} with {available}"


def _readings_are_current(
    readings: Sequence[Reading], windows: Mapping[str, _Window]
) -> Iterator[str]:
    for reading in readings:
        window = windows.get(reading.wallet_id)
        if window is None:
            if (reading.version, reading.posted) != (0, 0):
                yield f"reading: {reading} of a wallet without entries"
            continue
        low, high = window.lowest(reading.started_ns), window.highest(reading.ended_ns)
        if not low <= reading.version <= high:
            yield f"stale: {reading} is not within {low} … {high}"
        elif window.after[reading.version] != reading.posted:
            yield f"reading: {reading}, it was {window.after[reading.version]}"
