"""A visit of a real browser, which notes everything that a customer should never see."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true" and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *command], check=True, timeout=600)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip(
            "NO CHROMIUM: the pages were not tested in a browser (apt-get install chromium)"
        )
    return found


def flaws_of(page: Page) -> list[str]:
    """Return what is serious for people who cannot see a page, and whether it is too wide."""
    overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.add_script_tag(path=AXE)
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    bad = [
        f"{v['id']}: {v['nodes'][0]['html'][:120]}"
        for v in violations
        if v["impact"] in {"serious", "critical"}
    ]
    return bad + (["wider than the screen"] if overflow else [])


@dataclass
class Visit:
    """A page, and everything about it that a customer should never see."""

    page: Page
    origin: str
    pictures: Path
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self._note_request(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in {"error", "warning"}
                else None
            ),
        )
        self.page.expose_function("noteViolation", self._note_violation)
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " noteViolation(`policy: ${event.effectiveDirective} ${event.blockedURI}`))"
        )

    def _note_violation(self, text: str) -> None:
        self.complaints.append(text)

    def _note_request(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.strangers.append(url)

    def open(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def picture(self, name: str) -> None:
        self.page.wait_for_timeout(600)  # Both pages scroll and fade softly.
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def assert_clean(self) -> None:
        self.page.wait_for_load_state("networkidle")
        assert (self.strangers, self.complaints) == ([], [])
