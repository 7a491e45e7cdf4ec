"""Server-sent events, read from bytes.

Lines end with CR, LF or both and with nothing else: `str.splitlines` (and httpx's `iter_lines`)
would also split at U+2028, which may well stand in the note of a transfer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EVENT_SIZE_MAX = 4 * 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, its data, and the last id that was told up to it."""

    event: str
    data: str
    id: str | None


class EventParser:
    """Bytes in, events out."""

    def __init__(self) -> None:
        self._rest = b""
        self._size = 0
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, content: bytes) -> Iterator[ServerEvent]:
        """Yield the events that are complete; raise ValueError for one that never ends."""
        unread = self._rest + content
        lines = _LINE_END.split(unread)
        self._rest = lines.pop()
        if unread.endswith(b"\r"):
            # It may be the first half of a line end.
            self._rest = lines.pop() + b"\r"
        for line in lines:
            self._size += len(line)
            event = self._line(line.decode())
            if event is not None:
                yield event
        if self._size + len(self._rest) > EVENT_SIZE_MAX:
            raise ValueError("an event is too large")

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatched()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatched(self) -> ServerEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._size = "", [], 0
        return ServerEvent(event, "\n".join(data), self._id) if data else None
