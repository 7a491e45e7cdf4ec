"""The pages /app and /console over HTTP: where they are, under which policy, and how large."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from wallet.api.pages import PAGES_DIRECTORY, PAGES_POLICY, pages_router
from wallet.domain.currencies import EXPONENTS

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
FIRST_LOAD_MAX = 350_000
PAGE = '<meta name="environment" content="{environment}"><script src="{root}pages/assets/a-1.js">'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for name in ("app.html", "console.html"):
        (tmp_path / name).write_text(PAGE)
    (tmp_path / "a-1.js").write_text("let a = 1;")
    (tmp_path / "a-1.js.gz").write_bytes(b"gzipped")
    (tmp_path / "a-1.js.br").write_bytes(b"brotli")
    (tmp_path / "inter-1.woff2").write_bytes(b"wOF2")
    (tmp_path / ".built").write_text("{}")
    return tmp_path


def client_of(directory: Path) -> httpx.AsyncClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(pages_router("development", directory))
    # httpx asks for compression by itself; a test that wants it says so.
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://wallet",
        headers={"Accept-Encoding": "identity"},
    )


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(built) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/app", ""),
        ("/app/", "../"),
        ("/app/history", "../"),
        ("/app/history/0197a6f2", "../../"),
        ("/console", ""),
        ("/console/people/0197a6f2?q=x", "../../"),
    ],
)
async def test_a_page_is_served_at_every_address_below_it_and_finds_its_assets(
    client: httpx.AsyncClient, path: str, root: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'src="{root}pages/assets/a-1.js"' in answer.text
    script = httpx.URL(f"http://wallet{path}").join(f"{root}pages/assets/a-1.js")
    assert script.path == "/pages/assets/a-1.js"


async def test_a_page_asks_again_and_its_assets_are_kept_for_ever(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/app")
    assert page.headers["cache-control"] == "no-cache"
    again = await client.get("/app", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    asset = await client.get("/pages/assets/a-1.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    font = await client.get("/pages/assets/inter-1.woff2")
    assert font.headers["content-type"] == "font/woff2"


@pytest.mark.parametrize(
    ("accepted", "coding", "content"),
    [
        ("gzip, deflate, br", "br", b"brotli"),
        ("gzip", "gzip", b"gzipped"),
        ("br;q=0, gzip", "gzip", b"gzipped"),
        ("identity", None, b"let a = 1;"),
    ],
)
async def test_an_asset_comes_in_the_best_coding_that_is_taken(
    client: httpx.AsyncClient, accepted: str, coding: str | None, content: bytes
) -> None:
    request = client.build_request(
        "GET", "/pages/assets/a-1.js", headers={"Accept-Encoding": accepted}
    )
    answer = await client.send(request, stream=True)
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert b"".join([piece async for piece in answer.aiter_raw()]) == content


@pytest.mark.parametrize(
    "path",
    [
        "/pages/assets/unknown.js",
        "/pages/assets/..%2fapp.html",
        "/pages/assets/app.html",
        "/pages/assets/.built",
        "/app/a%2Fb",
        "/app/1/2/3/4/5/6/7/8/9",
        "/application",
    ],
)
async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_without_a_build_a_page_says_how_to_make_one(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        for path in ("/app", "/console", "/app/send"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "make assets" in answer.text


async def test_a_page_knows_the_environment(client: httpx.AsyncClient) -> None:
    assert 'content="development"' in (await client.get("/console")).text


def test_the_policy_allows_no_inline_script_or_style_and_requires_trusted_types() -> None:
    directives = dict(part.split(" ", 1) for part in PAGES_POLICY.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["require-trusted-types-for"] == "'script'"
    assert directives["trusted-types"] == "default"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert "unsafe" not in PAGES_POLICY


# What the build has made


def built_page(name: str) -> str:
    if not (PAGES_DIRECTORY / ".built").is_file():
        pytest.skip("NOT BUILT: the size of the pages was not checked (make assets)")
    return (PAGES_DIRECTORY / f"{name}.html").read_text()


def compressed_size(name: str) -> int:
    twin = PAGES_DIRECTORY / f"{name}.gz"
    return (twin if twin.exists() else PAGES_DIRECTORY / name).stat().st_size


@pytest.mark.parametrize("name", ["app", "console"])
def test_the_first_load_of_a_page_is_at_most_350_kb_compressed(name: str) -> None:
    page = built_page(name)
    loaded = set(re.findall(r'(?:src|href)="\{root\}pages/assets/([^"]+)"', page))
    scripts = {asset for asset in loaded if asset.endswith(".js")}
    while scripts:
        # What a module imports at once is loaded with it; plots are imported later.
        text = (PAGES_DIRECTORY / scripts.pop()).read_text()
        found = set(re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', text))
        scripts |= found - loaded
        loaded |= found
    assert any(asset.startswith("inter-latin-wght") for asset in loaded)
    assert not any("echarts" in asset for asset in loaded)
    sizes = {asset: compressed_size(asset) for asset in loaded}
    print(f"\n/{name}: {sum(sizes.values()):,} bytes in {len(sizes)} files")
    assert sum(sizes.values()) <= FIRST_LOAD_MAX, sizes


@pytest.mark.parametrize("name", ["app", "console"])
def test_a_page_has_no_inline_script_or_style_and_no_address_of_another_host(name: str) -> None:
    page = built_page(name)
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert "<style" not in page
    assert " style=" not in page
    assert re.findall(r"(?:src|href)=\"(?!\{root\}pages/assets/)", page) == []


def test_the_pages_and_the_service_agree_on_the_digits_of_every_currency() -> None:
    source = (WEB / "src/parts/money.tsx").read_text()
    table = source[source.index("const EXPONENTS") : source.index("};")]
    listed = {code: int(digits) for code, digits in re.findall(r"\b([A-Z]{3}): (\d)", table)}
    assert listed == {code: digits for code, digits in EXPONENTS.items() if digits != 2}


def test_every_package_is_pinned_exactly_and_no_registry_is_named() -> None:
    package = json.loads((WEB / "package.json").read_text())
    versions = {**package["dependencies"], **package["devDependencies"]}
    loose = {n: v for n, v in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", v)}
    assert loose == {}
    lock = (WEB / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "://" not in re.sub(r'"url": "[^"]+"', "", lock)
    assert versions["typescript"] == "5.9.3"
