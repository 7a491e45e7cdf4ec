"""Log lines hold no secrets and break no lines; metrics of several processes are one sum."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Header, Request
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from wallet.api.middleware import Edge, current_request_id
from wallet.api.problems import install_problems
from wallet.infrastructure.telemetry import (
    LINES_MAX,
    BufferedOutput,
    Logs,
    Metrics,
    configure_logs,
    mask,
)


class Written:
    """Logs that go to memory, and the lines that arrived there."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.BytesIO()
        self.logs: Logs = configure_logs(stream=self.stream, **options)

    def text(self) -> str:
        self.logs.flush()
        return self.stream.getvalue().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def write() -> Iterator[Callable[..., Written]]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:], logging.raiseExceptions)
    made: list[Written] = []

    def make(**options: Any) -> Written:
        made.append(Written(**options))
        return made[-1]

    yield make
    for written in made:
        written.logs.close()
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logging.raiseExceptions = before[2]


Write = Callable[..., Written]


def test_a_line_is_one_json_object_with_time_and_level(write: Write) -> None:
    written = write()
    written.logs.logger.info("started", port=4000, ready=True, share=0.5, nothing=None)
    [line] = written.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "started",
        "level": "info",
        "port": 4000,
        "ready": True,
        "share": 0.5,
        "nothing": None,
    }


def test_lines_below_the_level_are_not_written(write: Write) -> None:
    written = write(level="warning")
    written.logs.logger.info("quiet")
    written.logs.logger.warning("loud")
    assert [line["event"] for line in written.lines()] == ["loud"]


def test_a_line_knows_its_request(write: Write) -> None:
    written = write(request_id=lambda: "r-1")
    written.logs.logger.info("first")
    written.logs.logger.info("second", request_id="r-2")
    assert [line["request_id"] for line in written.lines()] == ["r-1", "r-2"]


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password", "passwd", "token", "access_token", "secret", "client_secret",
        "Authorization", "cookie", "set-cookie", "otp", "totp_code", "key", "api_key",
        "idempotency-key", "private_key", "database_dsn", "signature", "X-CSRF-Token", "apikey",
    ],
)  # fmt: skip
def test_what_is_named_like_a_secret_is_redacted(write: Write, name: str) -> None:
    written = write()
    written.logs.logger.info("x", **{name: "marked"}, nested={name: ["marked"]})
    assert "marked" not in written.text()
    assert written.lines()[0][name] == "[redacted]"
    assert written.lines()[0]["nested"] == {name: "[redacted]"}


@pytest.mark.parametrize("name", ["monkey", "route", "passed", "method", "keyboard", "pinned"])
def test_what_only_looks_a_little_like_a_secret_is_kept(write: Write, name: str) -> None:
    written = write()
    written.logs.logger.info("x", **{name: "kept"})
    assert written.lines()[0][name] == "kept"


