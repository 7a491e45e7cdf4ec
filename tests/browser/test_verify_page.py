"""The page that checks a receipt: a genuine one, forged twins, and nothing leaves the device."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.browser.visit import Visit
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PASSWORD = "seven green lamps at dusk"
NOTE = "Lunch \u05d0\u05e8\u05d5\u05d7\u05d4 <b>& tea</b> \U0001f375"


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def receipt(service: Serving) -> dict[str, Any]:
    """A receipt of the real service, with a note that tries its best."""
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}") as client:
        tokens = {}
        for name in ("alice", "bob"):
            body = {
                "first_name": name.title(),
                "last_name": "Tester",
                "email": f"{name}@example.com",
                "password": PASSWORD,
                "handle": name,
            }
            client.post("/users", json=body).raise_for_status()
            answer = client.post("/users/login", json={k: body[k] for k in ("email", "password")})
            tokens[name] = {"authorization": f"Bearer {answer.json()['access_token']}"}
        client.post("/wallets/topup", json={"amount": 1_000_000}, headers=tokens["alice"])
        pay = {
            "to_handle": "bob",
            "amount": 123_456,
            "note": NOTE,
            "metadata": {"order": "4711", "\ue000": "x", "\U0001f600": "y"},
        }
        paid = client.post("/wallets/transfer", json=pay, headers=tokens["alice"])
        path = f"/transactions/{paid.json()['id']}/receipt"
        for _ in range(100):
            answer = client.get(path, headers=tokens["alice"])
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            time.sleep(0.1)
    raise AssertionError(answer.text)


def opened(browser: Browser, service: Serving, tmp_path: Path, **options: Any) -> Visit:
    visit = Visit(browser.new_page(**options), f"http://localhost:{service.port}", tmp_path)
    visit.open("/verify")
    return visit


def paste(page: Page, text: str) -> str:
    """Paste a receipt as text; return the verdict."""
    if not page.locator("#text").is_visible():
        page.get_by_text("Paste it as text instead").click()
    page.locator("#text").fill(text)
    page.get_by_role("button", name="Check").click()
    page.locator("#result.genuine, #result.refused").wait_for()
    return page.locator("#result h2").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_genuine_receipt_says_what_it_is_and_nothing_leaves_the_device(
    browser: Browser,
    service: Serving,
    receipt: dict[str, Any],
    tmp_path: Path,
    scheme: str,
    width: int,
) -> None:
    size = {"width": width, "height": 900}
    visit = opened(browser, service, tmp_path, viewport=size, color_scheme=scheme)
    page = visit.page
    visit.picture(f"empty-{width}-{scheme}")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.post_data}"))
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    page.locator("#file").set_input_files(tmp_path / "receipt.json")
    page.locator("#result.genuine").wait_for()
    said = page.locator("#result").inner_text()
    for words in ("genuine", "−1,234.56 USD", "Alice Tester (alice)", "Bob T. (bob)", NOTE, "4711"):
        assert words in said
    assert "8,765.44 USD" in said
    assert page.locator(".checks .passed").count() == 5
    assert sent == ["GET None"]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide
    page.evaluate("scrollTo(0, 0)")
    visit.page.screenshot(path=tmp_path / f"genuine-{width}-{scheme}.png", full_page=True)
    receipt = {**receipt, "kind": "top-up"}
    assert paste(page, json.dumps(receipt)) == "Do not rely on this receipt"
    visit.page.screenshot(path=tmp_path / f"refused-{width}-{scheme}.png", full_page=True)
    visit.assert_clean()
    page.close()


def test_forged_twins_are_refused_and_the_failing_check_is_named(
    browser: Browser, service: Serving, receipt: dict[str, Any], tmp_path: Path
) -> None:
    visit = opened(browser, service, tmp_path)
    assert paste(visit.page, json.dumps(receipt)) == "This receipt is genuine"
    for place, value in {
        ("entry", "posted_delta"): -1,
        ("entry", "booked_at_us"): 1_600_000_000_000_000,
        ("details", "note"): "Rent",
        ("holder", "first_name"): "Mallory",
        ("inclusion", "position"): 0,
        ("checkpoint", "tree_size"): 1_000,
    }.items():
        twin = json.loads(json.dumps(receipt))
        twin[place[0]][place[1]] = value
        assert paste(visit.page, json.dumps(twin)) == "Do not rely on this receipt", place
        assert "Signed by this service" in visit.page.locator(".checks .failed").inner_text()
        assert visit.page.locator(".checks .skipped").count() == 4
    for text in ("", "{", "[]", "null", "hello"):
        assert paste(visit.page, text) == "This is not a receipt"
    assert paste(visit.page, "{}") == "Do not rely on this receipt"
    visit.assert_clean()
    visit.page.close()


def test_without_the_keys_nothing_is_said_about_the_receipt(
    browser: Browser, service: Serving, receipt: dict[str, Any], tmp_path: Path
) -> None:
    visit = opened(browser, service, tmp_path)
    visit.page.context.set_offline(True)
    assert paste(visit.page, json.dumps(receipt)) == "It could not be checked"
    visit.page.context.set_offline(False)
    assert paste(visit.page, json.dumps(receipt)) == "This receipt is genuine"
    visit.page.close()
