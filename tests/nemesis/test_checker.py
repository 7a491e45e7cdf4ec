"""The checker catches what must not be: every planted violation, and nothing in a sound run."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from tests.nemesis.bank import Attempt, Customer, History, Misuse, Operation, Reading
from tests.nemesis.checker import Books, Entry, Instruction, violations

ALICE = Customer("alice", "a", "wallet-a", "token", "refresh")
BOB = Customer("bob", "b", "wallet-b", "token", "refresh")
FUNDING = str(UUID(int=10))


def _ok(id_: str, start: int, end: int) -> Attempt:
    return Attempt(start, end, 201, json.dumps({"id": id_}).encode())


def _refused(start: int, end: int) -> Attempt:
    body = json.dumps({"code": "insufficient-funds", "request_id": str(start)}).encode()
    return Attempt(start, end, 422, body, "insufficient-funds")


def _sound() -> tuple[History, Books]:
    """A top-up of 100, two payments of 30 and 20, a refusal of 60, and readings in between."""
    history = History(
        operations=[
            Operation("top", ALICE, None, 100, [_ok(FUNDING, 1, 2)]),
            Operation("one", ALICE, BOB, 30, [_ok("t1", 3, 4), _ok("t1", 9, 10)]),
            Operation("two", ALICE, BOB, 20, [Attempt(5, 6, 503), _ok("t2", 7, 8)]),
            Operation("big", ALICE, BOB, 60, [_refused(11, 12), _refused(13, 14)]),
        ],
        readings=[Reading("wallet-a", 2, 70, 4, 5), Reading("wallet-b", 2, 50, 9, 10)],
    )
    history.misuses.append(
        Misuse(history.operations[1], Attempt(11, 12, 422, b"", "idempotency-key-reused"))
    )
    books = Books(
        entries=[
            Entry("system", 1, FUNDING, -100, -100),
            Entry("wallet-a", 1, FUNDING, 100, 100),
            Entry("wallet-a", 2, "t1", -30, 70),
            Entry("wallet-a", 3, "t2", -20, 50),
            Entry("wallet-b", 1, "t1", 30, 30),
            Entry("wallet-b", 2, "t2", 20, 50),
        ],
        instructions=[
            Instruction(str(UUID(int=11)), "person:a", history.operations[0].digest),
            Instruction("t1", "person:a", history.operations[1].digest),
            Instruction("t2", "person:a", history.operations[2].digest),
            Instruction("r", "person:a", history.operations[3].digest, "insufficient-funds", 50),
        ],
        accounts={"system": (-100, 1), "wallet-a": (50, 3), "wallet-b": (50, 2)},
    )
    return history, books


def test_nothing_is_wrong_with_a_sound_run() -> None:
    assert violations(*_sound()) == []


def _entry(place: int, **changes: object) -> Callable[[History, Books], None]:
    def plant(_: History, books: Books) -> None:
        books.entries[place] = replace(books.entries[place], **changes)  # type: ignore[arg-type]

    return plant


def _lose_a_transfer(_: History, books: Books) -> None:
    books.entries = [e for e in books.entries if e.instruction_id != "t2"]
    books.instructions = [i for i in books.instructions if i.id != "t2"]
    books.accounts |= {"wallet-a": (70, 2), "wallet-b": (30, 1)}


def _lose_a_leg(_: History, books: Books) -> None:
    del books.entries[5]
    books.accounts["wallet-b"] = (30, 1)


def _do_it_twice(_: History, books: Books) -> None:
    books.entries += [Entry("wallet-a", 4, "t3", -20, 30), Entry("wallet-b", 3, "t3", 20, 70)]
    books.instructions.append(Instruction("t3", "person:a", b"another"))
    books.accounts |= {"wallet-a": (30, 4), "wallet-b": (70, 3)}


def _leave_a_gap(_: History, books: Books) -> None:
    books.entries[3] = replace(books.entries[3], version=4)


def _forget_the_balance(_: History, books: Books) -> None:
    books.accounts["wallet-b"] = (51, 2)


def _swap_the_order(_: History, books: Books) -> None:
    a1, a2, b1, b2 = books.entries[2], books.entries[3], books.entries[4], books.entries[5]
    books.entries[2:] = [
        replace(a2, version=2, after=80),
        replace(a1, version=3, after=50),
        replace(b2, version=1, after=20),
        replace(b1, version=2, after=50),
    ]


def _answer_in_two_ways(history: History, _: Books) -> None:
    history.operations[1].attempts[1] = Attempt(9, 10, 201, b'{"id": "t1", "more": 1}')


def _refuse_in_two_ways(history: History, _: Books) -> None:
    history.operations[3].attempts[1] = Attempt(13, 14, 422, b'{"code": "x"}', "insufficient-funds")


def _answer_with_another(history: History, _: Books) -> None:
    history.operations[1].attempts = [_ok("t2", 3, 4)]


def _leave_undecided(history: History, _: Books) -> None:
    history.operations[2].attempts = [Attempt(5, 6, 503)]


def _refuse_without_reason(_: History, books: Books) -> None:
    books.instructions[3] = replace(books.instructions[3], available=60)


def _refuse_on_what_never_was(_: History, books: Books) -> None:
    books.instructions[3] = replace(books.instructions[3], available=45)


def _refuse_on_what_is_long_past(history: History, books: Books) -> None:
    history.operations[3].attempts = [_refused(15, 16)]
    history.operations[3].amount = 101
    books.instructions[3] = replace(books.instructions[3], available=100)


def _carry_out_what_was_refused(_: History, books: Books) -> None:
    books.instructions[3] = replace(books.instructions[3], refusal=None)


def _read_the_past(history: History, _: Books) -> None:
    history.readings.append(Reading("wallet-a", 1, 100, 9, 10))


def _read_the_future(history: History, _: Books) -> None:
    history.readings.append(Reading("wallet-a", 3, 50, 4, 4))


def _read_what_never_was(history: History, _: Books) -> None:
    history.readings.append(Reading("wallet-a", 3, 51, 9, 10))


def _accept_a_used_key(history: History, _: Books) -> None:
    history.misuses[0].attempt = Attempt(11, 12, 201)


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        (_entry(4, delta=31), "legs"),
        (_entry(3, after=51), "balance"),
        (_entry(5, account_id="wallet-c"), "transfer"),
        (_lose_a_transfer, "lost"),
        (_lose_a_leg, "legs"),
        (_do_it_twice, "unasked"),
        (_do_it_twice, "unclaimed"),
        (_leave_a_gap, "gap"),
        (_forget_the_balance, "account"),
        (_swap_the_order, "order"),
        (_answer_in_two_ways, "answers"),
        (_refuse_in_two_ways, "answers"),
        (_answer_with_another, "other"),
        (_answer_with_another, "twice"),
        (_leave_undecided, "undecided"),
        (_refuse_without_reason, "unjustified"),
        (_refuse_on_what_never_was, "unjustified"),
        (_refuse_on_what_is_long_past, "unjustified"),
        (_carry_out_what_was_refused, "refusal"),
        (_read_the_past, "stale"),
        (_read_the_future, "stale"),
        (_read_what_never_was, "reading"),
        (_accept_a_used_key, "reused"),
    ],
)
def test_a_planted_violation_is_caught(plant: Callable[[History, Books], None], word: str) -> None:
    history, books = _sound()
    plant(history, books)
    found = {violation.partition(":")[0] for violation in violations(history, books)}
    assert word in found
