"""The pages /app, for people, and /console, for operators, served by the service itself.

``scripts/build_assets.py`` (``make assets``) builds them from ``web/``. Below their addresses every
path is theirs: the page reads it and shows what belongs there. They use the API like everybody
else, with the session's cookie, and nothing that it cannot do.

Addresses inside are relative, so the pages also work behind a proxy that adds a prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

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

PAGES_DIRECTORY: Final = Path(__file__).parent / "static" / "pages"

#: Trusted Types: text that comes from anywhere cannot become markup or script, not even by mistake.
#: The one policy there may be, `default`, lets nothing but the empty text through, which is how
#: ECharts clears its place.
PAGES_POLICY: Final = content_policy(
    require_trusted_types_for="'script'", trusted_types="default", manifest_src="'none'"
)
_NOT_BUILT: Final = (
    "The pages have not been built. Run `make assets` and start the service again.\n"
    "The API works without them, and its document is at /openapi.json.\n"
)
DEPTH_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class _Page:
    """A page at every depth of its address: `/app` is 0, `/app/history` is 1."""

    by_depth: tuple[Asset, ...]

    @classmethod
    def of(cls, name: str, content: bytes, environment: str) -> _Page:
        """Make a page whose assets are at ``pages/assets/`` below the service's root."""
        content = content.replace(b"{environment}", environment.encode())
        return cls(
            tuple(
                Asset.of(name, content.replace(b"{root}", b"../" * depth))
                for depth in range(DEPTH_MAX)
            )
        )


def pages_router(environment: str, directory: Path = PAGES_DIRECTORY) -> APIRouter:
    """Return the routes of ``/app``, ``/console``, everything below them, and their assets.

    ``environment`` is shown to operators. Without a build the pages answer 503 with the command
    that makes it.
    """
    files = read_files(directory)
    assets: Mapping[str, Asset] = {} if files is None else assets_of(files)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/pages/assets/{name}", methods=METHODS)
    async def asset(request: Request, name: str) -> Response:
        found = assets.get(name)
        if found is None:
            raise HTTPException(status_code=404)
        return answer_asset(request, found, NOTHING_POLICY, FOR_EVER)

    for name in ("app", "console"):
        page = None if files is None else _page_of(files, name, environment)
        _add_page(router, name, page)
    return router


def _page_of(files: Mapping[str, bytes], name: str, environment: str) -> _Page:
    return _Page.of(f"{name}.html", files[f"{name}.html"], environment)


def _add_page(router: APIRouter, name: str, page: _Page | None) -> None:
    """Serve a page at its address and at every one below it."""

    async def answer(request: Request, below: str | None = None) -> Response:
        if page is None:
            return answer_page(request, None, PAGES_POLICY, _NOT_BUILT)
        depth = 0 if below is None else below.count("/") + 1
        # To the browser an encoded slash is none, so what is relative would lead elsewhere.
        if depth >= DEPTH_MAX or b"%2f" in request.scope["raw_path"].lower():
            raise HTTPException(status_code=404)
        return answer_page(request, page.by_depth[depth], PAGES_POLICY, _NOT_BUILT)

    router.add_api_route(f"/{name}", answer, methods=METHODS)
    router.add_api_route(f"/{name}/{{below:path}}", answer, methods=METHODS)
