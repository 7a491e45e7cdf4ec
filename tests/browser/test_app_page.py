"""The wallet page in a real browser, on the real service: under its policy, and live."""

from __future__ import annotations

import http.server
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.visit import AXE, flaws_of
from tests.browser.windows import SCRIPT, Window
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWS = ("/", "/history", "/send", "/add", "/receive", "/spending", "/settings")


@pytest.mark.slow
def test_a_payment_is_seen_live_in_the_other_window_and_scripts_stay_text(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    alice = Window(browser, service, tmp_path).log_in("alice")
    bob = Window(browser, service, tmp_path, viewport={"width": 360, "height": 780}).log_in("bob")
    assert bob.balance() == "1,000.00\u00a0USD"
    page = alice.page
    page.get_by_role("link", name="Send", exact=True).click()
    page.get_by_label("Handle or e-mail").fill("@bob")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Amount").fill("12.34")
    page.get_by_text("987.66\u00a0USD will remain").wait_for()
    page.get_by_label("Note").fill(SCRIPT)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send 12.34\u00a0USD").click()
    page.get_by_role("heading", name="Sent").wait_for()
    bob.page.get_by_text("+12.34\u00a0USD from Alice O.").wait_for()
    bob.page.get_by_test_id("balance").get_by_text("1,012.34\u00a0USD").wait_for()
    bob.page.get_by_text(SCRIPT).first.wait_for()
    for window in (alice, bob):
        window.visit.picture(f"live-{window.page.viewport_size}")
        assert "stolen" not in window.page.title()
        assert window.page.locator("img[src=x]").count() == 0
        window.assert_clean()
        window.context.close()


@pytest.mark.slow
def test_a_cut_connection_sends_once_and_the_page_says_since_when_it_is_stale(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("alice")
    page = window.page
    before = window.balance()
    keys: list[str] = []

    def cut_first(route: Any) -> None:
        request = route.request
        if request.method == "POST" and not (request.post_data_json or {}).get("dry_run"):
            keys.append(request.headers["idempotency-key"])
            if len(keys) == 1:
                # It arrives, and the answer is lost.
                route.fetch()
                route.abort("connectionreset")
                return
        route.continue_()

    page.route("**/wallets/transfer", cut_first)
    page.goto(f"{window.visit.origin}/app/send?to=bob")
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send 1.00\u00a0USD").click()
    page.get_by_role("heading", name="Sent").wait_for()
    assert len(keys) == 2
    assert keys[0] == keys[1]
    page.get_by_role("link", name="Back to the balance").click()
    spent = float(before.split("\u00a0")[0].replace(",", "")) - 1
    page.get_by_test_id("balance").get_by_text(f"{spent:,.2f}\u00a0USD").wait_for()
    window.context.set_offline(True)
    page.get_by_text("Not live since").wait_for()
    window.context.set_offline(False)
    page.get_by_text("Live", exact=True).wait_for()
    window.context.close()


@pytest.mark.slow
def test_history_is_searched_and_a_line_tells_its_story(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("bob")
    page = window.page
    page.get_by_role("link", name="History").click()
    page.get_by_placeholder("Search notes and people").fill("Lunch")
    page.get_by_text("2 movements").wait_for()
    assert page.url.endswith("/app/history?q=Lunch")
    page.get_by_role("button", name="In", exact=True).click()
    page.get_by_text(re.compile(r"1 movement(?!s)")).wait_for()
    page.locator(".line a").first.click()
    page.get_by_text("in the log that nobody can rewrite").wait_for()
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download receipt").click()
    assert '"wallet-receipt-v1"' in Path(downloaded.value.path()).read_text()
    page.keyboard.press("Escape")
    for form, begins in (("PDF", b"%PDF"), ("CSV", b"\xef\xbb\xbf"), ("camt.053", b"<?xml")):
        page.get_by_role("button", name="Statement").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name=form).check()
        with page.expect_download() as downloaded:
            dialog.get_by_role("button", name="Download").click()
        assert Path(downloaded.value.path()).read_bytes().startswith(begins), form
        assert downloaded.value.suggested_filename.startswith("statement-")
    page.get_by_role("link", name="Spending").click()
    page.locator(".plot svg text").first.wait_for()
    assert "Where it went" in page.locator("main").inner_text()
    table = page.get_by_role("table", name="Money in and out by month, USD")
    assert table.get_by_role("row").count() == 13
    assert "\u00a0USD" in table.get_by_role("row").last.inner_text()
    # A plot that goes away empties its place, which the policy allows for the empty text alone.
    page.get_by_role("link", name="Home").click()
    page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    window.assert_clean()
    window.context.close()


@pytest.mark.slow
def test_filters_stand_in_the_address_and_a_line_closes_to_where_it_was_opened(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("bob")
    page = window.page
    page.goto(f"{window.visit.origin}/app/history")
    search = page.get_by_placeholder("Search notes and people")
    search.fill("lunch")
    page.get_by_role("button", name="Out", exact=True).click()
    page.get_by_role("button", name="Filters", exact=True).click()
    page.get_by_label("At most").fill("20")
    page.get_by_label("From").fill("2026-01-01")
    page.get_by_text(re.compile(r"1 movement(?!s)")).wait_for()
    address = page.url
    for part in ("q=lunch", "direction=out", "max=20", "from=2026-01-01"):
        assert part in address
    other = window.context.new_page()
    other.goto(address)
    other.get_by_text(re.compile(r"1 movement(?!s)")).wait_for()
    assert other.get_by_label("At most").input_value() == "20"
    other.locator(".line a").click()
    other.get_by_role("dialog", name="Movement").wait_for()
    other.keyboard.press("Escape")
    other.get_by_role("dialog").wait_for(state="detached")
    assert other.url == address
    other.get_by_role("button", name="Clear filters").click()
    other.wait_for_url("**/app/history")
    assert other.get_by_placeholder("Search notes and people").input_value() == ""
    # Whoever writes an address by hand gets what can be read of it.
    other.goto(
        f"{window.visit.origin}/app/history?from=never&direction=up&currency=x&min=y&q=lunch"
    )
    other.get_by_text("2 movements").wait_for()
    # From the first view, a line opens and closes there, and the focus is back on it.
    page.goto(f"{window.visit.origin}/app")
    line = page.locator(".line a").first
    line.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Movement").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.url.rstrip("/").endswith("/app")
    page.wait_for_function("document.activeElement.closest('.line') !== null")
    window.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("dark", 360), ("light", 1440)])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: Browser, service: Serving, tmp_path: Path, scheme: str, width: int
) -> None:
    if not AXE.exists():
        pytest.skip("NO AXE: the page was not checked for people who cannot see it (make assets)")
    # The policy forbids to inject the checker, so this window alone goes without it.
    window = Window(browser, service, tmp_path, bypass_csp=True, color_scheme=scheme)
    window.log_in("alice")
    page = window.page
    found: dict[str, list[str]] = {}
    page.set_viewport_size({"width": width, "height": 900})
    for view in VIEWS:
        page.goto(f"{window.visit.origin}/app{view}")
        page.wait_for_load_state("networkidle")
        page.get_by_text("Live", exact=True).wait_for()
        found[view] = flaws_of(page)
    assert {view: bad for view, bad in found.items() if bad} == {}
    window.context.close()