def test_secrets_in_headers_as_asgi_has_them_are_redacted(write: Write) -> None:
    written = write()
    headers = [(b"authorization", b"Bearer marked"), (b"accept", b"*/*"), (b"cookie", b"marked")]
    written.logs.logger.info("x", headers=headers)
    assert written.lines()[0]["headers"] == [
        ["authorization", "[redacted]"],
        ["accept", "*/*"],
        ["cookie", "[redacted]"],
    ]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ann@example.com", "a***@e***.com"),
        ("to Ann <ann.b+c@mail.example.co.uk>!", "to Ann <a***@m***.uk>!"),
        ("Key (email)=(ann@example.com) exists", "Key (email)=(a***@e***.com) exists"),
        ("Bearer abc.def-ghi", "[redacted]"),
        ("got eyJhbGciOi.eyJzdWIi.c2ln here", "got [redacted] here"),
        ("postgresql://me:hidden@localhost/x", "postgresql://[redacted]@localhost/x"),
        (f"key wk_{'0aZ' * 16}0.", "key [redacted]."),
        (f"wk_{'0' * 16}", "[redacted]"),
        ("walk_wk_of_life wk_short", "walk_wk_of_life wk_short"),
        ("user@localhost", "user@localhost"),
        ("3 @ 4", "3 @ 4"),
    ],
)
def test_e_mail_addresses_and_tokens_are_masked_in_texts(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_masking_a_hostile_text_takes_no_time() -> None:
    start = time.monotonic()
    for text in (
        "a" * 1_000_000,
        "a@" * 500_000,
        "://a:" * 200_000,
        "eyJ." * 250_000,
        "wk_" * 300_000,
    ):
        mask(text)
    assert time.monotonic() - start < 2


def test_e_mail_addresses_are_masked_wherever_they_stand(write: Write) -> None:
    written = write()
    person = {"emails": ["ann@example.com"], "first": object()}
    written.logs.logger.info("mail to ann@example.com", person=person, raw=b"ann@example.com")
    assert "ann@" not in written.text()
    assert written.lines()[0]["event"] == "mail to a***@e***.com"


def test_line_breaks_and_control_characters_stay_inside_their_line(write: Write) -> None:
    written = write()
    written.logs.logger.info('x\r\n{"event":"forged"}', note="a\nb\u2028\x1b[31m\x00")
    assert len(written.text().split("\n")) == 2
    assert "\r" not in written.text()
    assert "\x1b" not in written.text()
    assert [line["event"] for line in map(json.loads, written.text().strip().split("\n"))] == [
        'x\r\n{"event":"forged"}'
    ]


def test_what_json_cannot_hold_is_written_all_the_same(write: Write) -> None:
    written = write()
    written.logs.logger.info("x", text="lone \ud800", number=10**40)
    assert written.lines()[0]["number"] == "1" + "0" * 40


def test_deep_and_long_values_are_cut(write: Write) -> None:
    written = write()
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    written.logs.logger.info("x", deep=deep, long=list(range(10_000)))
    assert len(written.text()) < 1000


def test_an_exception_shows_its_place_but_no_text_of_a_caller(write: Write) -> None:
    written = write()
    try:
        try:
            int("marked-secret")
        except ValueError as error:
            raise RuntimeError("marked-secret") from error
    except RuntimeError as error:
        written.logs.logger.error("crash", exc_info=error)
    assert "marked-secret" not in written.text()
    exception = written.lines()[0]["exception"]
    assert "builtins.RuntimeError\n" in exception
    assert "caused by\nbuiltins.ValueError\n" in exception
    assert "test_telemetry.py" in exception


def test_an_exception_of_the_operating_system_keeps_its_words(write: Write) -> None:
    written = write()
    error = ConnectionRefusedError(111, "Connection refused")
    written.logs.logger.error("down", exc_info=error)
    assert "Connection refused" in written.lines()[0]["exception"]


def test_development_sees_the_words_of_every_exception(write: Write) -> None:
    written = write(exception_messages=True)
    written.logs.logger.error("crash", exc_info=ValueError("for ann@example.com"))
    assert written.lines()[0]["exception"] == "builtins.ValueError: for a***@e***.com"


def test_the_standard_librarys_loggers_end_in_the_same_lines(write: Write) -> None:
    written = write()
    logging.getLogger("uvicorn.error").info("Started with %s", "ann@example.com")
    logging.getLogger("other").info("too quiet")
    logging.getLogger("other").warning("heard")
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s"', "a", "/x?ticket=marked")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <marked>")
    assert [(line["logger"], line["level"], line["event"]) for line in written.lines()] == [
        ("uvicorn.error", "info", "Started with a***@e***.com"),
        ("other", "warning", "heard"),
        ("asyncio", "error", "Task exception was never retrieved"),
    ]
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_lines_arrive_without_being_asked_for(write: Write) -> None:
    written = write()
    written.logs.logger.info("soon")
    deadline = time.monotonic() + 2
    while not written.stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert b"soon" in written.stream.getvalue()


