"""Money that comes in: added from the source, and asked for by a code that others scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browser.windows import Window, join
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.slow
TOP_UP = "**/wallets/topup"
CAMERA = """
window.codes = [];
window.BarcodeDetector = class { async detect() { return window.codes; } };
Object.defineProperty(navigator.mediaDevices, "getUserMedia", { value: async () => {
  if (window.denied) throw new DOMException("no", "NotAllowedError");
  const canvas = document.createElement("canvas");
  const paint = canvas.getContext("2d");
  setInterval(() => paint.fillRect(0, 0, 9, 9), 50);
  return canvas.captureStream(20);
} });
"""


def test_an_answer_that_was_lost_is_found_out_after_a_reload_and_charged_once(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    bearer = join(service, "wilma", "Wilma")
    window = Window(browser, service, tmp_path).log_in("wilma")
    page = window.page
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
        route.abort("connectionreset")

    page.route(TOP_UP, lose)
    page.get_by_role("link", name="Add money").click()
    page.get_by_role("button", name="250", exact=True).click()
    page.get_by_role("button", name="Add 250.00\u00a0USD").click()
    page.get_by_text("you are charged once").wait_for()
    page.reload()
    page.get_by_role("heading", name="We do not know yet whether it was added").wait_for()
    page.unroute(TOP_UP)
    page.get_by_role("button", name="Find out").click()
    page.get_by_role("heading", name="Added").wait_for()
    wallets = httpx.get(f"{service.url}/wallets", headers=bearer, timeout=30).json()["items"]
    assert [wallet["available"] for wallet in wallets] == [25_000]
    page.get_by_role("link", name="Back to the balance").click()
    page.get_by_test_id("balance").get_by_text("250.00\u00a0USD").wait_for(state="attached")
    assert page.evaluate("sessionStorage.length") == 0
    window.context.close()


def test_money_that_the_source_has_not_decided_about_is_told_until_it_has(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    join(service, "yara", "Yara")
    window = Window(browser, service, tmp_path).log_in("yara")
    page = window.page
    page.get_by_role("link", name="Add money").click()
    page.get_by_label("Amount").fill("900.03")
    page.get_by_role("button", name="Add 900.03").click()
    page.get_by_text("has not decided yet").wait_for()
    page.get_by_role("link", name="Back to the balance").click()
    page.get_by_text("900.03\u00a0USD is on its way to you").wait_for()
    page.reload()
    page.get_by_text("900.03\u00a0USD is on its way to you").wait_for()
    # What it has decided at last is told, and no longer waited for.
    declined = {"content-type": "application/problem+json"}
    body = json.dumps({"code": "top-up-declined", "title": "Declined"})
    page.route(TOP_UP, lambda route: route.fulfill(status=422, headers=declined, body=body))
    page.reload()
    page.get_by_text("Nothing was added").wait_for()
    page.get_by_text("is on its way to you").wait_for(state="detached")
    page.get_by_role("link", name="Add money").click()
    page.get_by_label("Amount").fill("900.01")
    page.get_by_role("button", name="Add 900.01").click()
    page.locator("form").get_by_text("Nothing was added").wait_for()
    page.get_by_label("Amount").fill("20")
    page.locator("form").get_by_text("Nothing was added").wait_for(state="detached")
    window.context.close()


def test_what_the_source_declined_is_said_and_asked_again_under_another_key(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    join(service, "xenia", "Xenia")
    window = Window(browser, service, tmp_path).log_in("xenia")
    page = window.page
    keys: list[str] = []

    def decline_first(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            body = json.dumps({"code": "top-up-declined"})
            route.fulfill(status=422, content_type="application/problem+json", body=body)
        else:
            route.continue_()

    page.route(TOP_UP, decline_first)
    page.goto(f"{window.visit.origin}/app/add")
    page.get_by_label("Amount").fill("12.50")
    page.get_by_role("button", name="Add 12.50").click()
    page.get_by_text("Nothing was added").wait_for()
    page.get_by_text("The payment source declined. No money was moved.").wait_for()
    page.get_by_role("button", name="Add 12.50").dblclick()
    page.get_by_role("heading", name="Added").wait_for()
    assert len(keys) == 2
    assert keys[0] != keys[1]
    window.context.close()


def test_a_scanned_code_leads_to_whom_it_names_and_a_foreign_one_is_told(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("alice")
    page = window.page
    page.add_init_script(CAMERA)
    page.goto(f"{window.visit.origin}/app/send")
    page.get_by_role("button", name="Scan a code").click()
    page.get_by_text("Hold the other person's code into the picture.").wait_for()
    page.evaluate("window.codes = [{rawValue: 'https://elsewhere.example/'}]")
    page.get_by_text("This is not a code of this wallet").wait_for()
    page.evaluate(f"window.codes = [{{rawValue: '{window.visit.origin}/app/send?to=bob'}}]")
    page.get_by_label("Amount").wait_for()
    assert page.url.endswith("/app/send?to=bob")
    page.goto(f"{window.visit.origin}/app/send")
    page.evaluate("window.denied = true")
    page.get_by_role("button", name="Scan a code").click()
    page.get_by_text("Allow it in the browser, or type the handle.").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.ariaLabel === 'Scan a code'")
    window.assert_clean()
    window.context.close()


def test_a_link_that_may_not_be_copied_is_shown_instead_of_said_to_be_copied(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("alice")
    page = window.page
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{window.visit.origin}/app/receive")
    page.get_by_role("img", name="Code that leads to paying @alice").wait_for()
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text(f"{window.visit.origin}/app/send?to=alice", exact=True).wait_for()
    assert page.get_by_text("Copied").count() == 0
    window.context.close()