@pytest.mark.slow
def test_another_sites_page_cannot_act_for_somebody_who_is_logged_in(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("alice")
    before = window.balance()
    target = f"{window.visit.origin}/wallets/transfer"
    page = f"""<form method=post enctype=text/plain action={target}>
        <input name='{{"to_handle":"bob","amount":777,"note":"' value='"}}'></form>
        <script>
        fetch("{target}", {{method: "POST", credentials: "include", mode: "no-cors",
            headers: {{"content-type": "text/plain"}},
            body: '{{"to_handle":"bob","amount":777}}'}}).catch(() => 0)
            .then(() => document.forms[0].submit())
        </script>"""
    with evil_site(page) as url:
        answers: list[int] = []
        other = window.context.new_page()
        other.on(
            "response",
            lambda answer: answers.append(answer.status) if answer.url == target else None,
        )
        other.goto(url)
        other.wait_for_url(target)
        other.wait_for_load_state()
    assert answers
    assert all(400 <= status < 500 for status in answers), answers
    window.page.reload()
    window.page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    assert window.balance() == before
    window.context.close()


class evil_site:  # noqa: N801 - it is used like a function
    """Another origin on this machine, for as long as the block lasts."""

    def __init__(self, page: str) -> None:
        content = page.encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __exit__(self, *arguments: Any) -> None:
        self.server.shutdown()
        self.server.server_close()
