"""Logs and metrics: one JSON line per event, and numbers that are summed over all workers.

Lines are rendered by orjson, held for at most 0.2 seconds and written by a thread, so that a slow
reader of the output never holds up a request. Names that mean a secret are redacted, e-mail
addresses and tokens masked wherever they turn up, and the message of an exception is written only
where it cannot hold what a caller sent. The standard library's loggers (uvicorn, asyncio) end in
the same lines.
"""

import atexit
import logging
import os
import re
import shutil
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

REDACTED: Final = "[redacted]"
FLUSH_INTERVAL_S: Final = 0.2
LINES_MAX: Final = 20_000
TEXT_LENGTH_MAX: Final = 16 * 1024
DEPTH_MAX: Final = 6
ITEMS_MAX: Final = 50

SECRET_WORDS = re.compile(
    r"pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|credential|signature|jwt|bearer"
    r"|(^|[_\-. ])(otp|totp|pin|key|keys|dsn|salt|hash|digest)($|[_\-. ])|apikey|private",
    re.IGNORECASE,
)
E_MAIL = re.compile(r"([^\s@\"'<>(),:;=/]{1,64})@([A-Za-z0-9\-]{1,63})((?:\.[A-Za-z0-9\-]{1,63})+)")
TOKENS = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=\-]+"
    r"|eyJ[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)*"
    r"|(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)"
)
# Their messages speak of the code or of the operating system, never of what a caller sent.
SAFE_EXCEPTIONS = (
    OSError,
    AttributeError,
    NameError,
    ImportError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


class BufferedOutput:
    """A binary stream whose lines a thread of its own writes, 0.2 seconds later at the latest.

    Beyond 20,000 unwritten lines new ones are dropped and counted: a wallet that waits for its
    log's reader would be worse.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.lines: deque[bytes] = deque()
        self.dropped = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.thread: threading.Thread | None = None
        self.process_id = 0

    def write(self, line: bytes) -> int:
        """Take one line."""
        if self.process_id != os.getpid():
            self._start()
        if len(self.lines) >= LINES_MAX:
            self.dropped += 1
        else:
            self.lines.append(line)
        return len(line)

    def flush(self) -> None:
        """Do nothing: structlog calls this after every line, which is what is saved here."""

    def drain(self) -> None:
        """Write what has been taken."""
        with self.lock:
            # Counted first and taken one by one: the other threads go on adding meanwhile.
            lines = [self.lines.popleft() for _ in range(len(self.lines))]
            if self.dropped:
                dropped, self.dropped = self.dropped, 0
                notice = {"event": "log lines dropped", "level": "warning", "count": dropped}
                lines.append(orjson.dumps(notice) + b"\n")
            if not lines:
                return
            try:
                self.stream.write(b"".join(lines))
                self.stream.flush()
            except (OSError, ValueError):
                # The reader has gone or the stream is closed; there is nobody left to tell.
                return

    def close(self) -> None:
        """Write the rest and stop the thread; the stream stays open."""
        self.closing.set()
        if self.thread is not None and self.process_id == os.getpid():
            self.thread.join(timeout=1.0)
        self.drain()
        atexit.unregister(self.drain)

    def _start(self) -> None:
        """Start the thread: with the first line of a process, and again in a forked child."""
        if self.process_id:
            self.lock = threading.Lock()
            self.lines.clear()
            self.dropped = 0
        else:
            atexit.register(self.drain)
        self.process_id = os.getpid()
        self.thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.closing.wait(FLUSH_INTERVAL_S):
            self.drain()


@dataclass(frozen=True, slots=True)
class Logs:
    """What `configure_logs` has set up: the logger for everybody, and the way to the output."""

    logger: FilteringBoundLogger
    output: BufferedOutput

    def flush(self) -> None:
        """Write what is still held back."""
        self.output.drain()

    def close(self) -> None:
        """Write the rest and stop; lines after that are held until the process ends."""
        self.output.close()


def configure_logs(
    *,
    stream: BinaryIO | None = None,
    level: str = "info",
    human: bool = False,
    exception_messages: bool = False,
    request_id: Callable[[], str | None] = lambda: None,
) -> Logs:
    """Set up structlog and the standard library's loggers for this process.

    `stream` is standard output unless given. `human` writes for a person if the stream is a
    terminal (development). `exception_messages` writes every exception's own words (development):
    they may hold what a caller sent. `request_id` tells which request a line belongs to.
    """
    target = stream or sys.stdout.buffer
    output = BufferedOutput(target)
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer = _HumanText() if human and target.isatty() else _render_json
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _RequestId(request_id),
        _ExceptionText(exception_messages),
        redact,
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", output)),
        cache_logger_on_first_use=False,
    )
    logger = cast("FilteringBoundLogger", structlog.get_logger().bind())
    _route_standard_library(logger, number)
    return Logs(logger, output)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace secrets by their name, and mask e-mail addresses and tokens in texts."""
    for name, value in event.items():
        if _means_secret(name):
            event[name] = REDACTED
        elif type(value) is str:
            if "@" in value or "eyJ" in value or " " in value:
                event[name] = mask(value)
        elif type(value) not in _PLAIN:
            event[name] = _clean(value, 0)
    return event


def mask(text: str) -> str:
    """Return a text with `a***@e***.com` for e-mail addresses and without tokens."""
    text = TOKENS.sub(REDACTED, text[:TEXT_LENGTH_MAX])
    return E_MAIL.sub(_masked_e_mail, text) if "@" in text else text


_PLAIN: Final = frozenset({int, float, bool, type(None)})


@lru_cache(maxsize=1024)
def _means_secret(name: str) -> bool:
    return SECRET_WORDS.search(name) is not None


def _masked_e_mail(match: re.Match[str]) -> str:
    local, host, rest = match.groups()
    return f"{local[0]}***@{host[0]}***.{rest.rsplit('.', 1)[1]}"


def _clean(value: object, depth: int) -> object:
    """Return a value as plain data without secrets; what is too deep or too long is cut."""
    if type(value) in _PLAIN:
        return value
    if depth >= DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(name): REDACTED if _means_secret(str(name)) else _clean(inner, depth + 1)
            for name, inner in list(value.items())[:ITEMS_MAX]
        }
    if isinstance(value, tuple | list) and len(value) == 2 and _means_secret(_text(value[0])):
        # A header as ASGI has it.
        return [_text(value[0]), REDACTED]
    if isinstance(value, tuple | list | set | frozenset):
        return [_clean(inner, depth + 1) for inner in list(value)[:ITEMS_MAX]]
    return mask(_text(value))


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class _RequestId:
    """Adds the id of the request that a line was written for."""

    def __init__(self, request_id: Callable[[], str | None]) -> None:
        self.request_id = request_id

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if "request_id" not in event and (name := self.request_id()) is not None:
            event["request_id"] = name
        return event


