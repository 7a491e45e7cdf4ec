"""Server-sent events, in whatever pieces they come; and the place in a stream."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wallet_sdk._events import EVENT_SIZE_MAX, EventParser, ServerEvent
from wallet_sdk.live_events import Entry, Place, StreamBroken

STREAM = (
    "id: w:0\nevent: ready\ndata: {}\n\n"
    ": alive\n\n"
    'id: w:1\r\nevent: entry\r\ndata: {"note": "one\u2028line\u0085with\x0bodd\x1cends"}\r\n\r\n'
    "data:first\ndata: second\n\n"
    "event: nothing\n\n"
).encode()
EVENTS = [
    ServerEvent("ready", "{}", "w:0"),
    ServerEvent("entry", '{"note": "one\u2028line\u0085with\x0bodd\x1cends"}', "w:1"),
    ServerEvent("message", "first\nsecond", "w:1"),
]


@example([STREAM.index(b"\r") + 1] * 2)
@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parser = EventParser()
    found = [event for begin, end in pairwise(edges) for event in parser.feed(STREAM[begin:end])]
    assert found == EVENTS


def test_an_event_without_end_is_cut_off() -> None:
    parser = EventParser()
    with pytest.raises(ValueError, match="too large"):
        for _ in range(10):
            list(parser.feed(b"x" * (EVENT_SIZE_MAX // 5)))


def balance(wallet_id: str, version: int) -> dict[str, object]:
    return {
        "wallet_id": wallet_id,
        "currency": "USD",
        "posted": 0,
        "held": 0,
        "available": 0,
        "version": version,
        "display": "0.00 USD",
    }


def ready(**versions: int) -> ServerEvent:
    balances = [balance(wallet_id, version) for wallet_id, version in versions.items()]
    document = {"balances": balances, "expires_at": "2026-11-22T12:00:00.000000Z"}
    return ServerEvent("ready", json.dumps(document), None)


def entry(wallet_id: str, version: int) -> ServerEvent:
    document = {
        "id": f"{wallet_id}:{version}",
        "balance": balance(wallet_id, version),
        "transaction": None,
    }
    return ServerEvent("entry", json.dumps(document), None)


def test_an_entry_that_was_told_before_is_left_out_and_a_gap_breaks_the_stream() -> None:
    place = Place()
    place.ready(ready(a=3, b=0))
    assert place.entry(entry("a", 3)) is None
    found = place.entry(entry("a", 4))
    assert isinstance(found, Entry)
    assert found.resume_from == "a:4,b:0"
    with pytest.raises(StreamBroken):
        place.entry(entry("a", 6))
    assert str(place) == "a:4,b:0"


def test_a_place_that_was_kept_is_not_moved_by_the_balances_of_today() -> None:
    place = Place.of("a:3")
    assert place.ready(ready(a=9, b=5)).resume_from == "a:3,b:5"


def test_a_wallet_opened_while_the_stream_was_down_is_asked_for_from_its_beginning() -> None:
    place = Place()
    place.ready(ready(a=3))
    with pytest.raises(StreamBroken):
        place.ready(ready(a=3, new=2))
    assert str(place) == "a:3,new:0"
    assert place.ready(ready(a=3, new=2)).resume_from == "a:3,new:0"


@pytest.mark.parametrize("kept", ["a", "a:", "a:-1", "a:x", "a:1,b"])
def test_what_is_no_place_is_refused(kept: str) -> None:
    with pytest.raises(ValueError, match="event id"):
        Place.of(kept)
