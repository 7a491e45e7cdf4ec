"""What changes by itself on the wallet page: live, without a jump, and through a broken line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.windows import Window, join, pay
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (!entry.hadRecentInput) window.shifts.push([entry.value, entry.startTime]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
FIGURES = """
window.figures = [];
const take = () => {
  const shown = document.querySelector("[data-testid=balance] .money")?.textContent;
  if (shown && window.figures.at(-1) !== shown) window.figures.push(shown);
  requestAnimationFrame(take);
};
take();
"""


@pytest.fixture(scope="module")
def payer(service: Serving) -> dict[str, str]:
    return join(service, "paula", "Paula", 1_000_000)


@pytest.fixture(params=["no-preference", "reduce"])
def motion(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_money_comes_in_counting_and_sliding_in_every_window_of_a_person(
    browser: Browser, service: Serving, payer: dict[str, str], tmp_path: Path, motion: str
) -> None:
    name = f"quentin_{motion.replace('-', '_')}"
    join(service, name, "Quentin", 10_000)
    options: dict[str, Any] = {"reduced_motion": motion}
    windows = [Window(browser, service, tmp_path, **options).log_in(name) for _ in range(2)]
    for window in windows:
        window.page.evaluate(FIGURES)
    pay(service, payer, name, 98_765, note="A surprise")
    for window in windows:
        # Both say so at the same time, and not for long.
        window.page.get_by_text("+987.65\u00a0USD from Paula O.").wait_for()
    for window in windows:
        page = window.page
        page.get_by_test_id("balance").get_by_text("1,087.65\u00a0USD").wait_for(state="attached")
        line = page.locator(".line").filter(has_text="A surprise")
        line.wait_for()
        assert "in" in line.locator(".unseen").inner_text().split()
        assert line.locator(".money").inner_text().startswith("+987.65")
        page.wait_for_timeout(800)
        figures = page.evaluate("window.figures")
        assert (figures[0], figures[-1]) == ("100.00USD", "1,087.65USD")
        if motion == "reduce":
            assert figures == ["100.00USD", "1,087.65USD"]
        else:
            # A busy machine draws few of them, but it counts upwards and does not jump.
            amounts = [float(figure.removesuffix("USD").replace(",", "")) for figure in figures]
            assert len(amounts) > 2, figures
            assert amounts == sorted(amounts), figures
        window.assert_clean()
        window.context.close()


def test_a_line_that_has_just_come_slides_in_and_later_ones_stand_still(
    browser: Browser, service: Serving, payer: dict[str, str], tmp_path: Path
) -> None:
    join(service, "rita", "Rita", 10_000)
    window = Window(browser, service, tmp_path).log_in("rita")
    page = window.page
    page.evaluate(
        "addEventListener('animationstart', (event) => event.animationName === 'arrive'"
        " && (window.arrived = (window.arrived ?? 0) + 1), true)"
    )
    pay(service, payer, "rita", 100, note="It slides")
    page.locator(".line").filter(has_text="It slides").wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.arrived") == 1
    page.reload()
    page.locator(".line").filter(has_text="It slides").wait_for()
    assert page.locator(".line.fresh").count() == 0
    window.context.close()


def test_what_moved_while_the_line_was_broken_comes_after_it_once(
    browser: Browser, service: Serving, payer: dict[str, str], tmp_path: Path
) -> None:
    join(service, "sven", "Sven", 10_000)
    window = Window(browser, service, tmp_path).log_in("sven")
    page = window.page
    window.context.set_offline(True)
    page.get_by_text("Not live since").first.wait_for()
    notes = [f"While away {count}" for count in range(5)]
    for note in notes:
        pay(service, payer, "sven", 200, note=note)
    page.get_by_text("What you see may be older than that").wait_for()
    # What is known stays in sight, and a view that is not known yet says what to do.
    assert window.balance() == "100.00\u00a0USD"
    page.get_by_role("link", name="Spending").click()
    page.get_by_text("The service could not be reached").wait_for()
    page.get_by_role("link", name="Home").click()
    window.context.set_offline(False)
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_test_id("balance").get_by_text("110.00\u00a0USD").wait_for(state="attached")
    for note in notes:
        line = page.locator(".line").filter(has_text=note)
        line.wait_for()
        assert line.count() == 1
    page.get_by_role("link", name="Spending").click()
    page.locator(".plot svg").first.wait_for()
    assert page.get_by_text("The service could not be reached").count() == 0
    window.context.close()


def shift_of(page: Page) -> float:
    """Return the largest burst of layout shifts, as browsers sum them up (CLS)."""
    worst = burst = began = last = 0.0
    for value, at in page.evaluate("window.shifts"):
        if at - last > 1_000 or at - began > 5_000:
            burst, began = 0.0, at
        burst, last = burst + value, at
        worst = max(worst, burst)
    return worst


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("person", ["alice", "newcomer"])
def test_nothing_jumps_while_a_view_loads(
    browser: Browser, service: Serving, tmp_path: Path, width: int, person: str
) -> None:
    if person == "newcomer":
        person = f"newcomer_{width}"
        join(service, person, "Nora")
    size = {"width": width, "height": 800}
    window = Window(browser, service, tmp_path, viewport=size).log_in(person)
    page = window.page
    page.add_init_script(SHIFTS)

    def slowly(route: Any) -> None:
        # Each answer comes on its own, as on a slow line.
        page.wait_for_timeout(60)
        route.continue_()

    page.route("**/users/me", slowly)
    page.route("**/wallets", slowly)
    page.route("**/transactions*", slowly)
    found = {}
    for view in ("", "/history", "/history?direction=in", "/send", "/settings", "/spending"):
        page.goto(f"{window.visit.origin}/app{view}")
        page.get_by_text("Live", exact=True).wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(300)
        found[view] = shift_of(page)
    print(f"layout shift at {width} px: {found}")
    assert {view: shift for view, shift in found.items() if shift >= 0.05} == {}
    window.context.close()
