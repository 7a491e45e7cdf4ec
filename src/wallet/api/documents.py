"""The pages of the API document, /docs and /redoc, and /verify, which checks a receipt.

They are served from this process, work offline, load nothing from other hosts and run under a
content security policy without inline script. What they need is put in place by
``scripts/build_assets.py`` (``make assets``), read once when the router is made, and answered from
a dictionary: no path of a request ever reaches the file system.

Addresses inside the pages are relative, so they also work behind a proxy that adds a prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

ASSETS_DIRECTORY: Final = Path(__file__).parent / "static" / "docs"

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


def _policy(**changes: str) -> str:
    """Return the content security policy, with some directives (``style_src``) changed."""
    directives = _POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


SWAGGER_POLICY: Final = _policy()

#: Redoc makes an empty style element and then adds its rules by script. The hash is the one of the
#: empty text, so an injected element with a single character in it is still refused. One of its
#: rules names a font that is part of the rule itself.
REFERENCE_POLICY: Final = _policy(
    style_src="'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    font_src="'self' data:",
)

#: Nothing of a plain text or of an asset opened by itself may load or run anything.
_NOTHING_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

# Names of assets carry their content's digest, so what a browser has stored never goes stale.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_METHODS: Final = ["GET", "HEAD"]

_NOT_BUILT: Final = (
    "The documentation pages have not been built. Run `make assets` and start the service again.\n"
    "The API works without them, and its document is at /openapi.json.\n"
)


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file as it is answered: its bytes, the same compressed (if smaller), type and tag."""

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class _Site:
    """Everything below one version of the assets' address."""

    release: str
    assets: Mapping[str, _Asset]
    swagger: _Asset
    reference: _Asset
    verify: _Asset


def documents_router(directory: Path = ASSETS_DIRECTORY) -> APIRouter:
    """Return the routes ``/``, ``/docs``, ``/redoc``, ``/verify`` and those of their assets.

    Without built assets the pages answer 503 with the command that builds them. ``directory``
    is what the build script wrote; it is read here and never again.
    """
    site = _read_site(directory)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=_METHODS)
    async def root(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs", status_code=307)

    @router.api_route("/docs", methods=_METHODS)
    async def swagger(request: Request) -> Response:
        return _page(request, site.swagger if site else None, SWAGGER_POLICY)

    @router.api_route("/redoc", methods=_METHODS)
    async def reference(request: Request) -> Response:
        return _page(request, site.reference if site else None, REFERENCE_POLICY)

    @router.api_route("/verify", methods=_METHODS)
    async def verify(request: Request) -> Response:
        return _page(request, site.verify if site else None, SWAGGER_POLICY)

    @router.api_route("/docs/assets/{release}/{name}", methods=_METHODS)
    async def asset(request: Request, release: str, name: str) -> Response:
        found = site.assets.get(name) if site and site.release == release else None
        if found is None:
            raise HTTPException(status_code=404)
        return _answer(request, found, _NOTHING_POLICY, _FOR_EVER)

    return router


def _page(request: Request, page: _Asset | None, policy: str) -> Response:
    """Answer a page, or say how to build it."""
    if page is None:
        return PlainTextResponse(
            _NOT_BUILT,
            status_code=503,
            headers={"Content-Security-Policy": _NOTHING_POLICY, "Cache-Control": "no-store"},
        )
    return _answer(request, page, policy, _ASK_AGAIN)


def _answer(request: Request, asset: _Asset, policy: str, cache_control: str) -> Response:
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
    if asset.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        content, headers["Content-Encoding"] = asset.compressed, "gzip"
    headers["Content-Type"] = asset.media_type
    return Response(content, headers=headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names the tag (RFC 9110, weak comparison)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def _takes_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip by name (``gzip;q=0`` forbids it)."""
    for offer in accept_encoding.lower().split(","):
        coding, _, quality = offer.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _read_site(directory: Path) -> _Site | None:
    """Read what the build script wrote, or return None if it has not finished a build here."""
    if not (directory / ".built").is_file():
        return None
    files = {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}
    release = hashlib.sha256(
        b"".join(
            hashlib.sha256(name.encode() + content).digest() for name, content in files.items()
        )
    ).hexdigest()[:16]
    return _Site(
        release=release,
        assets={
            name: _asset(name, content, files.get(f"{name}.gz"))
            for name, content in files.items()
            if Path(name).suffix in _MEDIA_TYPES and not name.endswith(".html")
        },
        swagger=_page_asset("swagger.html", files, release),
        reference=_page_asset("reference.html", files, release),
        verify=_page_asset("verify.html", files, release),
    )


def _page_asset(name: str, files: Mapping[str, bytes], release: str) -> _Asset:
    """Return a page with the address of this release's assets filled in."""
    return _asset(name, files[name].replace(b"{assets}", f"docs/assets/{release}".encode()), None)


def _asset(name: str, content: bytes, compressed: bytes | None) -> _Asset:
    """Describe a file. The tag is weak, because the compressed bytes share it."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    return _Asset(content, compressed, _MEDIA_TYPES[Path(name).suffix], f'W/"{digest}"')
