"""The wallet page for everybody: in every state, with a screen reader, and on a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.browsers import code_now
from tests.browser.visit import AXE, flaws_of
from tests.browser.windows import PASSWORD, Window, join, pay
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenreinigung"
RIGHT_TO_LEFT = "قهوة وكعكة، كان المكان جميلاً"
TWELVE_DIGITS = 999_999_999_999


@pytest.fixture(scope="module")
def rich(service: Serving) -> None:
    """Walburga, who has everything that is hard to show."""
    bearer = join(service, "walburga", "Maximiliane-Alexandra", 1)
    other = join(service, "xaver", "نور", TWELVE_DIGITS)
    pay(service, other, "walburga", TWELVE_DIGITS - 500, note=LONG)
    pay(service, other, "walburga", 1, note=RIGHT_TO_LEFT)
    pay(service, bearer, "xaver", 1, note=f"{LONG} {RIGHT_TO_LEFT}")


def open_line(page: Page) -> None:
    page.locator(".line a").first.click()
    page.get_by_text("in the log that nobody can rewrite").wait_for()


def fail_everything(page: Page) -> None:
    """From now on every question is answered with an error."""

    def refuse(route: Route) -> None:
        body = json.dumps({"code": "internal-error"})
        route.fulfill(status=422, content_type="application/problem+json", body=body)

    for path in ("**/transactions*", "**/wallets", "**/users/me"):
        page.route(path, refuse)
    page.reload()
    page.get_by_text("Something went wrong on our side").first.wait_for()


def states_of(  # noqa: C901 - one list of what there is
    page: Page, origin: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield every state that has not an address alone, and how one gets there."""

    def at(path: str) -> None:
        page.goto(f"{origin}/app{path}")
        page.get_by_text("Live", exact=True).wait_for()

    def press(path: str, name: str, inside: str = "dialog") -> Callable[[], None]:
        def go() -> None:
            at(path)
            page.get_by_role("button", name=name, exact=True).first.click()
            page.locator(inside).first.wait_for()

        return go

    def line() -> None:
        at("/")
        open_line(page)

    def amount(text: str) -> Callable[[], None]:
        def go() -> None:
            at("/send?to=xaver")
            page.get_by_label("Amount").fill(text)
            page.get_by_role("button", name="Continue").click()

        return go

    def confirm() -> None:
        amount("0.01")()
        page.get_by_role("button", name="Send 0.01").wait_for()

    def sent() -> None:
        confirm()
        page.get_by_role("button", name="Send 0.01").click()
        page.get_by_role("heading", name="Sent").wait_for()

    def offline() -> None:
        at("/")
        page.context.set_offline(True)
        page.get_by_text("What you see may be older").wait_for()

    def errors() -> None:
        page.context.set_offline(False)
        fail_everything(page)

    def nothing_found() -> None:
        at("/history?q=nothing&from=2026-01-01&min=abc")
        page.get_by_text("Nothing found").wait_for()

    yield "line", line
    yield "statement", press("/history", "Statement")
    yield "filters", nothing_found
    yield "no amount", amount("1e3")
    yield "too much", amount("99999999999.99")
    yield "nobody", lambda: at("/send?to=nobody_here")
    yield "confirm", confirm
    yield "sent", sent
    yield "edit", press("/settings", "Edit")
    yield "password", press("/settings", "Change password")
    yield "second factor", press("/settings", "Set up")
    yield "nowhere", lambda: at("/nowhere")
    yield "offline", offline
    yield "errors", errors


# Contrast is a matter of the scheme and layout one of the width: two of the four show both.
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1440)])
def test_axe_finds_nothing_in_any_state_and_nothing_is_wider_than_the_screen(
    browser: Browser, service: Serving, rich: None, tmp_path: Path, scheme: str, width: int
) -> None:
    if not AXE.exists():
        pytest.skip("NO AXE: the page was not checked for people who cannot see it (make assets)")
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}}
    # The policy forbids to inject the checker, so this window alone goes without it.
    window = Window(browser, service, tmp_path, bypass_csp=True, color_scheme=scheme, **options)
    window.context.set_default_timeout(15_000)
    page = window.page
    found: dict[str, list[str]] = {}
    for door in ("/login", "/signup", "/reset", "/reset?step=code"):
        window.visit.open(f"/app{door}")
        page.get_by_role("heading").wait_for()
        found[door] = flaws_of(page)
    page.goto(f"{window.visit.origin}/app/login")
    page.get_by_label("E-mail").fill("walburga@example.com")
    page.get_by_label("Password", exact=True).fill("not what it is at all")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("E-mail or password is not right.").wait_for()
    found["wrong password"] = flaws_of(page)
    window.log_in("walburga")
    for name, go in states_of(page, window.visit.origin):
        go()
        page.wait_for_timeout(250)  # What fades in has another contrast until it is there.
        found[name] = flaws_of(page)
        window.visit.picture(f"{name.replace(' ', '-')}-{width}-{scheme}")
    assert {name: bad for name, bad in found.items() if bad} == {}
    window.context.close()


SMALL = """
[...document.querySelectorAll("a, button, input, select, textarea, [role=button]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".unseen")
    && !one.classList.contains("skip"))
  .map((one) => {
    const area = (one.type === "radio" ? one.closest("label") : one).getBoundingClientRect();
    return [one.outerHTML.slice(0, 90), Math.round(area.width), Math.round(area.height)];
  })
  .filter(([, width, height]) => width < 44 || height < 44)
"""
TYPED_SMALL = """
[...document.querySelectorAll("input, select, textarea")]
  .filter((one) => one.type !== "radio" && parseFloat(getComputedStyle(one).fontSize) < 16)
  .map((one) => one.outerHTML.slice(0, 90))
"""


