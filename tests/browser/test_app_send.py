"""Sending in a real browser: whatever happens on the way, the money moves once or not at all.

Each refusal must say what happened, that nothing was lost, and what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.browser.staff import Town
from tests.browser.windows import PASSWORD, Window, join, pay, sent_by
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow
TRANSFER = "**/wallets/transfer"


@pytest.fixture(scope="module")
def bearer(service: Serving) -> dict[str, str]:
    """What the API client of cleo sends; every test but one lets her pay."""
    return join(service, "cleo", "Cleo", 1_000_000)


@pytest.fixture
def window(
    browser: Browser, service: Serving, bearer: dict[str, str], tmp_path: Path
) -> Iterator[Window]:
    window = Window(browser, service, tmp_path).log_in("cleo")
    window.paid_before = len(sent_by(service, bearer))
    yield window
    window.context.close()


def to_confirm(page: Page, amount: str = "12.34", note: str = "") -> None:
    """Go through the first two steps."""
    page.goto(f"{page.url.split('/app')[0]}/app/send")
    page.get_by_label("Handle or e-mail").fill("@bob")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Amount").fill(amount)
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Check before it goes").wait_for()


def press_send(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Send [\d.]+")).click()


def is_payment(route: Route) -> bool:
    return not (route.request.post_data_json or {}).get("dry_run")


def answer_with(page: Page, status: int, code: str, retry_after: int) -> None:
    """Let every payment be answered with a problem, without asking the service."""

    def refuse(route: Route) -> None:
        if is_payment(route):
            headers = {"retry-after": str(retry_after), "content-type": "application/problem+json"}
            route.fulfill(status=status, headers=headers, body=json.dumps({"code": code}))
        else:
            route.continue_()

    page.route(TRANSFER, refuse)


def assert_paid(window: Window, service: Serving, bearer: dict[str, str], times: int) -> None:
    assert len(sent_by(service, bearer)) - window.paid_before == times


def test_double_clicks_and_enter_twice_pay_once_and_confirm_nothing_unseen(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    page.goto(f"{window.visit.origin}/app/send")
    page.get_by_label("Handle or e-mail").fill("bob")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_label("Amount").fill("3")
    page.get_by_role("button", name="Continue").dblclick()
    page.get_by_role("heading", name="Check before it goes").wait_for()
    page.wait_for_timeout(400)
    assert_paid(window, service, bearer, 0)
    page.get_by_role("button", name="Send 3.00").dblclick()
    page.get_by_role("heading", name="Sent").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_timeout(400)
    assert_paid(window, service, bearer, 1)


def test_the_keyboard_alone_sends_and_the_focus_follows_each_step(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText").strip() == name:
                return
        raise AssertionError(f"{name} cannot be reached by Tab")

    def focused() -> str:
        return str(page.evaluate("document.activeElement.innerText")).strip()

    tab_to("Send")
    page.keyboard.press("Enter")
    page.get_by_label("Handle or e-mail").wait_for()
    page.keyboard.type("@bob")
    page.keyboard.press("Enter")
    page.get_by_label("Amount").wait_for()
    page.keyboard.type("4.56")
    page.keyboard.press("Tab")
    page.keyboard.type("For the stamps")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Send 4.56").wait_for()
    assert focused() == "Check before it goes"
    tab_to("Send 4.56\u00a0USD")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Sent").wait_for()
    assert focused() == "Sent"
    described = page.get_by_role("heading", name="Sent").get_attribute("aria-describedby")
    assert "4.56\u00a0USD is with" in page.locator(f"#{described}").inner_text()
    assert_paid(window, service, bearer, 1)
    tab_to("What happened")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Movement").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Sent").wait_for()


def test_back_takes_back_a_step_and_never_money(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "5", "Trams")
    page.go_back()
    assert page.get_by_label("Amount").input_value() == "5"
    assert page.get_by_label("Note").input_value() == "Trams"
    page.go_forward()
    press_send(page)
    page.get_by_role("heading", name="Sent").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Send money").wait_for()
    assert page.get_by_label("Amount").input_value() == ""
    page.go_forward()
    page.get_by_text("5.00\u00a0USD is with").wait_for()
    page.reload()
    page.get_by_text("5.00\u00a0USD is with").wait_for()
    assert page.get_by_role("button", name=re.compile("^Send ")).count() == 0
    assert_paid(window, service, bearer, 1)


def test_a_reload_keeps_what_was_typed_and_whoever_logs_in_next_does_not_see_it(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "6.70", "A surprise for Bob")
    page.reload()
    page.get_by_role("heading", name="Check before it goes").wait_for()
    page.get_by_text("A surprise for Bob").wait_for()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Log out").first.click()
    window.log_in("alice")
    page.goto(f"{window.visit.origin}/app/send?to=bob&step=confirm")
    assert page.get_by_label("Amount").input_value() == ""
    assert page.evaluate("sessionStorage.length") == 0
    assert_paid(window, service, bearer, 0)


def test_a_payment_without_an_answer_is_found_out_after_a_reload_and_paid_once(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "7.89")
    keys: list[str] = []

    def lose(route: Route) -> None:
        if is_payment(route):
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(TRANSFER, lose)
    press_send(page)
    page.get_by_text("the money moves once").wait_for()
    # Neither a step back nor another view lets it be sent anew.
    page.go_back()
    page.get_by_role("heading", name="A payment was under way").wait_for()
    page.reload()
    page.get_by_role("heading", name="A payment was under way").wait_for()
    page.get_by_role("link", name="Home").click()
    page.get_by_text("7.89\u00a0USD to").first.wait_for()
    page.get_by_role("link", name="Find out").click()
    page.unroute(TRANSFER)
    page.get_by_role("button", name="Find out").click()
    page.get_by_role("heading", name="Sent").wait_for()
    assert len(set(keys)) == 1
    assert_paid(window, service, bearer, 1)


def test_a_payment_goes_on_while_one_looks_at_something_else(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "4.04")
    lost: list[str] = []

    def lose(route: Route) -> None:
        if is_payment(route):
            lost.append(route.request.headers["idempotency-key"])
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(TRANSFER, lose)
    press_send(page)
    page.get_by_role("link", name="Home").click()
    page.get_by_text("A payment was under way").wait_for()
    page.unroute(TRANSFER)
    page.get_by_text("4.04\u00a0USD is with").first.wait_for()
    page.get_by_text("A payment was under way").wait_for(state="detached")
    assert page.url.rstrip("/").endswith("/app")
    assert_paid(window, service, bearer, 1)


def test_a_refusal_after_a_lost_answer_does_not_pass_for_not_sent(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "8.01")
    seen: list[str] = []

    def lose_then_refuse(route: Route) -> None:
        if not is_payment(route):
            route.continue_()
        elif seen:
            headers = {"retry-after": "60", "content-type": "application/problem+json"}
            body = json.dumps({"code": "too-many-requests"})
            route.fulfill(status=429, headers=headers, body=body)
        else:
            seen.append(route.request.headers["idempotency-key"])
            route.fetch()
            route.abort("connectionreset")

    page.route(TRANSFER, lose_then_refuse)
    press_send(page)
    page.get_by_text("We do not know yet whether it was sent").wait_for()
    page.unroute(TRANSFER)
    page.get_by_role("button", name="Find out").click()
    page.get_by_role("heading", name="Sent").wait_for()
    assert_paid(window, service, bearer, 1)


def test_without_a_network_nothing_is_lost_and_it_goes_once_there_is_one(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "9.99")
    window.context.set_offline(True)
    page.get_by_text("What you see may be older than that").wait_for()
    press_send(page)
    page.get_by_text("We do not know yet whether it was sent").wait_for(timeout=30_000)
    assert_paid(window, service, bearer, 0)
    window.context.set_offline(False)
    page.get_by_role("button", name="Find out").click()
    page.get_by_role("heading", name="Sent").wait_for()
    page.get_by_text("Live", exact=True).wait_for()
    assert page.get_by_text("What you see may be older").count() == 0
    assert_paid(window, service, bearer, 1)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (429, "too-many-requests", "It goes on in 30 seconds"),
        (503, "safe-mode", "Nothing is lost: try again later"),
        (503, "overloaded", "Nothing was done: try again in a moment"),
        (422, "balance-limit-exceeded", "The balance would become too large"),
    ],
)
def test_a_refusal_says_that_it_was_not_sent_and_can_be_tried_again(
    window: Window, service: Serving, bearer: dict[str, str], status: int, code: str, said: str
) -> None:
    page = window.page
    to_confirm(page, "1.01")
    answer_with(page, status, code, 30)
    press_send(page)
    page.get_by_text("It was not sent").wait_for()
    page.get_by_text(said).wait_for()
    assert_paid(window, service, bearer, 0)
    page.unroute(TRANSFER)
    press_send(page)
    page.get_by_role("heading", name="Sent").wait_for()
    assert_paid(window, service, bearer, 1)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nobody_at_all", "Nobody was found"),
        ("a_handle_that_is_much_longer_than_any", "Nobody was found"),
        ("alice@example.com", "only verified addresses are found"),
        ("no address@at all", "Nobody was found"),
        ("@CLEO", "That is you"),
    ],
)
def test_whoever_cannot_be_paid_is_told_at_the_first_step(
    window: Window, named: str, said: str
) -> None:
    page = window.page
    for given in ("typed", "in the link"):
        if given == "typed":
            page.goto(f"{window.visit.origin}/app/send")
            page.get_by_label("Handle or e-mail").fill(named)
            page.get_by_role("button", name="Continue").click()
        else:
            page.goto(f"{window.visit.origin}/app/send?to={named}")
        page.get_by_role("alert").get_by_text(said).wait_for()
        assert page.get_by_label("Handle or e-mail").input_value() == named
        assert page.get_by_label("Handle or e-mail").get_attribute("aria-invalid") == "true"


def test_another_window_that_spends_the_money_is_seen_before_it_is_sent(
    window: Window, service: Serving, tmp_path: Path
) -> None:
    bearer = join(service, "dora", "Dora", 2_000)
    page = window.page
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Log out").first.click()
    window.log_in("dora")
    to_confirm(page, "15")
    page.get_by_text("5.00").first.wait_for()
    pay(service, bearer, "alice", 1_800)
    page.get_by_text("It was not sent").wait_for()
    page.get_by_text("There is not enough money: 2.00\u00a0USD can be sent.").wait_for()
    assert page.get_by_role("button", name="Send 15.00").is_disabled()
    page.get_by_role("button", name="Change").click()
    page.get_by_text("That is more than the 2.00\u00a0USD that can be sent.").wait_for()


def test_a_session_that_ended_elsewhere_asks_to_log_in_and_goes_on(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    page = window.page
    to_confirm(page, "2.22", "Still there")
    other = window.context.new_page()
    other.goto(f"{window.visit.origin}/app/settings")
    other.get_by_role("button", name="Log out").first.click()
    other.get_by_label("E-mail").wait_for()
    page.get_by_text("Your session has ended. Log in again to go on where you were.").wait_for()
    page.get_by_label("E-mail").fill("cleo@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Still there").wait_for()
    press_send(page)
    page.get_by_role("heading", name="Sent").wait_for()
    assert_paid(window, service, bearer, 1)


def test_a_window_never_pays_for_somebody_who_has_logged_in_in_another_one(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    alice = join(service, "erna", "Erna", 5_000)
    page = window.page
    to_confirm(page, "3.33", "Not from Erna")
    # Its live stream would notice that Cleo has left before Erna is in.
    page.route("**/live/tickets", lambda route: route.abort())
    other = window.context.new_page()
    other.goto(f"{window.visit.origin}/app/settings")
    other.get_by_role("button", name="Log out").first.click()
    other.get_by_label("E-mail").fill("erna@example.com")
    other.get_by_label("Password", exact=True).fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    other.get_by_role("navigation").wait_for()
    # It has not been looked at since: the token of the one is not that of the other.
    press_send(page)
    page.get_by_text("Somebody has logged in or out in another window since").wait_for()
    page.unroute("**/live/tickets")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")
    page.get_by_role("heading", name="Send money").wait_for()
    assert page.get_by_label("Amount").input_value() == ""
    page.get_by_text("50.00\u00a0USD available").wait_for()
    assert page.get_by_text("Not from Erna").count() == 0
    assert sent_by(service, alice) == []
    assert_paid(window, service, bearer, 0)


def with_administrator(service: Serving, name: str) -> Town:
    """Return the people of a service, among them an administrator whose API client is logged in."""
    town = Town(service, service.log.parent)
    town.appoint(name, "Lindqvist")
    given = {
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "otp": town.codes[name].pop(),
    }
    answer = httpx.post(f"{service.url}/users/login", json=given, timeout=30)
    town.tokens[name] = answer.raise_for_status().json()["access_token"]
    return town


def test_a_frozen_wallet_says_so_before_anything_is_typed(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    frozen = join(service, "fritz", "Fritz", 5_000)
    town = with_administrator(service, "rosa")
    wallets = httpx.get(f"{service.url}/wallets", headers=frozen, timeout=30).json()["items"]
    path = f"/admin/wallets/{wallets[0]['id']}/freeze"
    reason: dict[str, Any] = {"direction": "both", "reason": "A stolen phone"}
    town.call("POST", path, "rosa", json=reason).raise_for_status()
    page = window.page
    # Cleo learns at the last step that Fritz takes nothing, and why it is not her wallet.
    page.goto(f"{window.visit.origin}/app/send?to=fritz")
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("The wallet it would go to is frozen").wait_for()
    assert page.get_by_role("button", name="Send 1.00").is_disabled()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Log out").first.click()
    window.log_in("fritz")
    page.get_by_text("This wallet is frozen: no money can move.").wait_for()
    page.goto(f"{window.visit.origin}/app/send?to=bob")
    page.get_by_text("nothing can be sent from it. Ask the support why.").wait_for()
    assert page.get_by_role("button", name="Continue").is_disabled()
    page.goto(f"{window.visit.origin}/app/add")
    page.get_by_text("money cannot come in").wait_for()
    assert_paid(window, service, bearer, 0)


def test_an_overdraft_can_be_spent_and_a_closed_wallet_says_that_it_is(
    window: Window, service: Serving, bearer: dict[str, str]
) -> None:
    gita = join(service, "gita", "Gita", 200)
    town = with_administrator(service, "ruth")
    wallets = {}
    with httpx.Client(base_url=service.url, headers=gita, timeout=30) as client:
        for currency in ("EUR", "JPY"):
            client.post("/wallets", json={"currency": currency}).raise_for_status()
        for each in client.get("/wallets").json()["items"]:
            wallets[each["currency"]] = f"/admin/wallets/{each['id']}"
    for path, body in (
        (f"{wallets['USD']}/overdraft", {"limit": 500}),
        (f"{wallets['EUR']}/close", {}),
    ):
        because: dict[str, Any] = {**body, "reason": "As was agreed"}
        town.call("POST", path, "ruth", json=because).raise_for_status()
    page = window.page
    page.get_by_role("link", name="Settings").click()
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.get_by_role("button", name="Log out").first.click()
    window.log_in("gita")
    page.goto(f"{window.visit.origin}/app/send?to=bob")
    page.get_by_text("7.00\u00a0USD available").wait_for()
    page.get_by_label("Amount").fill("7.01")
    page.get_by_text("That is more than the 7.00\u00a0USD that can be sent.").wait_for()
    page.get_by_label("Amount").fill("6.00")
    page.get_by_role("button", name="Continue").click()
    press_send(page)
    page.get_by_role("heading", name="Sent").wait_for()
    page.goto(f"{window.visit.origin}/app?currency=EUR")
    page.get_by_text("This wallet is closed: no money can move any more.").wait_for()
    page.goto(f"{window.visit.origin}/app/add?currency=EUR")
    page.get_by_text("This wallet is closed").wait_for()
    assert page.locator("form button[type=submit]").is_disabled()
    page.goto(f"{window.visit.origin}/app/settings")
    page.get_by_text("Closed", exact=True).wait_for()
    page.goto(f"{window.visit.origin}/app/add?currency=JPY")
    page.get_by_role("button", name="2,500", exact=True).click()
    assert page.get_by_label("Amount").input_value() == "2,500"
    page.get_by_role("button", name="Add 2,500\u00a0JPY").wait_for()
    assert_paid(window, service, bearer, 0)