def test_the_last_lines_are_written_at_the_end_of_the_process() -> None:
    program = (
        "from wallet.infrastructure.telemetry import configure_logs\n"
        "configure_logs().logger.info('last words')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(done.stdout)["event"] == "last words"


def test_a_reader_that_stalls_costs_lines_and_never_time() -> None:
    stream = io.BytesIO()
    output = BufferedOutput(stream)
    with output.lock:
        for _ in range(LINES_MAX + 5):
            output.write(b"{}\n")
    output.close()
    *_, last = stream.getvalue().splitlines()
    assert json.loads(last) == {"event": "log lines dropped", "level": "warning", "count": 5}


def test_a_stream_that_has_gone_is_no_crash(write: Write) -> None:
    written = write()
    written.logs.logger.info("unheard")
    written.stream.close()
    written.logs.flush()


def test_a_terminal_in_development_gets_lines_for_people(write: Write) -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    logs = configure_logs(stream=terminal, human=True)
    logs.logger.info("hello", password="marked")
    logs.close()
    assert b"hello" in terminal.getvalue()
    assert b"marked" not in terminal.getvalue()
    assert not terminal.getvalue().startswith(b"{")


class SignUp(BaseModel):
    email: str
    password: str
    amount: int


async def test_marked_secrets_of_a_request_reach_no_line_even_when_it_crashes(
    write: Write,
) -> None:
    written = write(request_id=current_request_id)
    logger = written.logs.logger
    app = FastAPI()
    install_problems(app, log_crash=logger.error)
    metrics = Metrics()
    app.add_middleware(Edge, log=logger.info, log_crash=logger.error, observe=metrics.request)

    @app.post("/people/{name}")
    async def sign_up(name: str, body: SignUp, request: Request, agent: str = Header("")) -> None:
        logger.warning("odd", body=body.model_dump(), headers=request.scope["headers"])
        raise ValueError(f"marked {name} {body!r} {request.headers!r}")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
        good = {"email": "marked@example.com", "password": "marked", "amount": 1}
        bad = {**good, "amount": "marked", "marked": "marked"}
        headers = {
            "Authorization": "Bearer marked",
            "Cookie": "a=marked",
            "Idempotency-Key": "marked",
        }
        for body in (good, bad):
            url = "/people/marked?token=marked"
            response = await client.post(url, json=body, headers=headers)
            assert response.json()["request_id"] == response.headers["x-request-id"]
        await client.get("/marked/path?marked=marked", headers=headers)
    assert "marked" not in written.text()
    assert "marked" not in metrics.render()[0].decode()
    assert [(line["event"], line.get("status")) for line in written.lines()] == [
        ("odd", None),
        ("internal-error", None),
        ("request", 500),
        ("request", 422),
        ("request", 404),
    ]
    assert len({line["request_id"] for line in written.lines()[:3]}) == 1


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def count_something(metrics: Metrics) -> None:
    metrics.request("POST", "/wallets/transfer", 201, 0.004)
    metrics.request("POST", "/wallets/transfer", 204, 0.3)
    metrics.request("GET", "/wallets", 404, 0.001)
    metrics.instruction("transfer", "accepted", 30)
    metrics.instruction("transfer", "insufficient-funds")
    metrics.batch(31)
    metrics.queue_depth(7)
    metrics.pool(2, 1)
    metrics.guard_refused("log-in")


def expected(processes: int) -> dict[tuple[str, ...], float]:
    return {
        ("wallet_http_requests_total", "/wallets/transfer", "2xx", "POST"): 2.0 * processes,
        ("wallet_http_requests_total", "/wallets", "4xx", "GET"): 1.0 * processes,
        ("wallet_http_request_duration_seconds_count", "/wallets/transfer", "POST"): 2.0
        * processes,
        ("wallet_http_request_duration_seconds_bucket", "/wallets/transfer", "0.005", "POST"): 1.0
        * processes,
        ("wallet_instructions_total", "accepted", "transfer"): 30.0 * processes,
        ("wallet_instructions_total", "insufficient-funds", "transfer"): 1.0 * processes,
        ("wallet_batch_size_bucket", "32.0"): 1.0 * processes,
        ("wallet_queue_depth",): 7.0 * processes,
        ("wallet_database_connections", "busy"): 2.0 * processes,
        ("wallet_database_connections", "idle"): 1.0 * processes,
        ("wallet_guard_refusals_total", "log-in"): 1.0 * processes,
    }


def test_one_process_counts_on_its_own() -> None:
    metrics = Metrics()
    count_something(metrics)
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert expected(1).items() <= samples(text).items()


PROGRAM = """
import sys
from pathlib import Path
from wallet.infrastructure.telemetry import Metrics
sys.path.insert(0, str(Path.cwd()))
from tests.unit.test_telemetry import count_something
metrics = Metrics()
count_something(metrics)
metrics.flush()
print("counted", flush=True)
sys.stdin.readline()
sys.stdout.buffer.write(metrics.render()[0])
"""


async def test_metrics_of_two_processes_are_summed_and_a_dead_ones_gauges_are_forgotten(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "metrics"
    setup = (
        "import sys, os; from pathlib import Path\n"
        "from wallet.infrastructure.telemetry import *\n"
        "prepare_metrics_directory(Path(sys.argv[1]))\n"
        "assert os.environ['PROMETHEUS_MULTIPROC_DIR'] == sys.argv[1]"
    )
    directory.mkdir()
    (directory / "counter_1.db").write_bytes(b"left by an earlier run")
    subprocess.run([sys.executable, "-c", setup, str(directory)], check=True)  # noqa: ASYNC221
    assert list(directory.iterdir()) == []
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    pipe = asyncio.subprocess.PIPE
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, stdin=pipe, stdout=pipe, env=environment
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"counted\n"
    answers = [await worker.communicate(b"render\n") for worker in workers]
    for text, _ in answers:
        assert expected(2).items() <= samples(text).items()
    autopsy = (
        "import sys; from wallet.infrastructure.telemetry import *\n"
        "forget_process(int(sys.argv[1]))\n"
        "sys.stdout.buffer.write(Metrics().render()[0])"
    )
    last = await asyncio.create_subprocess_exec(
        sys.executable, "-c", autopsy, str(workers[0].pid), stdout=pipe, env=environment
    )
    summed = samples((await last.communicate())[0])
    assert summed["wallet_queue_depth",] == 7.0
    assert summed["wallet_http_requests_total", "/wallets", "4xx", "GET"] == 2.0
