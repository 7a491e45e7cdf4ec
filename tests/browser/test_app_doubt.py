"""What the wallet page says of money while a line breaks in the worst places, and to whom."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.browser.windows import PASSWORD, Window, join, sent_by
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow
TRANSFER, TOP_UP = "**/wallets/transfer", "**/wallets/topup"
REFUSED = json.dumps({"code": "insufficient-funds", "title": "Not enough", "available": 0})
# Whether somebody's wallet was on the screen, be it for a blink.
WATCH = """
window.wasSeen = false;
new MutationObserver(() => { window.wasSeen ||= document.querySelector(".frame") !== null })
  .observe(document.body, {subtree: true, childList: true});
"""
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


def log_out(page: Page) -> None:
    """Log out in the page itself, without a reload."""
    page.get_by_role("link", name="Settings").first.click()
    page.get_by_role("button", name="Log out").first.click()
    page.get_by_label("E-mail").wait_for()


def log_in(page: Page, name: str) -> None:
    page.get_by_label("E-mail").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("answered", [False, True])
def test_what_is_tried_again_never_goes_out_as_whoever_logs_in_next(
    window: Window, service: Serving, bearer: dict[str, str], *, answered: bool
) -> None:
    next_one = join(service, f"finn_{answered}".lower(), "Finn", 50_000)
    page = window.page
    held: list[Route] = []

    def hold(route: Route) -> None:
        if not is_payment(route):
            route.continue_()
        elif answered:
            held.append(route)
        else:
            held.append(route)
            route.fulfill(status=503, headers=PROBLEM | {"retry-after": "6"}, body="{}")

    page.route(TRANSFER, hold)
    to_confirm(page, "14.00")
    press_send(page)
    page.wait_for_timeout(500)
    log_out(page)
    log_in(page, f"finn_{answered}".lower())
    page.get_by_test_id("balance").get_by_text("500.00").first.wait_for()
    if answered:
        held[0].continue_()
    page.wait_for_timeout(8_000)  # Longer than it would have waited before the next attempt.
    assert len(held) == 1
    assert sent_by(service, next_one) == []
    # Nobody is told what somebody else has sent; they find it out themselves.
    assert page.get_by_text("14.00").count() == 0
    assert page.get_by_text("A payment was under way").count() == 0
    log_out(page)
    log_in(page, "dean")
    page.get_by_text("A payment was under way").wait_for()
    page.unroute(TRANSFER)
    page.get_by_role("link", name="Find out").click()
    page.get_by_role("button", name="Find out").click()
    page.get_by_role("heading", name="Sent").wait_for()
    assert len(sent_by(service, bearer)) - window.paid_before == 1


def test_a_slow_log_out_does_not_end_the_next_log_in(window: Window) -> None:
    page = window.page
    entering: list[str] = []
    told: list[int] = []

    def slow(route: Route) -> None:
        if route.request.method != "DELETE":
            entering.extend([route.request.url] if route.request.method == "POST" else [])
            route.continue_()
            return
        told.append(204 if entering else 503)
        if told[-1] == 503:
            route.fulfill(status=503, headers=PROBLEM, body="{}")
        else:
            route.continue_()

    page.route("**/session", slow)
    log_out(page)
    log_in(page, "dean")
    page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    page.wait_for_timeout(4_000)  # Longer than the log-out would have waited to be told again.
    assert 204 not in told
    page.wait_for_function("fetch('/session').then((answer) => answer.status === 200)")
    page.get_by_role("link", name="History").first.click()
    page.get_by_role("heading", name="History").wait_for()
    assert page.get_by_text("This browser is still logged in").count() == 0


def test_who_was_logged_in_a_moment_ago_is_not_taken_for_who_is_now(window: Window) -> None:
    page = window.page
    held: list[tuple[Route, str]] = []

    def late(route: Route) -> None:
        if route.request.method == "GET" and not held:
            headers = route.request.headers | {"sec-fetch-site": "same-origin"}
            held.append((route, route.fetch(headers=headers).text()))
        else:
            route.continue_()

    page.route("**/session", late)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")
    until_s = time.monotonic() + 10
    while not held and time.monotonic() < until_s:
        page.wait_for_timeout(50)
    assert len(held) == 1
    log_out(page)
    route, body = held[0]
    assert '"csrf_token"' in body
    page.evaluate(WATCH)
    route.fulfill(status=200, headers={"content-type": "application/json"}, body=body)
    page.wait_for_timeout(1_000)
    assert page.evaluate("window.wasSeen") is False
    page.get_by_label("E-mail").wait_for()
    log_in(page, "dean")
    page.get_by_test_id("balance").wait_for()


def test_what_is_being_added_is_not_rewritten_while_it_is_under_way(window: Window) -> None:
    page = window.page
    sent: list[Any] = []

    def drop(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.abort()

    page.route(TOP_UP, drop)
    page.get_by_role("link", name="Add money").first.click()
    page.get_by_label("Amount").fill("6.00")
    page.get_by_role("button", name="Add 6.00").click()
    page.get_by_text("No answer yet. Trying again").wait_for()
    page.get_by_label("Amount").press_sequentially("77")
    assert page.get_by_label("Amount").input_value() == "6.00"
    page.get_by_text(re.compile(r"6\.00\sUSD")).first.wait_for()
    page.get_by_role("heading", name="We do not know yet whether it was added").wait_for(
        timeout=30_000
    )
    assert {body["amount"] for body in sent} == {600}


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
