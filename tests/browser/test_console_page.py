"""The operators' console in a real browser: who may come in, what they see, and what they do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.api.browsers import code_now
from tests.browser.staff import PASSWORD, SCRIPT, Desk, Town
from tests.browser.test_app_page import evil_site
from tests.browser.visit import AXE, flaws_of
from tests.conftest import reachable_directory
from tests.integration.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
VIEWS = ("/", "/people", "/wallets", "/transfers", "/approvals", "/audit", "/integrity")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        town = Town(running, directory)
        town.add_person("alice", "Alice", 100_000)
        town.add_person("bob", SCRIPT, 50_000)
        for note in (SCRIPT, "غداء", "Lunch"):
            assert town.pay("alice", "bob", 1_250, note=note, reference=SCRIPT).status_code == 201
        town.appoint("ada", SCRIPT)
        town.appoint("max", "Approver")
        town.appoint("sam", "Helper", "support")
        town.appoint("otto", "Reader", "auditor")
        yield town


def test_who_is_no_staff_or_has_no_second_factor_is_told_what_to_do(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    outsider = Desk(browser, town, tmp_path).give_password("alice")
    outsider.page.get_by_text("This is for the operator's staff").wait_for()
    outsider.close()
    town.add_person("nina", "Nina", 1)
    desk = Desk(browser, town, tmp_path).give_password("nina")
    desk.page.get_by_text("This is for the operator's staff").wait_for()
    town.confirm_address("nina")
    town.appoint_without_second_factor("nina")
    page = desk.open("")
    page.get_by_role("link", name="Set it up").click()
    page.get_by_role("button", name="Set up").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Set up").click()
    assert dialog.locator("img.qr").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )
    secret = dialog.locator("p", has_text="Or type this in:").inner_text().split()[-1]
    dialog.get_by_label("Code").fill(code_now(secret))
    dialog.get_by_role("button", name="Confirm").click()
    dialog.locator(".codes li").first.wait_for()
    assert dialog.locator(".codes li").count() == 10
    dialog.get_by_role("button", name="I have kept them").click()
    page = desk.open("")
    page.get_by_role("heading", name="Overview").wait_for()
    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])") == "[{},{}]"
    desk.close("403")


def test_a_payment_elsewhere_shows_and_search_leads_to_a_whole_person(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("ada")
    page = desk.page
    tile = page.locator(".numbers-row > *").filter(has_text="Transfers today")
    tile.locator(".value", has_text=re.compile(r"\d")).wait_for()
    before = int(tile.locator(".value").inner_text())
    assert town.pay("alice", "bob", 100).status_code == 201
    tile.locator(".value", has_text=re.compile(rf"^{before + 1}$")).wait_for()
    page.locator(".plot svg").first.wait_for()
    page = desk.find("alice", "Alice")
    page.get_by_role("heading", name="Alice Oberbürgermeisterkandidatin").wait_for()
    for title in ("Wallets", "Story", "Sessions", "Profile"):
        page.get_by_role("region", name=title, exact=True).wait_for()
    page.get_by_text(SCRIPT).first.wait_for()
    desk.close()


def test_plots_name_their_colours_and_leave_a_gap_where_nobody_has_counted(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("max")
    page = desk.page
    shown = town.call("GET", "/admin/overview", "ada").json()
    shown["counted_to"] = shown["made_at"]
    shown["minutes"][10] |= {"transfers": 4, "refused": 2}
    shown["minutes"][50] |= {"transfers": 9, "refused": 0}
    page.route("**/admin/overview", lambda route: route.fulfill(json=shown))
    per_minute = page.get_by_role("region", name="Transfers per minute")
    for name in ("accepted", "refused"):
        per_minute.locator("svg text", has_text=name).wait_for()
    assert per_minute.locator("tbody tr").nth(10).inner_text().split()[-2:] == ["4", "2"]
    # From here on as if counting had come no further than yesterday.
    shown["counted_to"] = shown["hours"][-30]["at"]
    per_minute.get_by_text("Not counted yet.").wait_for()
    tile = page.locator(".numbers-row > *").filter(has_text="Volume today")
    assert tile.locator(".value").inner_text() == "–"
    hours = page.get_by_role("region", name="Volume per hour").locator("tbody tr")
    assert hours.nth(17).locator("td").all_inner_texts() == ["0.00\xa0USD", "0"]
    assert hours.nth(18).locator("td").all_inner_texts() == ["–", "–"]
    desk.close()


def test_a_frozen_wallet_refuses_until_it_is_thawed_and_the_audit_trail_says_so(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.find("alice", "@alice")
    desk.begin("Freeze", f"Stolen phone {SCRIPT}")
    dialog = desk.dialog("Freeze")
    assert dialog.locator(".change dd").all_inner_texts() == ["not frozen", "cannot send"]
    dialog.get_by_role("button", name="Freeze", exact=True).click()
    dialog.wait_for(state="detached")
    page.get_by_text("cannot send").first.wait_for()
    refused = town.pay("alice", "bob", 100)
    assert (refused.status_code, refused.json()["code"]) == (422, "wallet-frozen")
    assert town.pay("bob", "alice", 100).status_code == 201
    desk.act("Unfreeze", "Phone found again")
    page.get_by_role("button", name="Unfreeze").wait_for(state="detached")
    assert town.pay("alice", "bob", 100).status_code == 201
    for act in ("Overdraft", "Adjust", "Close wallet"):
        assert page.get_by_role("button", name=act, exact=True).count() == 0, act
    place = f"/admin/wallets/{town.call('GET', '/wallets', 'alice').json()['items'][0]['id']}"
    for path, body in ((f"{place}/overdraft", {"limit": 100}), (f"{place}/close", {})):
        refused = town.call("POST", path, "sam", json={**body, "reason": "Just like that."})
        assert (refused.status_code, refused.json()["code"]) == (403, "right-missing"), path
    page = desk.open("/audit")
    row = page.get_by_role("row").filter(has_text="Stolen phone")
    row.get_by_text("Froze a wallet").wait_for()
    row.get_by_role("link").click()
    panel = desk.dialog("Froze a wallet")
    panel.get_by_text(SCRIPT).wait_for()
    assert desk.changes(panel)["Frozen"] == ["no", "sending"]
    act = page.url
    page.keyboard.press("Escape")
    panel.wait_for(state="detached")
    assert page.url.endswith("/console/audit")
    page = desk.find("alice", "@alice")
    story = page.get_by_role("link").filter(has_text="Stolen phone")
    story.click()
    panel.get_by_text(SCRIPT).wait_for()
    assert page.url == act
    # A colleague who is sent the address sees the same, however long ago it was.
    page.goto(f"{act}?act=wallet.closed")
    panel.get_by_text(SCRIPT).wait_for()
    desk.close()


def test_a_transfer_is_refunded_once_as_a_whole(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    paid = town.pay("bob", "alice", 777, reference="order-777").json()["id"]
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.find("order-777", "order-777")
    page.get_by_role("dialog").filter(has_text="7.77USD").wait_for()
    desk.act("Refund", "Sent by mistake")
    page.get_by_text("Refunded", exact=True).wait_for()
    assert page.get_by_role("button", name="Refund", exact=True).count() == 0
    shown = town.call("GET", f"/admin/transactions/{paid}", "sam").json()
    assert shown["refunded"] == 777
    page = desk.open("/audit?act=transfer.refunded")
    page.get_by_role("row").filter(has_text="Sent by mistake").get_by_role("link").click()
    panel = desk.dialog("Refunded a transfer")
    panel.get_by_text("7.77USD").wait_for()
    assert desk.changes(panel)["Refunded"] == ["0.00USD", "7.77USD"]
    desk.close()


def test_an_adjustment_takes_two_administrators(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    balance = town.call("GET", "/wallets/my-balance", "alice").json()["posted"]
    asking = Desk(browser, town, tmp_path).log_in("ada")
    asking.find("alice", "@alice")
    asking.act("Adjust", "Counted twice, case 88", Amount="-1.50")
    page = asking.open("/approvals")
    row = page.get_by_role("row").filter(has_text="case 88")
    row.filter(has_text="\u22121.50USD").wait_for()
    row.get_by_text("Yours: another administrator decides.").wait_for()
    assert row.get_by_role("button", name="Approve").count() == 0
    (pending,) = town.call("GET", "/admin/adjustments?status=pending", "ada").json()["items"]
    own = town.call(
        "POST", f"/admin/adjustments/{pending['id']}/approve", "ada", json={"reason": "My own."}
    )
    assert own.status_code == 403
    assert town.call("GET", "/wallets/my-balance", "alice").json()["posted"] == balance
    deciding = Desk(browser, town, tmp_path).log_in("max")
    deciding.open("/approvals").get_by_role("cell", name="case 88").last.wait_for()
    deciding.act("Approve", "Checked against the bank")
    deciding.page.get_by_text("Nothing waits for a decision.").wait_for()
    assert town.call("GET", "/wallets/my-balance", "alice").json()["posted"] == balance - 150
    page = deciding.open("/approvals?status=approved")
    row = page.get_by_role("row").filter(has_text="case 88")
    row.get_by_text("Max Approver").wait_for()
    row.get_by_role("link").first.click()
    panel = deciding.dialog("Adjustment")
    panel.get_by_text("Checked against the bank").wait_for()
    panel.get_by_role("link", name="\u2026").click()
    assert page.url.endswith(f"/transfers/{pending['id']}")
    deciding.dialog("Adjustment").locator(".value").wait_for()
    page = deciding.open("/audit?act=adjustment.requested")
    page.get_by_role("row").filter(has_text="case 88").get_by_role("link").click()
    changes = deciding.changes(deciding.dialog("Asked for an adjustment"))
    assert (changes["Amount"], changes["Status"]) == (["–", "\u22121.50USD"], ["–", "waiting"])
    asking.close()
    deciding.close()


def test_an_auditor_sees_everything_and_is_offered_nothing(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("otto")
    page = desk.find("bob", "@bob")
    page.get_by_role("region", name="Story").wait_for()
    for act in ("Freeze", "Unfreeze", "Overdraft", "Adjust", "Close wallet", "End all sessions"):
        assert page.get_by_role("button", name=act, exact=True).count() == 0, act
    wallet_id = town.call("GET", "/wallets", "bob").json()["items"][0]["id"]
    body = {"direction": "both", "reason": "Because I can."}
    refused = town.call("POST", f"/admin/wallets/{wallet_id}/freeze", "otto", json=body)
    assert refused.status_code == 403
    for view in VIEWS:
        page = desk.open(view)
        page.get_by_role("heading", level=1).first.wait_for()
        desk.assert_clean()
    desk.close()


def test_the_keyboard_alone_is_enough_for_a_dangerous_act(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("max")
    page, keys = desk.page, desk.page.keyboard
    keys.press("/")
    keys.type("@bob")
    page.get_by_role("search").get_by_role("link").first.wait_for()
    keys.press("ArrowDown")
    keys.press("Enter")
    button = page.get_by_role("button", name="Freeze", exact=True)
    button.wait_for()
    for _ in range(60):
        if button.evaluate("element => element === document.activeElement"):
            break
        keys.press("Tab")
    keys.press("Enter")
    dialog = desk.dialog("Freeze")
    dialog.wait_for()
    for _ in range(20):
        if dialog.get_by_label("Reason").evaluate("e => e === document.activeElement"):
            break
        keys.press("Tab")
    keys.type("By the keyboard alone")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    dialog.wait_for(state="detached")
    page.get_by_text("cannot send").first.wait_for()
    assert town.pay("bob", "alice", 1).json()["code"] == "wallet-frozen"
    desk.act("Unfreeze", "Enough of that")
    desk.close()


def test_another_sites_page_cannot_act_for_staff(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("max")
    wallet_id = town.call("GET", "/wallets", "alice").json()["items"][0]["id"]
    target = f"{desk.visit.origin}/admin/wallets/{wallet_id}/freeze"
    page = f"""<form method=post enctype=text/plain action={target}>
        <input name='{{"direction":"both","reason":"' value='forged"}}'></form>
        <script>
        fetch("{target}", {{method: "POST", credentials: "include", mode: "no-cors",
            headers: {{"content-type": "text/plain"}},
            body: '{{"direction":"both","reason":"forged"}}'}}).catch(() => 0)
            .then(() => document.forms[0].submit())
        </script>"""
    answers: list[int] = []
    with evil_site(page) as url:
        other = desk.context.new_page()
        other.on("response", lambda a: answers.append(a.status) if a.url == target else None)
        other.goto(url)
        other.wait_for_url(target)
        other.wait_for_load_state()
    assert answers
    assert all(400 <= status < 500 for status in answers), answers
    assert town.call("GET", f"/admin/wallets/{wallet_id}", "max").json()["frozen"] == "none"
    desk.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: Browser, town: Town, tmp_path: Path, scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip("NO AXE: the page was not checked for people who cannot see it (make assets)")
    # The policy forbids to inject the checker, so this window alone goes without it.
    desk = Desk(browser, town, tmp_path, bypass_csp=True, color_scheme=scheme).log_in("ada")
    page = desk.page
    bob = town.call("GET", "/users/me", "bob").json()["id"]
    wallet_id = town.call("GET", "/wallets", "bob").json()["items"][0]["id"]
    found: dict[str, list[str]] = {}
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for view in (*VIEWS, f"/people/{bob}", f"/wallets/{wallet_id}"):
            desk.open(view)
            page.wait_for_load_state("networkidle")
            page.get_by_role("heading").first.wait_for()
            found[f"{width} {view}"] = flaws_of(page)
    assert {view: bad for view, bad in found.items() if bad} == {}
    desk.context.close()


def test_a_list_stays_where_it_was_beside_a_panel_and_a_day_can_be_typed(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    for number in range(12):
        town.pay("alice", "bob", 1, note=f"One of many, {number}").raise_for_status()
    small = {"width": 1440, "height": 480}
    desk = Desk(browser, town, tmp_path, viewport=small).log_in("otto")
    page = desk.open("/transfers")
    row = page.get_by_role("row").filter(has_text="One of many, 0")
    row.scroll_into_view_if_needed()
    at = page.evaluate("scrollY")
    assert at > 100
    row.click()
    page.get_by_role("dialog").get_by_text("One of many, 0").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("scrollY") == at
    page = desk.open("/transfers")
    page.get_by_label("From").focus()
    page.keyboard.type("11242026", delay=30)
    page.wait_for_url("**/transfers?from=2026-11-24")
    assert page.get_by_label("From").input_value() == "2026-11-24"
    desk.close()
