"""A person's requests are limited per window, exactly enough and for almost nothing."""

from uuid import UUID

import orjson
import pytest

from wallet.api.problems import problem
from wallet.api.throughput import Decision, Throughput, ThroughputExceeded, parse_limit

ANN = UUID(int=1)
BOB = UUID(int=2)


def test_the_grammar_is_that_of_slowapi() -> None:
    assert parse_limit("1000/10 seconds") == (1000, 10.0)
    assert parse_limit("5 per minute") == (5, 60.0)
    assert parse_limit("60/2 hours") == (60, 7200.0)


@pytest.mark.parametrize(
    "text", ["", "many", "0/second", "-1/second", "1/second;5/minute", "5/eon"]
)
def test_what_is_not_one_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"limit|granularity"):
        parse_limit(text)


def test_the_whole_quota_may_be_used_at_once_and_no_more() -> None:
    throughput = Throughput(3, 10.0, 3)
    assert [throughput.take(ANN, 100.0) for _ in range(4)] == [
        Decision(True, 2, 10),
        Decision(True, 1, 10),
        Decision(True, 0, 10),
        Decision(False, 0, 14),
    ]


def test_each_person_has_a_quota_of_their_own() -> None:
    throughput = Throughput(1, 10.0, 1)
    assert throughput.take(ANN, 0.0).allowed
    assert throughput.take(BOB, 0.0).allowed
    assert not throughput.take(ANN, 0.0).allowed


def test_a_refused_request_is_not_counted() -> None:
    throughput = Throughput(2, 10.0, 2)
    for _ in range(50):
        throughput.take(ANN, 0.0)
    assert throughput.take(ANN, 15.0).allowed


def test_no_window_however_it_lies_admits_much_more_than_the_quota() -> None:
    throughput = Throughput(100, 10.0, 100)
    moments = [tick / 20 for tick in range(2000)]
    admitted = [now for now in moments for _ in range(2) if throughput.take(ANN, now).allowed]
    most = max(sum(1 for now in admitted if start <= now < start + 10) for start in range(90))
    assert 90 <= most <= 110


def test_who_waits_as_long_as_told_is_admitted() -> None:
    throughput = Throughput(10, 10.0, 10)
    now_s = 0.0
    for _ in range(200):
        decision = throughput.take(ANN, now_s)
        if not decision.allowed:
            assert throughput.take(ANN, now_s + decision.reset_s).allowed
            now_s += decision.reset_s
        now_s += 0.01


def test_a_long_pause_renews_the_quota() -> None:
    throughput = Throughput(5, 10.0, 5)
    for _ in range(6):
        throughput.take(ANN, 0.0)
    assert throughput.take(ANN, 25.0) == Decision(True, 4, 10)


def test_persons_who_are_gone_are_forgotten() -> None:
    throughput = Throughput(5, 10.0, 5, persons_max=3)
    for number in range(100):
        throughput.take(UUID(int=number), 0.0)
    assert len(throughput.present) == 3
    throughput.take(ANN, 11.0)
    throughput.take(ANN, 22.0)
    assert (len(throughput.present), len(throughput.before)) == (1, 1)


def test_workers_share_a_limit() -> None:
    throughput = Throughput.of("1000/10 seconds", workers=4)
    assert (throughput.limit, throughput.share, throughput.window_s) == (1000, 250, 10.0)
    assert Throughput.of("2/second", workers=8).share == 1


def test_the_headers_have_the_structured_form_of_the_draft() -> None:
    throughput = Throughput(1000, 10.0, 1000)
    assert throughput.headers(throughput.take(ANN, 0.0)) == [
        (b"ratelimit-policy", b'"default";q=1000;w=10'),
        (b"ratelimit", b'"default";r=999;t=10'),
    ]


def test_a_refusal_leaves_as_429_with_all_its_headers() -> None:
    throughput = Throughput(1, 10.0, 1)
    throughput.require(ANN, 0.0)
    with pytest.raises(ThroughputExceeded) as caught:
        throughput.require(ANN, 4.0)
    status, body, headers = problem(caught.value, instance="/", request_id="r-1")
    assert status == 429
    assert orjson.loads(body)["code"] == "too-many-requests"
    assert headers[2:] == [
        (b"ratelimit-policy", b'"default";q=1;w=10'),
        (b"ratelimit", b'"default";r=0;t=16'),
        (b"retry-after", b"16"),
    ]


def test_a_limit_that_makes_no_sense_is_refused() -> None:
    for limit, window_s, share in ((0, 10.0, 0), (5, 0.0, 5), (5, 10.0, 6)):
        with pytest.raises(ValueError, match="A limit needs"):
            Throughput(limit, window_s, share)
