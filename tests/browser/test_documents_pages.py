"""The API document's pages: over HTTP, and in a real browser under their real policy."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Form, Header, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, Field
from tests.browser.visit import Visit

from wallet.api.documents import ASSETS_DIRECTORY, documents_router

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PASSWORD = "correct horse"
TOKEN = "a-token-of-the-test"
Bearer = Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="/oauth/token"))]

# A small wallet, so that the pages have something to show


class Balance(BaseModel):
    """What a wallet holds."""

    currency: str = Field(examples=["USD"])
    available: int = Field(description="Minor units, so 1250 is 12.50 dollars.", examples=[1250])


class Transfer(BaseModel):
    """A payment to another person."""

    to_email: str = Field(examples=["bob@example.com"])
    amount: int = Field(ge=1, le=10**15, description="Minor units.", examples=[1250])
    note: str | None = Field(None, examples=["Lunch"])


class Problem(BaseModel):
    """RFC 9457."""

    title: str
    status: int
    code: str = Field(examples=["insufficient-funds"])


DESCRIPTION = """Hold money in several currencies, and pay each other.

## Money

Amounts are **integers in minor units**: `1250` is 12.50 dollars.

| currency | exponent |
|---|---|
| JPY | 0 |
| USD | 2 |
"""


def small_wallet() -> FastAPI:
    app = FastAPI(
        title="Wallet", version="1.0.0", description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.include_router(documents_router())

    @app.post("/oauth/token", tags=["people"], summary="Get a token")
    async def token(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> object:
        if password != PASSWORD:
            raise HTTPException(status_code=400, detail=f"Not the password of {username}.")
        return {"access_token": TOKEN, "token_type": "bearer"}

    @app.get("/wallets/my-balance", tags=["wallets"], summary="Show the current balance")
    async def my_balance(credential: Bearer) -> Balance:
        if credential != TOKEN:
            raise HTTPException(status_code=401)
        return Balance(currency="USD", available=1250)

    @app.post(
        "/wallets/transfer",
        tags=["wallets"],
        summary="Send money to another person",
        operation_id="sendTransfer",
        status_code=201,
        responses={422: {"model": Problem, "description": "The payment was refused."}},
    )
    async def transfer(
        body: Transfer,
        credential: Bearer,
        idempotency_key: Annotated[str | None, Header(description="Makes a retry safe.")] = None,
    ) -> Balance:
        return Balance(currency="USD", available=body.amount)

    return app


# The routes, over made-up assets


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "swagger.html").write_text("<script src={assets}/page.js></script>")
    (tmp_path / "reference.html").write_text("<p>reference</p>")
    (tmp_path / "verify.html").write_text("<p>verify</p>")
    (tmp_path / "page.js").write_text("let a = 1;")
    (tmp_path / "page.js.gz").write_bytes(b"compressed")
    (tmp_path / "page.LICENSE.txt").write_text("Do as you please.")
    (tmp_path / ".built").write_text("{}")
    return tmp_path


def client_of(directory: Path) -> httpx.AsyncClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(documents_router(directory))
    transport = httpx.ASGITransport(app)
    # httpx asks for gzip by itself; a test that wants it says so.
    return httpx.AsyncClient(
        transport=transport, base_url="http://wallet", headers={"Accept-Encoding": "identity"}
    )


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(built) as client:
        yield client


async def script_address(client: httpx.AsyncClient) -> str:
    page = (await client.get("/docs")).text
    return "/" + page.removeprefix("<script src=").removesuffix("></script>")


async def test_the_root_leads_to_the_docs(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


async def test_a_page_names_assets_that_may_be_stored_for_ever(client: httpx.AsyncClient) -> None:
    answer = await client.get(await script_address(client))
    assert answer.text == "let a = 1;"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_page_itself_is_asked_for_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/redoc")
    again = await client.get("/redoc", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "content"),
    [
        ("br, gzip", b"compressed"),
        ("gzip;q=0.5", b"compressed"),
        ("gzip;q=0", b"let a = 1;"),
        ("br", b"let a = 1;"),
    ],
)
async def test_an_asset_is_compressed_for_who_takes_it(
    client: httpx.AsyncClient, accepted: str, content: bytes
) -> None:
    headers = {"Accept-Encoding": accepted}
    async with client.stream("GET", await script_address(client), headers=headers) as answer:
        assert b"".join([part async for part in answer.aiter_raw()]) == content


@pytest.mark.parametrize(
    "name",
    ["other.js", "swagger.html", ".built", "page.js.gz", "..%2f.built", "%2e%2e/swagger.html"],
)
async def test_nothing_but_the_assets_is_served(client: httpx.AsyncClient, name: str) -> None:
    folder = (await script_address(client)).rpartition("/")[0]
    assert (await client.get(f"{folder}/{name}")).status_code == 404
    assert (await client.get("/docs/assets/0000000000000000/page.js")).status_code == 404


async def test_the_licence_is_served_with_the_code(client: httpx.AsyncClient) -> None:
    folder = (await script_address(client)).rpartition("/")[0]
    assert (await client.get(f"{folder}/page.LICENSE.txt")).text == "Do as you please."


async def test_no_page_allows_inline_script_or_inline_style(client: httpx.AsyncClient) -> None:
    for page in ("/docs", "/redoc"):
        policy = (await client.get(page)).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


async def test_without_assets_the_pages_say_how_to_build_them(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        for page in ("/docs", "/redoc"):
            answer = await client.get(page)
            assert answer.status_code == 503
            assert "`make assets`" in answer.text


# The real pages, in a real browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if not (ASSETS_DIRECTORY / ".built").is_file():
        pytest.fail("The assets have not been built: run `make assets`.")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(small_wallet(), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


@pytest.fixture(params=["light", "dark"])
def visit(
    browser: Browser, address: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, color_scheme=request.param
    )
    context.set_default_timeout(10_000)
    yield Visit(context.new_page(), address, tmp_path)
    context.close()


@pytest.mark.slow
def test_swagger_ui_shows_the_operations(visit: Visit) -> None:
    page = visit.open("/docs")
    page.get_by_text("/wallets/my-balance").wait_for()
    assert page.locator(".opblock-summary-path").all_inner_texts() == [
        "/oauth/token",
        "/wallets/my-balance",
        "/wallets/transfer",
    ]
    visit.picture("swagger")
    visit.assert_clean()


@pytest.mark.slow
def test_swagger_ui_logs_in_and_sends_a_request_with_the_token(visit: Visit) -> None:
    page = visit.open("/docs")
    page.locator("button.authorize").first.click()
    dialog = page.locator(".auth-container")
    dialog.locator("input#oauth_username").fill("alice@example.com")
    dialog.locator("input#oauth_password").fill(PASSWORD)
    visit.picture("authorize")
    dialog.locator("button.authorize").click()
    dialog.get_by_text("Logout").wait_for()
    visit.picture("authorized")
    page.locator(".btn-done").click()
    page.get_by_text("/wallets/my-balance").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    visit.picture("executed")
    visit.assert_clean()


@pytest.mark.slow
def test_swagger_ui_forgets_the_token_on_reload(visit: Visit) -> None:
    page = visit.open("/docs")
    page.locator("button.authorize").first.click()
    page.locator("input#oauth_username").fill("alice@example.com")
    page.locator("input#oauth_password").fill(PASSWORD)
    page.locator(".auth-container button.authorize").click()
    page.locator(".auth-container").get_by_text("Logout").wait_for()
    page.reload()
    page.locator("button.authorize.unlocked").first.wait_for()
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    visit.assert_clean()


@pytest.mark.slow
def test_a_link_into_swagger_ui_opens_its_operation(visit: Visit) -> None:
    page = visit.open("/docs#/wallets/sendTransfer")
    page.get_by_role("button", name="Execute").wait_for()
    visit.picture("transfer")
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table").wait_for()
    page.locator(".request-snippets").first.wait_for()
    visit.picture("snippets")
    visit.complaints = [line for line in visit.complaints if "401" not in line]
    visit.assert_clean()


@pytest.mark.slow
def test_the_reference_shows_the_operations(visit: Visit) -> None:
    page = visit.open("/redoc")
    page.get_by_text("/wallets/my-balance").first.wait_for()
    visit.picture("reference")
    page.get_by_text("/wallets/transfer").first.click()
    page.get_by_text("Makes a retry safe.").first.wait_for()
    visit.picture("reference-operation")
    # Its menu for sending the document to an AI service must not come back with an update.
    assert page.get_by_label("More actions").count() == 0
    visit.assert_clean()


@pytest.mark.slow
def test_the_reference_is_searched_without_a_worker(visit: Visit) -> None:
    page = visit.open("/redoc")
    page.get_by_text("Search").first.click()
    page.keyboard.type("retry")
    page.get_by_text("header parameters").first.wait_for()
    visit.picture("reference-search")
    visit.assert_clean()


@pytest.mark.slow
def test_an_inline_style_or_script_would_have_been_noticed(visit: Visit) -> None:
    page = visit.open("/redoc")
    page.get_by_text("/wallets/my-balance").first.wait_for()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<i style=\"top: 0\"></i>')")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('style'), "
        "{ textContent: 'i { top: 0 }' }))"
    )
    page.evaluate("new Image().src = 'https://example.com/pixel'")
    expected = {
        "policy: style-src-attr inline",
        "policy: style-src-elem inline",
        "policy: img-src https://example.com/pixel",
    }
    until_s = time.monotonic() + 10
    while not expected <= set(visit.complaints) and time.monotonic() < until_s:
        page.wait_for_timeout(50)
    assert {line for line in visit.complaints if line.startswith("policy: ")} == expected
