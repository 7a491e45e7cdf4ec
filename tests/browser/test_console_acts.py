"""Acts and lists of the console in a real browser: each act as it is done, refused, and told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.staff import PASSWORD, SCRIPT, Desk, Town
from tests.browser.visit import AXE, flaws_of
from tests.conftest import reachable_directory
from tests.integration.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow


CUT = """
[...document.querySelectorAll(".table-wrap.list")]
  .filter((wrap) => wrap.scrollWidth > wrap.clientWidth + 1)
  .map((wrap) => wrap.ariaLabel)
"""


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        town = Town(running, directory)
        town.add_person("carol", "Carol", 100_000)
        town.add_person("dora", "Dora", 1_000)
        town.add_person("emil", SCRIPT, 50_000)
        town.appoint("ada", "Lovelace")
        town.appoint("max", "Approver")
        town.appoint("sam", "Helper", "support")
        yield town


def wallet_of(town: Town, name: str, currency: str = "USD") -> str:
    found = town.call("GET", "/wallets", name).json()["items"]
    (wallet_id,) = [w["wallet_id"] for w in found if w["currency"] == currency]
    assert isinstance(wallet_id, str)
    return wallet_id


def test_movements_come_by_themselves_are_filtered_and_open_beside_the_list(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.open("/transfers")
    page.get_by_role("row").filter(has_text="Top-up").first.wait_for()
    assert town.pay("emil", "carol", 4_321, note=SCRIPT).status_code == 201
    row = page.get_by_role("row").filter(has_text="43.21USD")
    row.filter(has_text=SCRIPT).wait_for()
    page.get_by_label("Any kind").or_(page.get_by_label("Kind")).select_option(label="Top-up")
    row.wait_for(state="detached")
    assert "kind=top-up" in page.url
    page.reload()
    page.get_by_role("row").filter(has_text="Top-up").first.wait_for()
    assert page.get_by_role("row").filter(has_text="43.21USD").count() == 0
    page = desk.open("/transfers?currency=USD&least=43&most=43.21")
    rows = page.locator("table.grid tbody tr.opens")
    row.wait_for()
    assert rows.count() == 1
    rows.first.click()
    panel = desk.dialog("Transfer")
    panel.get_by_text(SCRIPT).first.wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="detached")
    assert page.url.endswith("/transfers?currency=USD&least=43&most=43.21")
    page.get_by_label("Id or reference").fill("no such reference")
    page.get_by_text("Nothing has this id or reference.").wait_for()
    assert page.get_by_label("Kind").is_disabled()
    page.get_by_label("Id or reference").fill("")
    row.wait_for()
    assert page.get_by_label("Kind").is_enabled()
    page = desk.open("/transfers?currency=CHF")
    page.get_by_text("Nothing like that has moved.").wait_for()
    desk.close()


def test_a_refusal_says_why_and_is_found_by_its_id(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    refused = town.pay("dora", "carol", 777_777)
    assert refused.json()["code"] == "insufficient-funds"
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.open("/transfers")
    page.get_by_role("button", name="Refused").click()
    row = page.get_by_role("row").filter(has_text="7,777.77USD")
    row.filter(has_text="The wallet does not hold enough available money").click()
    panel = page.get_by_role("dialog").filter(has_text="Nothing moved.")
    panel.get_by_role("link", name="Dora").wait_for()
    panel.get_by_text("Available", exact=True).wait_for()
    (found,) = town.call("GET", "/admin/refusals?amount_min=777777", "ada").json()["items"]
    page = desk.open("/")
    reasons = page.get_by_role("region", name="Refusals by reason").first
    reasons.get_by_role("link", name="The wallet does not hold enough available money").click()
    row.wait_for()
    assert page.url.endswith("/transfers?show=refused&code=insufficient-funds")
    page.get_by_role("button", name="insufficient-funds").click()
    row.wait_for()
    assert page.url.endswith("/transfers?show=refused")
    desk.find(found["id"], "7,777.77USD")
    page.get_by_role("dialog").filter(has_text="7,777.77USD").wait_for()
    assert page.url.endswith(f"/transfers/{found['id']}?show=refused")
    desk.close()


def test_enter_opens_what_a_search_finds_first_however_early_it_is_pressed(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("sam")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type("dora")
    desk.page.keyboard.press("Enter")
    desk.page.get_by_role("heading", level=1, name="Dora").wait_for()
    desk.page.keyboard.press("/")
    desk.page.keyboard.type("nobody like that")
    desk.page.keyboard.press("Enter")
    desk.page.get_by_text("Nothing was found").wait_for()
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.type("carol")
    desk.page.get_by_role("search").get_by_role("link").filter(has_text="@carol").wait_for()
    desk.page.keyboard.press("Enter")
    desk.page.get_by_role("heading", level=1, name="Carol").wait_for()
    desk.close()


def test_a_wallet_is_closed_when_it_is_empty_and_not_before(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    opened = town.call("POST", "/wallets", "carol", json={"currency": "EUR"})
    assert opened.status_code == 201
    desk = Desk(browser, town, tmp_path).log_in("ada")
    desk.open(f"/wallets/{wallet_of(town, 'carol')}")
    desk.refuse("Close wallet", "Not used any more", "must be empty")
    assert town.pay("carol", "dora", 1).status_code == 201
    page = desk.open(f"/wallets/{wallet_of(town, 'carol', 'EUR')}")
    desk.begin("Close wallet", f"Not used any more {SCRIPT}")
    assert desk.dialog("Close wallet").locator(".change dd").all_inner_texts() == ["open", "closed"]
    desk.dialog("Close wallet").locator("button[type=submit]").click()
    desk.dialog("Close wallet").wait_for(state="detached")
    page.get_by_role("dialog").get_by_text("closed").first.wait_for()
    topped_up = town.call("POST", "/wallets/topup", "carol", json={"amount": 5, "currency": "EUR"})
    assert topped_up.json()["code"] == "wallet-closed"
    desk.close("409")


def test_an_overdraft_is_bounded_for_one_administrator_and_can_be_used(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    wallet_id = wallet_of(town, "dora")
    before = town.call("GET", "/wallets/my-balance", "dora").json()["available"]
    desk = Desk(browser, town, tmp_path).log_in("ada")
    page = desk.open(f"/wallets/{wallet_id}")
    limit = {"How far below zero it may go, USD": "10,000.01"}
    desk.refuse("Overdraft", "Agreed by contract", "10,000.00\u00a0USD below zero", **limit)
    limit = {"How far below zero it may go, USD": "5.00"}
    desk.act("Overdraft", "Agreed by contract", **limit)
    page.get_by_role("dialog").get_by_text("5.00USD").wait_for()
    assert town.pay("dora", "carol", before + 501).json()["code"] == "insufficient-funds"
    assert town.pay("dora", "carol", before + 500).status_code == 201
    page.reload()
    page.get_by_role("dialog").locator(".value", has_text="\u22125.00USD").wait_for()
    assert town.pay("carol", "dora", 500 + before).status_code == 201
    desk.act("Overdraft", "Contract is over", **{"How far below zero it may go, USD": "0"})
    page = desk.open("/audit?act=wallet.overdraft-set")
    page.get_by_role("row").filter(has_text="Contract is over").get_by_role("link").click()
    changes = desk.changes(desk.dialog("Set an overdraft"))
    assert changes["Overdraft"] == ["5.00USD", "0.00USD"]
    desk.close("422")


def test_adjustments_are_rejected_by_another_and_taken_back_by_who_asked(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    balance = town.call("GET", "/wallets/my-balance", "emil").json()["posted"]
    asking = Desk(browser, town, tmp_path).log_in("ada")
    for reason in ("Case 91, surely", "Case 92, a mistake"):
        asking.open(f"/wallets/{wallet_of(town, 'emil')}")
        asking.act("Adjust", reason, Amount="12.00")
    deciding = Desk(browser, town, tmp_path).log_in("max")
    page = deciding.open("/approvals")
    row = page.get_by_role("row").filter(has_text="Case 91")
    row.get_by_role("link").first.click()
    panel = deciding.dialog("Adjustment")
    panel.get_by_text("Balance after").wait_for()
    panel.get_by_text("an administrator other than Ada Lovelace").wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="detached")
    row.get_by_role("button", name="Reject").click()
    dialog = deciding.dialog("Reject")
    assert len(set(dialog.locator(".change dd").all_inner_texts())) == 1
    dialog.get_by_label("Reason").fill("Nobody knows of it")
    dialog.locator("button[type=submit]").click()
    row.wait_for(state="detached")
    asking.page.set_viewport_size({"width": 1280, "height": 800})
    for view in ("people", "wallets", "transfers", "audit", "approvals"):
        page = asking.open(f"/{view}")
        page.locator("table.grid tbody tr:not([aria-hidden])").first.wait_for()
        assert page.evaluate(CUT) == [], view
    row = page.get_by_role("row").filter(has_text="Case 92")
    assert row.get_by_role("button", name="Approve").count() == 0
    row.get_by_role("button", name="Reject").click()
    asking.dialog("Reject").get_by_label("Reason").fill("I was wrong")
    asking.dialog("Reject").locator("button[type=submit]").click()
    page.get_by_text("Nothing waits for a decision.").wait_for()
    page = asking.open("/approvals?status=rejected")
    page.get_by_role("row").filter(has_text="Case 91").get_by_text("Max Approver").wait_for()
    page.get_by_role("row").filter(has_text="Case 92").get_by_text("Ada Lovelace").last.wait_for()
    assert town.call("GET", "/wallets/my-balance", "emil").json()["posted"] == balance
    page = asking.open("/audit?act=adjustment.rejected")
    page.get_by_role("row").filter(has_text="Nobody knows of it").get_by_role("link").click()
    page.get_by_role("dialog").get_by_role("link", name="Adjustment").click()
    panel = asking.dialog("Adjustment")
    panel.get_by_text("Case 91, surely").wait_for()
    panel.get_by_text("Nobody knows of it").wait_for()
    panel.locator(".value", has_text="+12.00USD").wait_for()
    panel.get_by_role("link", name="Max Approver").wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="detached")
    assert page.url.endswith("/console/approvals?status=all")
    asking.close()
    deciding.close()


def test_a_refund_is_forced_into_a_debt_that_what_comes_in_repays(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    paid = town.pay("emil", "dora", 5_000, reference="order-5000").json()["id"]
    left = town.call("GET", "/wallets/my-balance", "dora").json()["available"]
    assert town.pay("dora", "carol", left).status_code == 201
    helper = Desk(browser, town, tmp_path).log_in("sam")
    helper.open(f"/transfers/{paid}")
    helper.begin("Refund", "Never delivered")
    assert helper.dialog("Refund").get_by_role("checkbox").count() == 0
    helper.dialog("Refund").locator("button[type=submit]").click()
    helper.dialog("Refund").get_by_role("alert").filter(has_text="not enough money").wait_for()
    helper.close("422")
    desk = Desk(browser, town, tmp_path).log_in("ada")
    page = desk.open(f"/transfers/{paid}")
    desk.begin("Refund", "Never delivered")
    submit = desk.dialog("Refund").locator("button[type=submit]")
    submit.click()
    desk.dialog("Refund").get_by_role("alert").filter(has_text="not enough money").wait_for()
    # What was refused has used its key up; what is asked for now is something else.
    desk.dialog("Refund").get_by_role("checkbox").check()
    submit.click()
    page.get_by_text("Refunded", exact=True).wait_for()
    page = desk.open(f"/wallets/{wallet_of(town, 'dora')}")
    panel = page.get_by_role("dialog")
    panel.get_by_text("in debt").wait_for()
    panel.locator(".value", has_text="\u221250.00USD").wait_for()
    assert town.pay("carol", "dora", 3_000).status_code == 201
    assert town.pay("dora", "carol", 1).json()["code"] == "insufficient-funds"
    page.reload()
    panel.locator(".facts").get_by_text("20.00USD").first.wait_for()
    page = desk.open("/audit?act=transfer.refunded")
    page.get_by_role("row").filter(has_text="Never delivered").get_by_role("link").click()
    changes = desk.changes(desk.dialog("Refunded a transfer"))
    assert (changes["Debt"], changes["Forced"]) == (["0.00USD", "50.00USD"], ["–", "yes"])
    desk.close("422")


def test_what_a_colleague_did_meanwhile_is_told_instead_of_done_over(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    wallet_id = wallet_of(town, "emil")
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.open(f"/wallets/{wallet_id}")
    desk.begin("Freeze", "Lost phone, case 1")
    dialog = desk.dialog("Freeze")
    assert dialog.locator(".change dd").all_inner_texts() == ["not frozen", "cannot send"]
    frozen = {"direction": "both", "reason": "Found out first"}
    town.call("POST", f"/admin/wallets/{wallet_id}/freeze", "ada", json=frozen).raise_for_status()
    dialog.locator("button[type=submit]").click()
    dialog.get_by_role("alert").filter(has_text="Somebody has changed this meanwhile").wait_for()
    assert dialog.locator(".change dd").all_inner_texts() == ["frozen", "frozen"]
    dialog.get_by_role("button", name="Cancel").click()
    desk.act("Unfreeze", "Found again")
    reasons = [
        act["reason"]
        for act in town.call("GET", f"/admin/audit-trail?subject={wallet_id}", "ada").json()[
            "items"
        ]
    ]
    assert reasons[:2] == ["Found again", "Found out first"]
    paid = town.pay("emil", "carol", 700).json()["id"]
    page = desk.open(f"/transfers/{paid}")
    desk.begin("Refund", "   a   ")
    refund = desk.dialog("Refund")
    refund.locator("button[type=submit]").click()
    assert refund.get_by_label("Reason").evaluate("(field) => field.validationMessage")
    refund.get_by_label("Reason").fill("Never delivered either")
    given = {"reason": "By a colleague"}
    town.call("POST", f"/admin/transactions/{paid}/refund", "ada", json=given).raise_for_status()
    refund.locator("button[type=submit]").click()
    refund.get_by_role("alert").filter(has_text="More would be refunded").wait_for()
    refund.get_by_role("button", name="Cancel").click()
    page.get_by_text("Refunded", exact=True).wait_for()
    assert page.get_by_role("button", name="Refund", exact=True).count() == 0
    desk.close("422")


def test_a_lost_answer_to_an_act_is_asked_for_again_under_its_key_and_done_once(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("max")
    page = desk.open(f"/wallets/{wallet_of(town, 'emil')}")
    lost = iter([True, True])
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if next(lost, False):
            assert route.fetch().status == 201
            route.abort()
        else:
            route.continue_()

    page.route("**/admin/adjustments", lose)
    reason = "Asked once, answered late"
    desk.begin("Adjust", reason, **{"Amount, USD": "3.21"})
    dialog = desk.dialog("Adjust")
    dialog.locator("button[type=submit]").click()
    dialog.get_by_text("No answer yet. Trying again").wait_for()
    page.keyboard.press("Escape")
    assert dialog.get_by_role("button", name="Cancel").is_disabled()
    dialog.wait_for(state="detached", timeout=20_000)
    assert (len(keys), len(set(keys))) == (3, 1)
    asked = town.call("GET", "/admin/adjustments?status=pending", "ada").json()["items"]
    assert [one["reason"] for one in asked].count(reason) == 1
    desk.close("ERR_FAILED")


def test_a_day_that_is_none_and_a_line_that_breaks_take_nothing_away(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("max")
    for nowhere in ("/nowhere", "/people/abc"):
        desk.open(nowhere).get_by_text("There is nothing at this address").wait_for()
    page = desk.open("/audit?from=20261-01-01&until=x&subject=nobody")
    page.get_by_role("heading", level=1, name="Audit trail").wait_for()
    page.get_by_role("region", name="Audit trail").wait_for()
    assert page.get_by_title("Of everybody again").count() == 0
    page = desk.open(f"/wallets/{wallet_of(town, 'emil')}")
    desk.begin("Freeze", "Half a reason")
    refusing = True

    def refuse(route: Route) -> None:
        if refusing:
            route.abort()
        else:
            route.continue_()

    for asked in ("**/session", "**/admin/wallets/*"):
        page.route(asked, refuse)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")
    page.wait_for_timeout(8_000)  # Longer than every repetition of a look-up takes.
    dialog = desk.dialog("Freeze")
    assert dialog.get_by_label("Reason").input_value() == "Half a reason"
    # It could not even look at the wallet, so there is no doubt whether it was frozen.
    dialog.locator("button[type=submit]").click()
    dialog.get_by_text("Nothing was done: check your connection").wait_for(timeout=30_000)
    assert dialog.get_by_role("button", name="Find out").count() == 0
    refusing = False
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="detached")
    desk.act("Unfreeze", "Half a reason as well")
    desk.close("ERR_FAILED")


def test_ended_sessions_are_over_in_the_persons_own_window(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    context = browser.new_context(locale="en-US")
    own = context.new_page()
    own.goto(f"http://localhost:{town.service.port}/app")
    own.get_by_label("E-mail").fill("emil@example.com")
    own.get_by_label("Password", exact=True).fill(PASSWORD)
    own.get_by_role("button", name="Log in").click()
    own.get_by_role("navigation").first.wait_for()
    for _ in range(8):
        town.log_in("emil")
    desk = Desk(browser, town, tmp_path).log_in("sam")
    page = desk.find("emil", "@emil")
    sessions = page.get_by_role("region", name="Sessions", exact=True)
    sessions.get_by_text("127.0.0.1").first.wait_for()
    assert sessions.get_by_text("127.0.0.1").count() == 8
    sessions.get_by_role("button", name=re.compile("^All")).click()
    sessions.get_by_text("127.0.0.1").nth(8).wait_for()
    why = "Reported a stolen laptop, with the number of the case and what was agreed on the phone"
    desk.act("End all sessions", why)
    sessions.get_by_text("Not logged in anywhere.").wait_for()
    own.get_by_role("button", name="Log in").wait_for(timeout=20_000)
    page = desk.open("/audit?act=sessions.ended")
    row = page.get_by_role("row").filter(has_text="stolen laptop")
    # On a wide screen a reason is read without opening anything.
    assert row.locator("td.fills").evaluate("(cell) => cell.scrollWidth <= cell.clientWidth")
    row.get_by_role("link").click()
    changes = desk.changes(desk.dialog("Ended all sessions"))
    assert changes["Sessions"][1] == "0"
    town.log_in("emil")
    context.close()
    desk.close()


def test_without_a_line_every_view_says_since_when_it_is_stale_and_recovers(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    desk = Desk(browser, town, tmp_path).log_in("ada")
    pages = []
    for view in ("/", "/transfers", "/approvals", "/integrity"):
        page = desk.context.new_page()
        page.goto(f"{desk.visit.origin}/console{view}")
        page.get_by_role("heading", level=1).first.wait_for()
        page.wait_for_load_state("networkidle")
        pages.append(page)
    desk.context.set_offline(offline=True)
    desk.page.get_by_role("link", name="Audit trail").click()
    desk.page.get_by_role("button", name="Try again").wait_for(timeout=25_000)
    for page in pages:
        page.get_by_text("Not live since").wait_for(timeout=25_000)
    desk.context.set_offline(offline=False)
    desk.page.get_by_role("region", name="Audit trail").get_by_role("row").nth(1).wait_for()
    for page in pages:
        page.get_by_text("Not live since").wait_for(state="detached", timeout=25_000)
        page.close()
    desk.close("ERR_INTERNET_DISCONNECTED")


def test_a_small_screen_has_a_menu_and_nothing_important_is_cut(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    small = {"width": 360, "height": 780}
    desk = Desk(browser, town, tmp_path, viewport=small, bypass_csp=True).log_in("ada")
    page = desk.page
    for view in ("People", "Wallets", "Transfers", "Approvals", "Audit trail", "Overview"):
        page.get_by_role("banner").get_by_role("button").filter(has_text="").first.click()
        page.get_by_role("navigation", name="Console").get_by_role("link", name=view).click()
        page.get_by_role("heading", level=1, name=view).wait_for()
        page.locator(".skeleton, tr[aria-hidden]").first.wait_for(state="detached")
        assert page.evaluate(CUT) == [], view
        assert flaws(page) == [], view
    desk.open(f"/wallets/{wallet_of(town, 'emil')}")
    desk.begin("Freeze", "Only to look at it")
    assert flaws(page) == []
    desk.context.close()
    if not AXE.exists():
        pytest.skip("NO AXE: the page was not checked for people who cannot see it (make assets)")


def flaws(page: Page) -> list[str]:
    """Return what axe finds, if it is there."""
    return flaws_of(page) if AXE.exists() else []
