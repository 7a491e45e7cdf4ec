"""People of the wallet page, and the browser windows in which they look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from tests.browser.visit import Visit
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PASSWORD = "seven green lamps at dusk"
SCRIPT = "<script>document.title = 'stolen'</script><img src=x onerror=alert(1)>"


def join(service: Serving, name: str, first_name: str, amount: int = 0) -> dict[str, str]:
    """Let somebody sign up and add money; return what their API client sends."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        body = {
            "first_name": first_name,
            "last_name": "Oberbürgermeisterkandidatin",
            "email": f"{name}@example.com",
            "password": PASSWORD,
            "handle": name,
        }
        client.post("/users", json=body).raise_for_status()
        given = {"email": body["email"], "password": PASSWORD}
        token = client.post("/users/login", json=given).raise_for_status().json()["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        if amount:
            client.post("/wallets/topup", json={"amount": amount}, headers=bearer)
        return bearer


def pay(service: Serving, bearer: dict[str, str], to: str, amount: int, **more: Any) -> str:
    """Let somebody pay by the API; return the id of the transfer."""
    body = {"to_handle": to, "amount": amount, **more}
    answer = httpx.post(f"{service.url}/wallets/transfer", json=body, headers=bearer, timeout=30)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


def sent_by(service: Serving, bearer: dict[str, str]) -> list[dict[str, Any]]:
    """Return what somebody has sent, the last first."""
    answer = httpx.get(
        f"{service.url}/transactions", params={"direction": "out"}, headers=bearer, timeout=30
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


class Window:
    """Somebody's browser window on /app."""

    def __init__(self, browser: Browser, service: Serving, pictures: Path, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(
            **{"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **options}
        )
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        # Browsers keep a cookie for secure connections on this name alone without one.
        self.visit = Visit(self.page, f"http://localhost:{service.port}", pictures)
        self.paid_before = 0

    def log_in(self, name: str) -> Window:
        page = self.visit.open("/app/login")
        page.get_by_label("E-mail").fill(f"{name}@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
        page.get_by_text("Live", exact=True).wait_for()
        return self

    def balance(self) -> str:
        return self.page.get_by_test_id("balance").locator(".unseen").inner_text()

    def assert_clean(self) -> None:
        # The browser itself reports the question who is logged in, asked before anybody is.
        self.visit.complaints = [c for c in self.visit.complaints if "401" not in c]
        self.visit.assert_clean()