def test_on_a_phone_fingers_hit_everything_and_no_field_makes_the_page_zoom(
    browser: Browser, service: Serving, rich: None, tmp_path: Path
) -> None:
    phone: dict[str, Any] = {
        "viewport": {"width": 360, "height": 780},
        "has_touch": True,
        "is_mobile": True,
    }
    window = Window(browser, service, tmp_path, **phone)
    page = window.page
    found: dict[str, list[Any]] = {}

    def look(name: str) -> None:
        bad = page.evaluate(SMALL) + page.evaluate(TYPED_SMALL)
        if bad:
            found[name] = bad

    for door in ("/login", "/signup", "/reset", "/reset?step=code"):
        window.visit.open(f"/app{door}")
        page.get_by_role("heading").wait_for()
        look(door)
    window.log_in("walburga")
    for view in ("/", "/history?q=x&from=2026-01-01", "/add", "/receive", "/spending", "/settings"):
        page.goto(f"{window.visit.origin}/app{view}")
        page.get_by_text("Live", exact=True).wait_for()
        page.wait_for_load_state("networkidle")
        look(view)
    for name, go in states_of(page, window.visit.origin):
        go()
        look(name)
    assert found == {}
    window.context.close()


def test_fields_tell_keyboards_and_password_managers_what_they_want(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    bearer = join(service, "yvonne", "Yvonne", 500)
    window = Window(browser, service, tmp_path)
    page = window.visit.open("/app/signup")

    def told(label: str) -> tuple[str | None, str | None]:
        field = page.get_by_label(label, exact=True)
        field.wait_for()
        return field.get_attribute("autocomplete"), field.get_attribute("inputmode")

    assert told("E-mail") == ("email", "email")
    assert told("Password") == ("new-password", None)
    assert told("First name") == ("given-name", None)
    page.goto(f"{window.visit.origin}/app/login")
    assert told("E-mail") == ("username", "email")
    assert told("Password") == ("current-password", None)
    window.log_in("yvonne")
    page.goto(f"{window.visit.origin}/app/add")
    assert told("Amount") == ("off", "decimal")
    page.goto(f"{window.visit.origin}/app/settings")
    # The second factor as somebody sets it up, and logs in with it afterwards.
    page.get_by_role("button", name="Set up").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Set up").click()
    dialog.get_by_role("img", name="Scan this").wait_for()
    secret = dialog.locator(".identifier").inner_text().strip()
    assert told("Code") == ("one-time-code", "numeric")
    dialog.get_by_label("Code").fill(code_now(secret))
    window.visit.picture("set-up")
    dialog.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Save as a file").click()
    assert Path(downloaded.value.path()).read_text().split() == codes
    window.visit.picture("codes")
    # They are shown once: a slip of the finger does not take them away.
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    page.wait_for_timeout(200)
    assert page.locator(".codes li").count() == 10
    assert page.get_by_role("dialog").get_by_role("button", name="Close").count() == 0
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_text("On, 10 recovery codes left").wait_for()
    page.get_by_role("button", name="Log out").first.click()
    page.get_by_label("E-mail").fill("yvonne@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="One more step").wait_for()
    assert told("Code")[0] == "one-time-code"
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That code is not right").wait_for()
    window.visit.picture("code")
    # Whoever guesses has to wait longer each time.
    page.wait_for_timeout(1_500)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    assert bearer
    window.context.close()


def test_what_is_wrong_is_told_at_its_field_which_gets_the_focus(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    join(service, "zelda", "Zelda")
    window = Window(browser, service, tmp_path)
    page = window.visit.open("/app/signup")
    good = {
        "First name": "Zoe",
        "Last name": "Tester",
        "Handle": "zoe_of_zelda",
        "E-mail": "zoe.of.zelda@example.com",
        "Password": PASSWORD,
    }
    for label, given, said in (
        ("Last name", "   ", "A name has 1 to 100 letters"),
        ("Handle", "zelda", "Somebody has this handle already."),
        ("Handle", "ab", "3 to 30 letters"),
        ("E-mail", "zelda@example.com", "There is an account with this address"),
        ("E-mail", "zoe@nowhere", "No mail can be sent to this address."),
        ("Password", "short", "The password is too short"),
    ):
        for name, text in {**good, label: given}.items():
            page.get_by_label(name, exact=True).fill(text)
        page.get_by_role("button", name="Open wallet").click()
        page.get_by_role("alert").filter(has_text=said).wait_for()
        field = page.get_by_label(label, exact=True)
        assert field.get_attribute("aria-invalid") == "true", label
        assert field.evaluate("(field) => field === document.activeElement"), label
        words = page.locator(f'[id="{field.get_attribute("aria-describedby")}"]')
        assert said in words.inner_text()
        # It is said once, and nothing else is marked.
        assert page.get_by_text(said).count() == 1
        assert page.locator("[aria-invalid]").count() == 1
    assert window.visit.page.url.endswith("/app/signup")
    window.context.close()


def test_an_address_without_https_says_why_nobody_can_log_in(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path)
    # A browser counts every address of a network but localhost as not secure.
    window.page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page = window.visit.open("/app/login")
    page.get_by_text("This address is not secure").wait_for()
    page.get_by_text("Ask whoever runs this for the address that begins with https.").wait_for()
    window.context.close()
