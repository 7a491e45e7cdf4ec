"""/app on a phone of the network: by https, at this machine's address, with its own certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.windows import PASSWORD, Window
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, serving

from wallet.infrastructure.tls_certificate import network_address

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def phone_service() -> Iterator[Serving]:
    with (
        reachable_directory() as directory,
        serving(
            directory,
            "--phone",
            environment={"WALLET_DATA_DIRECTORY": str(directory)},
            scheme="https",
        ) as running,
    ):
        yield running


def test_a_phone_signs_up_stays_logged_in_and_sees_its_money_come(
    browser: Browser, phone_service: Serving, tmp_path: Path
) -> None:
    address = network_address()
    if address is None:
        pytest.skip("NO NETWORK: this machine has no address that a phone could reach")
    # As somebody who has read the warning and gone on.
    window = Window(browser, phone_service, tmp_path, viewport=PHONE, ignore_https_errors=True)
    window.visit.origin = f"https://{address}:{phone_service.port}"
    page = window.visit.open("/app/signup")
    page.get_by_label("First name").fill("Ada")
    page.get_by_label("Last name").fill("Adams")
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("form button[type=submit]").click()
    page.get_by_text("Live", exact=True).wait_for()
    page.reload()
    page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    assert page.evaluate("[isSecureContext, localStorage.length]") == [True, 0]
    cookies = {one["name"]: one for one in window.context.cookies()}
    assert all(name.startswith("__Host-") for name in cookies)
    assert all(one["secure"] and one["sameSite"] == "Strict" for one in cookies.values())
    assert cookies
    window.assert_clean()