class _ExceptionText:
    """Turns `exc_info` into the class, the place and, where that is safe, the message."""

    def __init__(self, messages: bool) -> None:
        self.messages = messages

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        error = event.pop("exc_info", None)
        if error is None or error is False:
            return event
        if error is True:
            error = sys.exc_info()[1]
        elif isinstance(error, tuple):
            error = error[1]
        if isinstance(error, BaseException):
            event["exception"] = self._describe(error)
        return event

    def _describe(self, error: BaseException) -> str:
        parts: list[str] = []
        link: BaseException | None = error
        while link is not None and len(parts) < 5:
            name = f"{type(link).__module__}.{type(link).__qualname__}"
            words = str(link) if self.messages or isinstance(link, SAFE_EXCEPTIONS) else ""
            state = getattr(link, "sqlstate", None)
            title = f"{name}{f' [{state}]' if state else ''}{f': {words}' if words else ''}"
            frames = traceback.extract_tb(link.__traceback__)[-30:]
            places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
            parts.append("\n".join([title, *places]))
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        return "\ncaused by\n".join(parts)


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Lone surrogates and huge integers cannot be written as they are.
        return orjson.dumps({name: ascii(value) for name, value in event.items()})


class _HumanText:
    """Renders lines for a person at a terminal."""

    def __init__(self) -> None:
        self.renderer = structlog.dev.ConsoleRenderer()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return str(self.renderer(logger, method, event)).encode("utf-8", "replace")


