"""Make pictures of every view of /app and /console, from the demo's books.

`make screenshots` writes them to docs/pictures/pages (which git ignores), at 360, 768 and 1440 px,
in light and dark, and the few that documents show to docs/pictures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.demo_books import PASSWORD  # noqa: E402 - found by the line above
from scripts.demo_people import LONG_NOTE  # noqa: E402
from tests.browser.visit import CHROMIUM_FLAGS, chromium  # noqa: E402
from tests.integration.serving import serving  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = ROOT / "docs/pictures"
ALL = PICTURES / "pages"
SHOWN = ("app-home-1440-light", "app-home-360-dark", "console-overview-1440-light")
SIZES = (360, 768, 1440)
COUNTING_S = 240
"""How long the service may take to count a year for its overview."""
STAFF = "rosa@demo.example"
APP = {
    "home": "/",
    "history": "/history",
    "send": "/send?to=jonas",
    "add": "/add",
    "receive": "/receive",
    "spending": "/spending",
    "settings": "/settings",
    "other-wallet": "?currency=EUR",
    "filters": "/history?q=Dinner&direction=out&from=2026-01-01&max=60",
    "nobody": "/send?to=nobody_here",
    "nowhere": "/nowhere",
}


def pressed(name: str) -> Callable[[Page], None]:
    """Return what opens a dialog."""
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def looked_over(page: Page) -> None:
    """Fill in a payment up to where it would be sent."""
    page.get_by_label("Amount").fill("12.50")
    page.get_by_label("Note").fill(LONG_NOTE)
    page.get_by_role("button", name="Continue").click()


def cut_off(page: Page) -> None:
    """Break the line until the picture is taken."""
    page.context.set_offline(True)
    page.get_by_text("What you see may be older").wait_for()


STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "line": ("/", lambda page: page.locator(".line a").nth(2).click()),
    "confirm": ("/send?to=max_ob", looked_over),
    "statement": ("/history", pressed("Statement")),
    "profile": ("/settings", pressed("Edit")),
    "second-factor": ("/settings", pressed("Set up")),
    "offline": ("/", cut_off),
}
"""What has no address of its own: where it begins, and how one gets there."""


def main() -> int:
    """Load the demo, serve it, and look at everything."""
    ALL.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="wallet-pictures-"))
    directory.chmod(0o755)
    environment = {"WALLET_DATA_DIRECTORY": str(directory)}
    try:
        load = [sys.executable, str(ROOT / "scripts/demo.py"), "--load-only"]
        subprocess.run([*load, "--directory", str(directory)], check=True)
        with serving(directory, environment=environment) as service:
            look(f"http://localhost:{service.port}", environment)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    for name in SHOWN:
        if (ALL / f"{name}.png").exists():
            shutil.copy(ALL / f"{name}.png", PICTURES / f"{name}.png")
    print(f"{len(list(ALL.glob('*.png')))} pictures in {ALL.relative_to(ROOT)}")
    return 0


def look(url: str, environment: dict[str, str]) -> None:
    """Take all pictures."""
    with sync_playwright() as playwright, httpx.Client(base_url=url, timeout=30) as client:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        for door in ("login", "signup", "reset"):
            take(browser, f"{url}/app", "app", {door: f"/{door}"}, lambda page: None)
        enter = lambda page: log_in(page, "mira@demo.example")  # noqa: E731 - one use each
        take(browser, f"{url}/app", "app", APP, enter, STATES)
        if "/admin/overview" in client.get("/openapi.json").json()["paths"]:
            codes = staff_with_second_factor(client, environment)
            token = client.post("/users/login", json=credentials(STAFF) | {"otp": codes.pop()})
            views = console_views(client, token.json()["access_token"])
            take(
                browser, f"{url}/console", "console", views, lambda p: log_in(p, STAFF, codes.pop())
            )
        browser.close()


def take(
    browser: Browser,
    url: str,
    page_name: str,
    views: dict[str, str],
    enter: Callable[[Page], None],
    states: Mapping[str, tuple[str, Callable[[Page], None]]] = MappingProxyType({}),
) -> None:
    """Log in once, and take each view and state in every size and scheme."""
    wanted = {name: (path, None) for name, path in views.items()} | dict(states)
    page = browser.new_page(locale="en-GB", timezone_id="Europe/Vienna")
    page.goto(url)
    enter(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in SIZES:
            page.set_viewport_size({"width": width, "height": 780 if width == 360 else 900})
            for name, (path, act) in wanted.items():
                page.goto(url + path.removesuffix("/"))
                page.wait_for_timeout(900)
                if act is not None:
                    act(page)
                    page.wait_for_timeout(500)
                page.screenshot(path=ALL / f"{page_name}-{name}-{width}-{scheme}.png")
                page.context.set_offline(False)
    page.close()


def log_in(page: Page, email: str, otp: str | None = None) -> None:
    """Log in as a person does."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    if otp is not None:
        page.get_by_label("Code").fill(otp)
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("navigation").wait_for()


def credentials(email: str) -> dict[str, str]:
    """Return what logs somebody in."""
    return {"email": email, "password": PASSWORD}


def staff_with_second_factor(client: httpx.Client, environment: dict[str, str]) -> list[str]:
    """Appoint an administrator, set up their second factor, and return their recovery codes."""
    subprocess.run(
        [
            *(sys.executable, "-m", "wallet", "create-admin", "--email", STAFF),
            *("--first-name", "Rosa", "--last-name", "Lindqvist"),
        ],
        input=f"{PASSWORD}\n",
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    answer = client.post("/users/login", json=credentials(STAFF)).json()
    bearer = {"authorization": f"Bearer {answer['access_token']}"}
    path = "/users/me/second-factor"
    enrolment = client.post(path, json={"password": PASSWORD}, headers=bearer).json()
    confirmed = client.post(
        f"{path}/confirm", json={"otp": code_of(enrolment["secret"])}, headers=bearer
    )
    confirmed.raise_for_status()
    codes: list[str] = confirmed.json()["recovery_codes"]
    return codes


def code_of(secret: str) -> str:
    """Return the present code of a secret (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def _minutes_ago(minutes: int) -> str:
    return f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}"


def console_views(client: httpx.Client, token: str) -> dict[str, str]:
    """Return the console's views, with a person and a wallet to look at."""
    bearer = {"authorization": f"Bearer {token}"}
    found = client.get("/admin/search", params={"q": "mira"}, headers=bearer).json()
    person, wallet = found["people"][0]["id"], found["wallets"][0]["id"]
    freeze = {"direction": "send", "reason": "Reported a stolen phone, ticket 4711"}
    client.post(f"/admin/wallets/{wallet}/freeze", json=freeze, headers=bearer)
    asked = {"wallet_id": wallet, "amount": -1_250, "reason": "A top-up came back, case 88"}
    client.post("/admin/adjustments", json=asked, headers=bearer)
    print(json.dumps({"person": person, "wallet": wallet}))
    began_s = time.monotonic()
    while client.get("/admin/overview", headers=bearer).json()["counted_to"] < _minutes_ago(3):
        if time.monotonic() - began_s > COUNTING_S:
            raise SystemExit("The demo's year was not counted in time.")
        time.sleep(1)
    print(f"The overview counts to the present after {time.monotonic() - began_s:.0f} s.")
    return {
        "overview": "/",
        "people": "/people",
        "person": f"/people/{person}",
        "wallets": "/wallets",
        "wallet": f"/wallets/{wallet}",
        "transfers": "/transfers",
        "approvals": "/approvals",
        "audit": "/audit",
        "integrity": "/integrity",
    }


if __name__ == "__main__":
    sys.exit(main())
