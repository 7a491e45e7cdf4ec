"""What the wallet page says of money while a line breaks in the worst places, and to whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browser.windows import PASSWORD, Window, join, sent_by
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow
TRANSFER, TOP_UP = "**/wallets/transfer", "**/wallets/topup"
REFUSED = json.dumps({"code": "insufficient-funds", "title": "Not enough", "available": 0})
PROBLEM = {"content-type": "application/problem+json"}


@pytest.fixture(scope="module")
def bearer(service: Serving) -> dict[str, str]:
    return join(service, "dean", "Dean", 1_000_000)


@pytest.fixture
def window(
    browser: Browser, service: Serving, bearer: dict[str, str], tmp_path: Path
) -> Iterator[Window]:
    window = Window(browser, service, tmp_path).log_in("dean")
    window.paid_before = len(sent_by(service, bearer))
    yield window
    window.context.close()


def to_confirm(page: Page, amount: str = "10.00") -> None:
    page.goto(f"{page.url.split('/app')[0]}/app/send?to=bob")
    page.get_by_label("Amount").fill(amount)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Check before it goes").wait_for()


def press_send(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Send [\d.]+")).click()


def is_payment(route: Route) -> bool:
    return not (route.request.post_data_json or {}).get("dry_run")


def go_home(page: Page) -> None:
    """Look at something else in the same page, as a click on the rail does."""
    page.get_by_role("link", name="Home").first.click()
    page.get_by_test_id("balance").wait_for()


@pytest.mark.parametrize("body", ['{"id": "0197', "<html>Welcome to the café</html>", ""])
def test_an_answer_that_broke_off_is_not_taken_for_a_refusal(
    window: Window, service: Serving, bearer: dict[str, str], body: str
) -> None:
    page = window.page
    broken = iter([True, True])

    def cut(route: Route) -> None:
        if is_payment(route) and next(broken, False):
            assert route.fetch().status == 201
            route.fulfill(status=201, headers={"content-type": "application/json"}, body=body)
        else:
            route.continue_()

    page.route(TRANSFER, cut)
    to_confirm(page)
    press_send(page)
    page.get_by_role("heading", name="Sent").wait_for(timeout=20_000)
    assert page.get_by_text("It was not sent").count() == 0
    assert len(sent_by(service, bearer)) - window.paid_before == 1


def test_what_was_discarded_is_not_tried_again(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    down = [True]

    def drop(route: Route) -> None:
        if down[0] and is_payment(route):
            route.abort()
        else:
            route.continue_()

    page.route(TRANSFER, drop)
    to_confirm(page, "11.00")
    press_send(page)
    page.get_by_text("No answer yet. Trying again").wait_for()
    page.go_back()
    page.get_by_role("heading", name="A payment was under way").wait_for()
    page.get_by_role("button", name="Do not try again").click()
    page.get_by_label("Handle or e-mail").fill("@alice")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Amount").fill("1.00")
    down[0] = False
    page.wait_for_timeout(9_000)  # Longer than it would have waited before the next attempt.
    assert page.get_by_label("Amount").input_value() == "1.00"
    assert len(sent_by(service, bearer)) == window.paid_before


def test_a_refusal_is_told_to_whoever_has_gone_elsewhere(window: Window) -> None:
    page = window.page
    held: list[Route] = []
    page.route(TOP_UP, lambda route: held.insert(0, route))
    page.route(
        TRANSFER, lambda route: held.append(route) if is_payment(route) else route.continue_()
    )
    to_confirm(page, "12.00")
    press_send(page)
    page.get_by_role("button", name="Sending").wait_for()
    go_home(page)
    page.get_by_text("A payment was under way").wait_for()
    held.pop().fulfill(status=422, headers=PROBLEM, body=REFUSED)
    page.get_by_text(re.compile(r"12\.00\sUSD to .* was not sent")).wait_for()
    page.get_by_text("A payment was under way").wait_for(state="detached")
    page.get_by_role("link", name="Add money").first.click()
    page.get_by_label("Amount").fill("5.00")
    page.get_by_role("button", name="Add 5.00").click()
    page.wait_for_timeout(300)
    go_home(page)
    page.get_by_text("We do not know yet whether it was added").wait_for()
    held.pop().fulfill(status=422, headers=PROBLEM, body='{"code": "top-up-declined"}')
    page.get_by_text("Nothing was added").wait_for()
    page.get_by_text("We do not know yet whether it was added").wait_for(state="detached")


def test_what_is_answered_elsewhere_is_not_under_way_any_more(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    held: list[Route] = []
    page.route(
        TRANSFER, lambda route: held.append(route) if is_payment(route) else route.continue_()
    )
    to_confirm(page, "13.00")
    press_send(page)
    page.get_by_role("button", name="Sending").wait_for()
    go_home(page)
    page.get_by_role("link", name="Find out").click()
    page.get_by_role("heading", name="A payment was under way").wait_for()
    held.pop().continue_()
    page.get_by_role("heading", name="Sent").wait_for()
    assert page.get_by_role("button", name="Do not try again").count() == 0
    assert len(sent_by(service, bearer)) - window.paid_before == 1


@pytest.mark.parametrize("named", ["@bob", "BOB"])
def test_a_link_may_name_somebody_as_people_write_it(window: Window, named: str) -> None:
    page = window.visit.open(f"/app/send?to={named}")
    page.get_by_label("Amount").type("12.50")
    assert page.get_by_label("Amount").input_value() == "12.50"
    assert page.url.endswith("/app/send?to=bob")


def test_a_log_out_that_the_service_has_not_heard_of_is_none(window: Window) -> None:
    page = window.page
    refusing = [True]

    def refuse(route: Route) -> None:
        if refusing[0] and route.request.method == "DELETE":
            route.fulfill(status=403, headers=PROBLEM, body='{"code": "csrf-token-wrong"}')
        else:
            route.continue_()

    page.route("**/session", refuse)
    window.visit.open("/app/settings")
    page.get_by_role("button", name="Log out").first.click()
    page.get_by_text("This browser is still logged in").wait_for()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")
    page.wait_for_timeout(500)
    assert page.get_by_test_id("balance").count() == 0
    refusing[0] = False
    page.get_by_role("button", name="Log out now").click()
    page.get_by_text("This browser is still logged in").wait_for(state="detached")
    page.wait_for_function("fetch('/session').then((answer) => answer.status === 401)")
    page.get_by_label("E-mail").fill("dean@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_test_id("balance").wait_for()


def test_what_came_before_the_stream_was_open_is_in_the_list(
    window: Window, service: Serving
) -> None:
    other = join(service, "edna", "Edna", 9_999)
    page = window.page
    failing = iter([True])

    def fail(route: Route) -> None:
        if next(failing, False):
            pay_dean()
            route.fulfill(status=503, headers=PROBLEM, body='{"code": "not-ready"}')
        else:
            route.continue_()

    def pay_dean() -> None:
        page.get_by_role("region", name="Latest").get_by_role("link").first.wait_for()
        body = {"to_handle": "dean", "amount": 4_321, "note": "Before it was live"}
        url = f"{service.url}/wallets/transfer"
        assert httpx.post(url, json=body, headers=other).status_code == 201

    page.route("**/live/tickets", fail)
    page.reload()
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_text("Before it was live").first.wait_for()
