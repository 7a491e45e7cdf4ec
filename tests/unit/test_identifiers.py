"""Identifiers: never the same twice, in a forked child neither."""

import os

from wallet.infrastructure.identifiers import _RandomBytes, new_id


def test_random_bytes_are_never_given_twice_and_are_as_many_as_asked_for() -> None:
    source = _RandomBytes()
    taken = [source.take(10) for _ in range(5_000)]
    assert {len(one) for one in taken} == {10}
    assert len(set(taken)) == 5_000
    assert len(source.take(10_000)) == 10_000


def test_a_forked_child_makes_other_identifiers_than_its_parent() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().bytes[6:])
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 10)
    os.close(reading)
    os.close(writing)
    # The random part, for the time may differ.
    assert new_id().bytes[6:] != theirs
