"""When a request is sent again, and what a call ends with: the rules, without a network."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from wallet_sdk import ConnectionFailed, OutcomeUnknown, ProblemError, Retries, problems
from wallet_sdk._operations import Operation, segment
from wallet_sdk._retries import Attempts
from wallet_sdk.errors import Rejected, problem_of

READ: Operation[None] = Operation(
    id="getThing",
    method="GET",
    path="/thing",
    parse=lambda _: None,
    authenticated=True,
    takes_key=False,
)
CHANGE = replace(READ, id="signUp", method="POST")
PAY = replace(READ, id="createTransfer", method="POST", takes_key=True).with_key("lunch")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def attempts(operation: Operation[Any], retries: Retries | None = None) -> tuple[Attempts, Clock]:
    clock = Clock()
    begun = Attempts(operation, retries or Retries(), clock=clock, jitter=lambda: 1.0)
    begun.timeout()
    return begun, clock


def answer(status: int, code: str = "", **headers: str) -> httpx.Response:
    document = {"code": code, "title": "A title", "detail": "A detail", "status": status}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status, json=document, headers={"content-type": "application/problem+json", **more}
    )


@pytest.mark.parametrize("operation", [READ, PAY])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_reads_and_payments_are_repeated_after_an_outage(
    operation: Operation[None], status: int
) -> None:
    begun, _ = attempts(operation)
    assert begun.answered(answer(status)) == 0.2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
@pytest.mark.parametrize("operation", [READ, PAY, CHANGE])
def test_a_definite_answer_is_not_repeated(operation: Operation[None], status: int) -> None:
    begun, _ = attempts(operation)
    with pytest.raises(ProblemError) as raised:
        begun.answered(answer(status, "some-code"))
    assert raised.value.status == status


@pytest.mark.parametrize(
    "code", ["overloaded", "database-unavailable", "deadline-exceeded", "safe-mode"]
)
def test_a_change_without_a_key_is_repeated_if_nothing_was_done(code: str) -> None:
    begun, _ = attempts(CHANGE)
    assert begun.answered(answer(503, code)) == 0.2
    assert attempts(CHANGE)[0].failed(httpx.ConnectError("refused")) == 0.2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_change_without_a_key_that_may_have_happened_is_never_repeated(status: int) -> None:
    begun, _ = attempts(CHANGE)
    with pytest.raises(OutcomeUnknown) as raised:
        begun.answered(answer(status, "outcome-unknown"))
    assert raised.value.idempotency_key is None
    with pytest.raises(OutcomeUnknown):
        attempts(CHANGE)[0].failed(httpx.ReadTimeout("silence"))


def test_waits_double_up_to_a_bound_and_are_random() -> None:
    retries = Retries()
    assert [retries.backoff_s(n, lambda: 1.0) for n in (1, 2, 3, 4, 5, 6, 900)] == [
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        5.0,
        5.0,
    ]
    assert retries.backoff_s(5, lambda: 0.0) == 0.0
    waits = {retries.backoff_s(5) for _ in range(20)}
    assert len(waits) > 10


def test_retry_after_is_the_least_that_is_waited() -> None:
    assert attempts(PAY)[0].answered(answer(429, retry_after="7")) == 7.2
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert attempts(PAY)[0].answered(answer(503, retry_after=past)) == 0.2
    assert attempts(PAY)[0].answered(answer(503, retry_after="soon")) == 0.2


def test_a_wait_that_does_not_fit_ends_the_call_at_once() -> None:
    begun, _ = attempts(CHANGE)
    with pytest.raises(problems.LogInDelayed) as raised:
        begun.answered(answer(429, "log-in-delayed", retry_after="900"))
    assert raised.value.retry_after_s == 900


def test_the_deadline_bounds_all_attempts_together() -> None:
    begun, clock = attempts(READ, Retries(deadline_s=10))
    clock.now_s = 9.9
    assert begun.timeout().read == 0.5
    with pytest.raises(ConnectionFailed):
        begun.failed(httpx.ReadTimeout("silence"))


def test_attempts_are_bounded() -> None:
    begun, _ = attempts(READ, Retries(attempts_max=2))
    assert begun.answered(answer(503)) == 0.2
    begun.timeout()
    with pytest.raises(ProblemError):
        begun.answered(answer(503))


@pytest.mark.parametrize(
    "doubtful",
    [
        httpx.ReadTimeout("silence"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("gone"),
    ],
)
@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_after_a_doubt_only_an_answer_that_settles_the_key_is_definite(
    doubtful: httpx.TransportError, status: int
) -> None:
    begun, _ = attempts(PAY, Retries(attempts_max=2))
    begun.failed(doubtful)
    begun.timeout()
    with pytest.raises(OutcomeUnknown) as raised:
        begun.answered(answer(status, "overloaded" if status == 503 else "some-code"))
    assert raised.value.idempotency_key == "lunch"
    assert raised.value.operation is PAY


def test_after_a_doubt_a_refusal_settles_the_key() -> None:
    begun, _ = attempts(PAY)
    begun.failed(httpx.ReadTimeout("silence"))
    begun.timeout()
    with pytest.raises(problems.InsufficientFunds):
        begun.answered(answer(422, "insufficient-funds"))
    begun, _ = attempts(PAY)
    begun.failed(httpx.ReadTimeout("silence"))
    assert begun.answered(httpx.Response(201)) is None


def test_a_payment_that_never_left_is_not_unknown() -> None:
    begun, _ = attempts(PAY, Retries(attempts_max=1))
    with pytest.raises(ConnectionFailed) as raised:
        begun.failed(httpx.ConnectError("refused"))
    assert raised.value.idempotency_key == "lunch"


def test_a_log_in_that_fails_in_the_middle_leaves_the_payment_unknown() -> None:
    begun, _ = attempts(PAY)
    refused = problem_of(answer(401, "refresh-token-invalid"))
    assert begun.broken(refused) is refused
    begun.failed(httpx.ReadTimeout("silence"))
    assert isinstance(begun.broken(refused), OutcomeUnknown)


@pytest.mark.parametrize("key", ["", "x" * 256, "two\nlines", "K\u00f6nig", "\x7f"])
def test_a_key_that_cannot_be_sent_is_refused_before_anything_is_sent(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        PAY.with_key(key).keyed()


def test_a_key_is_made_for_what_takes_one_and_has_none() -> None:
    without = replace(PAY, headers={})
    made = without.keyed()
    assert made.key is not None
    assert len(made.key) == 36
    assert made.keyed() is not made
    assert made.keyed().key == made.key
    assert CHANGE.keyed().key is None


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a.b", "a.b"),
        ("a/../b", "a%2F..%2Fb"),
        ("ü ?", "%C3%BC%20%3F"),
    ],
)
def test_nothing_in_a_path_leads_to_another_operation(value: str, quoted: str) -> None:
    assert segment(value) == quoted
    assert httpx.URL(f"http://x/sessions/{quoted}").raw_path.decode() == f"/sessions/{quoted}"


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        segment("")


def test_problems_are_told_apart_by_their_code() -> None:
    document = {
        "code": "insufficient-funds",
        "title": "The wallet does not hold enough available money",
        "available": 1200,
        "amount": 2500,
        "currency": "USD",
    }
    error = problem_of(httpx.Response(422, json=document))
    assert isinstance(error, problems.InsufficientFunds)
    assert (error.available, error.amount, error.currency) == (1200, 2500, "USD")


def test_a_code_of_a_newer_service_is_the_class_of_its_status() -> None:
    error = problem_of(answer(422, "moon-phase-unsuitable"))
    assert type(error) is Rejected
    assert error.code == "moon-phase-unsuitable"
    missing = problem_of(answer(422, "insufficient-funds"))
    assert isinstance(missing, problems.InsufficientFunds)
    with pytest.raises(AttributeError, match="came without available"):
        _ = missing.available


@pytest.mark.parametrize("content", [b"<h1>Bad Gateway</h1>", b"", b"[]", b"\xff\xfe"])
def test_a_proxys_page_is_an_error_of_its_status(content: bytes) -> None:
    error = problem_of(httpx.Response(502, content=content))
    assert isinstance(error, problems.Unavailable)
    assert error.code == "status-502"
