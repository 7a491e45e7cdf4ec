"""Numbers and dates in the reader's own writing: shown so, and understood so when typed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.browser.windows import Window, join, pay
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

REMAINS = "will remain"
TOO_MUCH = "That is more than"
NO_AMOUNT = "That is no amount of"


@pytest.fixture(scope="module")
def saver(service: Serving) -> dict[str, str]:
    """What the API client of somebody with 1,000.00 USD, 5,000 JPY and 20.000 KWD sends."""
    bearer = join(service, "tova", "Tova", 100_000)
    for currency, amount in (("JPY", 5_000), ("KWD", 20_000)):
        given: dict[str, Any] = {"currency": currency}
        url = service.url
        httpx.post(f"{url}/wallets", json=given, headers=bearer, timeout=30).raise_for_status()
        given["amount"] = amount
        added = httpx.post(f"{url}/wallets/topup", json=given, headers=bearer, timeout=30)
        added.raise_for_status()
    return bearer


TYPED = {
    ("en-US", "USD"): {
        "1.50": "998.50\u00a0USD will remain",
        "1,50": "998.50\u00a0USD will remain",
        ".5": "999.50\u00a0USD will remain",
        "0.01": "999.99\u00a0USD will remain",
        "1,000": "0.00\u00a0USD will remain",
        " 1 000.00 ": "0.00\u00a0USD will remain",
        "9999999999.99": TOO_MUCH,
        "1.505": NO_AMOUNT,
        "1e3": NO_AMOUNT,
        "-5": NO_AMOUNT,
        "0": NO_AMOUNT,
        "1,0,0": NO_AMOUNT,
        "1.2.3": NO_AMOUNT,
        "99999999999999999999": NO_AMOUNT,
        "": NO_AMOUNT,
    },
    ("en-US", "JPY"): {
        "150": "4,850\u00a0JPY will remain",
        "1,500": "3,500\u00a0JPY will remain",
        "1.50": NO_AMOUNT,
    },
    ("en-US", "KWD"): {"1.505": "18.495\u00a0KWD will remain", "1.5055": NO_AMOUNT},
    ("de-DE", "USD"): {
        "1,50": "998,50\u00a0USD will remain",
        "1.50": "998,50\u00a0USD will remain",
        "1.000,00": "0,00\u00a0USD will remain",
        "1.505": TOO_MUCH,
        "1,505": NO_AMOUNT,
    },
    ("ar-EG", "USD"): {
        "١٫٥٠": "٩٩٨٫٥٠\u00a0USD will remain",
        "1.50": "٩٩٨٫٥٠\u00a0USD will remain",
        "1,50": "٩٩٨٫٥٠\u00a0USD will remain",
        "١٬٠٠٠": "٠٫٠٠\u00a0USD will remain",
        "1.505": NO_AMOUNT,
    },
    ("ja-JP", "JPY"): {"１５０": "4,850\u00a0JPY will remain"},
    ("en-IN", "USD"): {"1,00,000": TOO_MUCH},
}


@pytest.mark.parametrize(("locale", "currency"), TYPED)
def test_an_amount_is_understood_as_it_is_written_there(
    browser: Browser,
    service: Serving,
    saver: dict[str, str],
    tmp_path: Path,
    locale: str,
    currency: str,
) -> None:
    window = Window(browser, service, tmp_path, locale=locale).log_in("tova")
    page = window.page
    page.goto(f"{window.visit.origin}/app/send?to=bob&currency={currency}")
    field = page.get_by_label("Amount")
    field.wait_for()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text(NO_AMOUNT).wait_for()
    said = page.locator(f"#{field.get_attribute('aria-describedby')}")
    found = {}
    for text in TYPED[locale, currency]:
        field.fill(text)
        found[text] = said.inner_text()
    wrong = {
        text: found[text]
        for text, expected in TYPED[locale, currency].items()
        if expected not in found[text]
    }
    assert wrong == {}
    # What is named as an example is one.
    field.fill("x")
    example = re.search(r"Write it like (\S+)\.$", said.inner_text())
    assert example is not None
    field.fill(example[1])
    assert NO_AMOUNT not in said.inner_text()
    window.context.close()


def where_it_is_five() -> str:
    """Return a time zone where it is past five in the morning: hours of one figure show most."""
    ahead = (5 - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


@pytest.mark.parametrize(
    ("locale", "out", "incoming", "day", "clock"),
    [
        ("de-DE", "\u22121.234,56", "+0,01", "Heute", r"0[56]:\d\d"),
        ("ar-EG", "\u2212١٬٢٣٤٫٥٦", "+٠٫٠١", "اليوم", r"[٥٦]:[٠-٩]{2} ص"),
        ("ja-JP", "\u22121,234.56", "+0.01", "今日", r"[56]:\d\d"),
        ("en-US", "\u22121,234.56", "+0.01", "Today", r"[56]:\d\d\sAM"),
    ],
)
def test_lines_are_written_as_their_reader_writes(
    browser: Browser,
    service: Serving,
    tmp_path: Path,
    locale: str,
    out: str,
    incoming: str,
    day: str,
    clock: str,
) -> None:
    name = f"uma_{locale.lower().replace('-', '_')}"
    early = where_it_is_five()
    bearer = join(service, name, "Uma", 200_000)
    other = join(service, f"{name}_2", "Vera", 10_000)
    pay(service, bearer, "bob", 123_456, note="Rückzahlung")
    pay(service, other, name, 1, note="Ein Cent")
    window = Window(browser, service, tmp_path, locale=locale, timezone_id=early).log_in(name)
    page = window.page
    page.get_by_role("link", name="History").click()
    page.get_by_role("heading", name=day).wait_for()
    assert page.get_by_role("heading", name=day).get_attribute("lang") == locale
    lines = {
        note: page.locator(".line").filter(has_text=note) for note in ("Rückzahlung", "Ein Cent")
    }
    for note, amount, word in (("Rückzahlung", out, "out"), ("Ein Cent", incoming, "in")):
        shown = lines[note].locator(".money").inner_text()
        assert shown.replace("\u200f", "").replace("\u061c", "") == f"{amount}USD"
        assert lines[note].locator(".unseen").inner_text().strip() == word
        assert re.fullmatch(clock, lines[note].locator(".amount .below").inner_text())
    colours = [
        lines[note].locator(".money").evaluate("(one) => getComputedStyle(one).color")
        for note in lines
    ]
    assert colours[0] != colours[1]
    text = page.locator("main").inner_text()
    assert not re.search(r"-\d", text), "a hyphen stands where a minus belongs"
    window.context.close()


def test_an_amount_goes_with_its_currency_and_a_pasted_link_names_somebody(
    browser: Browser, service: Serving, saver: dict[str, str], tmp_path: Path
) -> None:
    window = Window(browser, service, tmp_path).log_in("tova")
    page = window.visit.open("/app/history?currency=EUR&min=9")
    page.get_by_role("button", name="Filters (2)").wait_for()
    page.locator("main").get_by_label("Wallet").select_option("")
    page.get_by_role("button", name="Filters", exact=True).wait_for()
    assert page.url.endswith("/app/history")
    for strange in ("/app/history?from=0001-01-01&until=9999-12-31", "/app/history/nonsense"):
        window.visit.open(strange).get_by_role("heading", name="History").wait_for()
        page.locator(".line a").first.wait_for()
        assert page.get_by_role("alert").count() == 0
    page = window.visit.open("/app/send")
    link = f"http://localhost:{service.port}/app/send?currency=USD&to=bob#x"
    page.get_by_label("Handle or e-mail").fill(link)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Amount").wait_for()
    assert page.url.endswith("to=bob")
    window.context.close()
