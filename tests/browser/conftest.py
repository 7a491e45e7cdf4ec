"""The browser that all tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.browser.visit import CHROMIUM_FLAGS, chromium
from tests.browser.windows import SCRIPT, join, pay
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: while it lives, its event loop counts as running in this thread.
    playwright_api = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: not tested")
    executable = chromium()
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    """A service with alice and bob; bob has paid with all that he could write."""
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        alice = join(running, "alice", "Alice", 100_000)
        bob = join(running, "bob", SCRIPT, 100_000)
        for payer, other in ((alice, "bob"), (bob, "alice")):
            for note in (SCRIPT, "غداء", "Lunch"):
                pay(running, payer, other, 1_250, note=note, reference=SCRIPT)
        yield running
