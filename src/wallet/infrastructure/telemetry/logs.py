"""Logs: one JSON line per event.

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
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
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
MARKS = ("@", "eyJ", " ", "wk_", "__Host-")
"""What a text has one of that may hold something to be masked."""
NOT_SECRET = frozenset({"api_key_id"})
E_MAIL = re.compile(r"([^\s@\"'<>(),:;=/]{1,64})@([A-Za-z0-9\-]{1,63})((?:\.[A-Za-z0-9\-]{1,63})+)")
TOKENS = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=\-]+"
    r"|eyJ[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)*"
    r"|__Host-wallet=[^;\s]*"
    r"|(?<![0-9A-Za-z_])wk_[0-9A-Za-z]{16,}"
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
        # A forked child has none of our threads, and what is held here is its parent's to write.
        os.register_at_fork(after_in_child=self._forget)

    def write(self, line: bytes) -> int:
        """Take one line."""
        if self.thread is None:
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
        if self.thread is not None:
            self.thread.join(timeout=1.0)
        self.drain()
        atexit.unregister(self.drain)

    def _start(self) -> None:
        """Start the thread, with the first line of a process."""
        atexit.unregister(self.drain)
        atexit.register(self.drain)
        self.thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.thread.start()

    def _forget(self) -> None:
        self.lock = threading.Lock()
        self.lines.clear()
        self.dropped = 0
        self.thread = None

    def _run(self) -> None:
        while not self.closing.wait(FLUSH_INTERVAL_S):
            self.drain()


@dataclass(frozen=True, slots=True)
class Logs:
    """What `configure_logs` has set up: the logger for everybody, one for requests, the output.

    A request's line is made of nothing that a caller chose but its id, whose letters are limited,
    so the logger for requests redacts nothing and is three times as fast.
    """

    logger: FilteringBoundLogger
    requests: FilteringBoundLogger
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
    requests = logger
    if renderer is _render_json:
        requests = cast(
            "FilteringBoundLogger",
            structlog.wrap_logger(
                structlog.BytesLogger(cast("BinaryIO", output)),
                processors=[_render_request],
                wrapper_class=structlog.make_filtering_bound_logger(number),
            ).bind(),
        )
    return Logs(logger, requests, output)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace secrets by their name, and mask e-mail addresses and tokens in texts."""
    for name, value in event.items():
        if _means_secret(name):
            event[name] = REDACTED
        elif type(value) is str:
            if any(mark in value for mark in MARKS):
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
    return name not in NOT_SECRET and SECRET_WORDS.search(name) is not None


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


def _render_request(_logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    event["level"] = method
    event["timestamp"] = datetime.now(UTC)
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)


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
