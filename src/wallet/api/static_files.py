"""Files that the service answers from memory: with tags, compressed twins, and a strict policy.

What a build script has put in place is read once, when a router is made: no path of a request ever
reaches the file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def content_policy(**changes: str) -> str:
    """Return the content security policy of a page, with some directives (``style_src``) changed.

    A directive that is not in it is added.
    """
    directives = _POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


#: Nothing of a plain text or of an asset opened by itself may load or run anything.
NOTHING_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
#: Coding → the suffix of a file's twin, the better one first.
CODINGS: Final[Mapping[str, str]] = {"br": ".br", "gzip": ".gz"}

#: For addresses that carry their content's digest, so what a browser has stored never goes stale.
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
METHODS: Final = ["GET", "HEAD"]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is answered: its bytes, the same compressed by coding, its type and its tag."""

    content: bytes
    compressed: Mapping[str, bytes]
    media_type: str
    etag: str

    @classmethod
    def of(cls, name: str, content: bytes, compressed: Mapping[str, bytes] | None = None) -> Asset:
        """Describe a file. The tag is weak, because the compressed bytes share it."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(content, compressed or {}, MEDIA_TYPES[Path(name).suffix], f'W/"{digest}"')


def read_files(directory: Path) -> Mapping[str, bytes] | None:
    """Read what a build script wrote, or return None if it has not finished a build there."""
    if not (directory / ".built").is_file():
        return None
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}


def assets_of(files: Mapping[str, bytes]) -> Mapping[str, Asset]:
    """Return the files that pages load, each with its compressed twins; pages are none of them."""
    return {
        name: Asset.of(name, content, _twins(name, files))
        for name, content in files.items()
        if Path(name).suffix in MEDIA_TYPES and not name.endswith(".html")
    }


def _twins(name: str, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    twins = {coding: files.get(f"{name}{suffix}") for coding, suffix in CODINGS.items()}
    return {coding: content for coding, content in twins.items() if content is not None}


def answer_page(request: Request, page: Asset | None, policy: str, not_built: str) -> Response:
    """Answer a page, or with 503 how to build it."""
    if page is None:
        return PlainTextResponse(
            not_built,
            status_code=503,
            headers={"Content-Security-Policy": NOTHING_POLICY, "Cache-Control": "no-store"},
        )
    return answer_asset(request, page, policy, ASK_AGAIN)


def answer_asset(request: Request, asset: Asset, policy: str, cache_control: str) -> Response:
    """Answer an asset, compressed if the client takes that, or 304 if it has it already."""
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": cache_control,
        "ETag": asset.etag,
        "Vary": "Accept-Encoding",
    }
    if _names(request.headers.get("if-none-match", ""), asset.etag):
        return Response(status_code=304, headers=headers)
    content = asset.content
    taken = _taken(request.headers.get("accept-encoding", ""))
    coding = next((coding for coding in CODINGS if coding in taken & asset.compressed.keys()), None)
    if coding is not None:
        content, headers["Content-Encoding"] = asset.compressed[coding], coding
    headers["Content-Type"] = asset.media_type
    return Response(content, headers=headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names the tag (RFC 9110, weak comparison)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def _taken(accept_encoding: str) -> set[str]:
    """Return the codings that an Accept-Encoding header names (``gzip;q=0`` forbids it)."""
    taken = set()
    for offer in accept_encoding.lower().split(","):
        coding, _, quality = offer.partition(";")
        if quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            taken.add(coding.strip())
    return taken
