"""Stand-ins for what differs from one run to the next: ids, times, tokens, hashes.

Everything else of an answer stays as the service gave it. The same id has the same stand-in in all
examples, derived from where it was first seen, so that a new step of the story changes nothing in
the examples of others. Times keep their distance to the moment of the answer, to five minutes.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

NOW = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
GRAIN_S = 300.0
BY_NAME = {
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJ3YWxsZXQifQ.c2lnbmF0dXJl",
    "refresh_token": "PDaKQVoD2mTDV5Vu8lDXxg",
    "request_id": "5f0c2a9be1d84c7396a1b2c3",
    "next_cursor": "AZemvFPQfhuccEQNn3prXCEAAAAAAAAAAg",
    "kid": "0X2mZJ1yQk3Vd8bT5rNfWc7hLs9aUe4oPiGxKyMvBtE",
    "key_id": "0X2mZJ1yQk3Vd8bT5rNfWc7hLs9aUe4oPiGxKyMvBtE",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "csrf_token": "mPn2xWq0Zt5sVb8yRk3LcHf7JdG1aQe9uTi4oXwNv6E",
    "ticket": "Zk1vQp8sLw3xYt6nRb0cHf5JdG2aMe7uTi9oXgNq4VE",
    "recovery_codes": ["7m2k-0q9x-c3va-88tp-zn4e-51wd"],
    "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 49 49">…</svg>',
    "made_at_us": round(NOW.timestamp() * 1e6),
}
# Well-known secrets of examples: scanners for leaked ones need not look at the rest.
SECRETS = (
    (re.compile(r"\bwk_[0-9A-Za-z]{49}\b"), f"wk_{'Example' * 7}"),
    (re.compile(r"\b[A-Z2-7]{32}\b"), "EXAMPLE7" * 4),
    (re.compile(r"\bwhsec_[0-9A-Za-z+/]{43}="), f"whsec_{'Example' * 6}0="),
)
SECONDS = re.compile(r"\bin \d+ (seconds?)")
PIECES = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<hash>\b(?:[0-9a-f]{64}|[0-9a-f]{128})\b)"
    r"|(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))"
    r"|(?P<date>\b\d{4}-\d\d-\d\d\b)"
    r"|(?P<month>\b\d{4}-\d\d\b)"
)


class StandIns:
    """What stands for what, over all answers of one story."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, value: Any, place: str, now: datetime) -> Any:
        """Return a value as it goes into an example; `now` is when the answer came."""
        if isinstance(value, dict):
            return {
                name: BY_NAME[name]
                if inner is not None and BY_NAME.get(name) is not None
                else self.of(inner, f"{place}.{name}", now)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.of(inner, f"{place}.{n}", now) for n, inner in enumerate(value)]
        return self.text(value, place, now) if isinstance(value, str) else value

    def text(self, text: str, place: str, now: datetime) -> str:
        """Return a text with stand-ins for the pieces of it that vary."""

        def piece(found: re.Match[str]) -> str:
            kind, what = found.lastgroup, found[0]
            if kind == "instant":
                return _instant(what, now)
            if kind == "date":
                return (
                    _moved(datetime.fromisoformat(what).replace(tzinfo=UTC), now).date().isoformat()
                )
            if kind == "month":
                return _moved(
                    datetime.fromisoformat(f"{what}-01").replace(tzinfo=UTC), now
                ).strftime("%Y-%m")
            return self._known.setdefault(
                what, _made(kind or "", f"{place} {found.start()}", len(what))
            )

        for pattern, stand_in in SECRETS:
            text = pattern.sub(stand_in, text)
        return PIECES.sub(piece, SECONDS.sub(r"in 60 \1", text))


def _made(kind: str, place: str, length: int) -> str:
    digest = sha256(place.encode()).hexdigest()
    if kind == "hash":
        return (digest + digest)[:length]
    return f"0197a6f2-{digest[:4]}-7{digest[4:7]}-8{digest[7:10]}-{digest[10:22]}"


def _instant(text: str, now: datetime) -> str:
    moved = _moved(datetime.fromisoformat(text), now)
    _, _, rest = text.partition(".")
    fraction = f".{moved.microsecond:06d}" if rest else ""
    return f"{moved:%Y-%m-%dT%H:%M:%S}{fraction}{'Z' if text.endswith('Z') else '+00:00'}"


def _moved(moment: datetime, now: datetime) -> datetime:
    """Move a moment to the time of the examples; bounds of calendar months by whole months."""
    if moment == moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
        months = (moment.year - now.year) * 12 + moment.month - now.month
        number = NOW.year * 12 + NOW.month - 1 + months
        return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
    if moment == moment.replace(hour=0, minute=0, second=0, microsecond=0):
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return NOW.replace(hour=0, minute=0, second=0, microsecond=0) + (moment - today)
    distance_s = (moment - now).total_seconds()
    return NOW + timedelta(seconds=round(distance_s / GRAIN_S) * GRAIN_S)
