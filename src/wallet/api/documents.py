"""The pages of the API document, /docs and /redoc, and /verify, which checks a receipt.

They are served from this process, work offline, load nothing from other hosts and run under a
content security policy without inline script. What they need is put in place by
``scripts/build_assets.py`` (``make assets``) and answered from memory (``static_files``).

Addresses inside the pages are relative, so they also work behind a proxy that adds a prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from wallet.api.static_files import (
    FOR_EVER,
    METHODS,
    NOTHING_POLICY,
    Asset,
    answer_asset,
    answer_page,
    assets_of,
    content_policy,
    read_files,
)

ASSETS_DIRECTORY: Final = Path(__file__).parent / "static" / "docs"

SWAGGER_POLICY: Final = content_policy()

#: Redoc makes an empty style element and then adds its rules by script. The hash is the one of the
#: empty text, so an injected element with a single character in it is still refused. One of its
#: rules names a font that is part of the rule itself.
REFERENCE_POLICY: Final = content_policy(
    style_src="'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    font_src="'self' data:",
)

_NOT_BUILT: Final = (
    "The documentation pages have not been built. Run `make assets` and start the service again.\n"
    "The API works without them, and its document is at /openapi.json.\n"
)


@dataclass(frozen=True, slots=True)
class _Site:
    """Everything below one version of the assets' address."""

    release: str
    assets: Mapping[str, Asset]
    swagger: Asset
    reference: Asset
    verify: Asset


def documents_router(directory: Path = ASSETS_DIRECTORY) -> APIRouter:
    """Return the routes ``/``, ``/docs``, ``/redoc``, ``/verify`` and those of their assets.

    Without built assets the pages answer 503 with the command that builds them. ``directory``
    is what the build script wrote; it is read here and never again.
    """
    site = _read_site(directory)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=METHODS)
    async def root(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs", status_code=307)

    @router.api_route("/docs", methods=METHODS)
    async def swagger(request: Request) -> Response:
        return answer_page(request, site.swagger if site else None, SWAGGER_POLICY, _NOT_BUILT)

    @router.api_route("/redoc", methods=METHODS)
    async def reference(request: Request) -> Response:
        return answer_page(request, site.reference if site else None, REFERENCE_POLICY, _NOT_BUILT)

    @router.api_route("/verify", methods=METHODS)
    async def verify(request: Request) -> Response:
        return answer_page(request, site.verify if site else None, SWAGGER_POLICY, _NOT_BUILT)

    @router.api_route("/docs/assets/{release}/{name}", methods=METHODS)
    async def asset(request: Request, release: str, name: str) -> Response:
        found = site.assets.get(name) if site and site.release == release else None
        if found is None:
            raise HTTPException(status_code=404)
        return answer_asset(request, found, NOTHING_POLICY, FOR_EVER)

    return router


def _read_site(directory: Path) -> _Site | None:
    """Read what the build script wrote, or return None if it has not finished a build here."""
    files = read_files(directory)
    if files is None:
        return None
    release = hashlib.sha256(
        b"".join(
            hashlib.sha256(name.encode() + content).digest() for name, content in files.items()
        )
    ).hexdigest()[:16]
    return _Site(
        release=release,
        assets=assets_of(files),
        swagger=_page("swagger.html", files, release),
        reference=_page("reference.html", files, release),
        verify=_page("verify.html", files, release),
    )


def _page(name: str, files: Mapping[str, bytes], release: str) -> Asset:
    """Return a page with the address of this release's assets filled in."""
    return Asset.of(name, files[name].replace(b"{assets}", f"docs/assets/{release}".encode()))