class _StandardLibraryBridge(logging.Handler):
    """Writes records of the standard library's loggers as events."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self.logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        text = record.getMessage()
        if '"WebSocket ' in text:
            # uvicorn writes the address with its query string there.
            return
        if record.name == "asyncio":
            # It goes on with the representation of objects, which may hold what a caller sent.
            text = re.split(r"[<(\n]", text, maxsplit=1)[0]
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exc_info"] = record.exc_info[1]
        self.logger.log(record.levelno, text.rstrip(), **fields)


def _route_standard_library(logger: FilteringBoundLogger, level: int) -> None:
    logging.raiseExceptions = False
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _StandardLibraryBridge):
            root.removeHandler(handler)
    root.addHandler(_StandardLibraryBridge(logger))
    root.setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        chatty = logging.getLogger(name)
        chatty.handlers.clear()
        chatty.propagate = True
        chatty.setLevel(level)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def prepare_metrics_directory(directory: Path) -> None:
    """Make the workers sum their metrics in this directory; the parent calls it before they start.

    What workers of an earlier run left there is thrown away.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def forget_process(process_id: int) -> None:
    """Take a dead worker's gauges out of the sum; the parent calls it."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(process_id)  # type: ignore[no-untyped-call]


SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The numbers of this process; the composition root hands its methods to those who count.

    With PROMETHEUS_MULTIPROC_DIR set, they live in files and `render` sums all workers.
    """

    def __init__(self) -> None:
        # prometheus_client decides at its import whether it sums over processes, so it must not be
        # imported before the parent process has set the directory.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        common: dict[str, Any] = {"namespace": "wallet", "registry": self.registry}
        gauge: dict[str, Any] = {**common, "multiprocess_mode": "livesum"}
        route = ("method", "route", "status")
        self.requests = Counter("http_requests", "HTTP requests.", route, **common)
        self.durations = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=SECONDS_BUCKETS,
            **common,
        )
        self.instructions = Counter(
            "instructions", "Instructions carried out.", ("kind", "outcome"), **common
        )
        self.batches = Histogram(
            "batch_size", "Instructions per ledger transaction.", buckets=BATCH_BUCKETS, **common
        )
        self.queue = Gauge("queue_depth", "Instructions that wait for a batch.", **gauge)
        self.connections = Gauge(
            "database_connections", "Connections of the pool.", ("state",), **gauge
        )
        self.refusals = Counter(
            "guard_refusals", "Requests refused by a guard.", ("guard",), **common
        )
        self.children: MutableMapping[tuple[str, str, int], tuple[Any, Any]] = {}

    def request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one HTTP request; `route` is a template, `status` is kept as its class."""
        key = (method, route, status // 100)
        children = self.children.get(key)
        if children is None:
            # Looking a child up costs more than counting does.
            children = self.children[key] = (
                self.requests.labels(method, route, f"{status // 100}xx"),
                self.durations.labels(method, route),
            )
        children[0].inc()
        children[1].observe(duration_s)

    def instruction(self, kind: str, outcome: str, count: int = 1) -> None:
        """Count instructions of a kind by outcome: accepted, or the code of the refusal."""
        self.instructions.labels(kind, outcome).inc(count)

    def batch(self, size: int) -> None:
        """Note how many instructions shared one ledger transaction."""
        self.batches.observe(size)

    def queue_depth(self, depth: int) -> None:
        """Set how many instructions of this process wait for a batch."""
        self.queue.set(depth)

    def pool(self, busy: int, idle: int) -> None:
        """Set how many of this process's database connections are in use and idle."""
        self.connections.labels("busy").set(busy)
        self.connections.labels("idle").set(idle)

    def guard_refused(self, guard: str) -> None:
        """Count one refusal of a guard or of the throughput limit."""
        self.refusals.labels(guard).inc()

    def render(self) -> tuple[bytes, str]:
        """Return (text, content type) for Prometheus, summed over all workers if there are any."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
