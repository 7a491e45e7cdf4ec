"""Staff and people for tests of the console, appointed by the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from tests.api.browsers import code_now
from tests.browser.visit import Visit
from tests.integration.serving import Serving, clean_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

PASSWORD = "seven green lamps at dusk"
SCRIPT = "<script>document.title = 'stolen'</script><img src=x onerror=alert(1)>"


def wallet(directory: Path, *arguments: str) -> None:
    """Run a command of the service on its data."""
    done = subprocess.run(
        [sys.executable, "-m", "wallet", *arguments],
        input=f"{PASSWORD}\n",
        text=True,
        check=False,
        capture_output=True,
        cwd=directory,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(directory)),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@dataclass
class Town:
    """A service with two people, and staff who log in by recovery codes."""

    service: Serving
    directory: Path
    tokens: dict[str, str] = field(default_factory=dict)
    codes: dict[str, list[str]] = field(default_factory=dict)

    def call(self, method: str, path: str, name: str, **given: Any) -> httpx.Response:
        """Ask the service as somebody who holds a token."""
        headers = {"authorization": f"Bearer {self.tokens[name]}"}
        return httpx.request(method, self.service.url + path, headers=headers, timeout=30, **given)

    def pay(self, sender: str, receiver: str, amount: int, **more: Any) -> httpx.Response:
        """Let one person pay another."""
        body = {"to_handle": receiver, "amount": amount, **more}
        return self.call("POST", "/wallets/transfer", sender, json=body)

    def add_person(
        self,
        name: str,
        first_name: str,
        amount: int,
        last_name: str = "Oberbürgermeisterkandidatin",
    ) -> None:
        """Let somebody sign up, log in and add money."""
        email = f"{name}@example.com"
        body = {"first_name": first_name, "last_name": last_name}
        body |= {"email": email, "password": PASSWORD, "handle": name}
        httpx.post(f"{self.service.url}/users", json=body, timeout=30).raise_for_status()
        self.log_in(name)
        self.call("POST", "/wallets/topup", name, json={"amount": amount}).raise_for_status()

    def confirm_address(self, name: str) -> None:
        """Confirm an e-mail address by the mail that sign-up sent."""
        mails = httpx.get(
            f"{self.service.url}/dev/mail", headers={"accept": "application/json"}, timeout=30
        ).json()["items"]
        mail = next(mail for mail in mails if mail["recipient"] == f"{name}@example.com")
        token = re.search(r"^([A-Za-z0-9_-]{43})$", mail["text"], re.MULTILINE)
        assert token is not None
        given = {"token": token[1]}
        self.call("POST", "/email-verifications", name, json=given).raise_for_status()

    def log_in(self, name: str) -> None:
        """Get a token."""
        given = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = httpx.post(f"{self.service.url}/users/login", json=given, timeout=30)
        self.tokens[name] = answer.raise_for_status().json()["access_token"]

    def appoint_without_second_factor(self, name: str) -> None:
        """Make an administrator of somebody who has signed up, and has to set one up yet."""
        names = ("--first-name", name.title(), "--last-name", "New")
        wallet(self.directory, "create-admin", "--email", f"{name}@example.com", *names)

    def appoint(self, name: str, last_name: str, role: str = "admin") -> None:
        """Make somebody one of the staff, with a second factor."""
        email = f"{name}@example.com"
        if role == "admin":
            names = ("--first-name", name.title(), "--last-name", last_name)
            wallet(self.directory, "create-admin", "--email", email, *names)
            self.log_in(name)
        else:
            self.add_person(name, name.title(), 1, last_name)
            self.confirm_address(name)
            reason = ("--role", role, "--reason", "Hired for it.")
            wallet(self.directory, "grant-role", "--email", email, *reason)
        path = "/users/me/second-factor"
        begun = self.call("POST", path, name, json={"password": PASSWORD})
        otp = {"otp": code_now(begun.json()["secret"])}
        confirmed = self.call("POST", f"{path}/confirm", name, json=otp).raise_for_status()
        self.codes[name] = confirmed.json()["recovery_codes"]


class Desk:
    """Somebody's browser window on /console."""

    def __init__(self, browser: Browser, town: Town, pictures: Path, **options: Any) -> None:
        self.town = town
        self.context: BrowserContext = browser.new_context(
            **{"locale": "en-US", "viewport": {"width": 1440, "height": 900}, **options}
        )
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        # Browsers keep a cookie for secure connections on this name alone without one.
        self.visit = Visit(self.page, f"http://localhost:{town.service.port}", pictures)

    def give_password(self, name: str) -> Desk:
        """Open the console and log in as far as the password takes one."""
        page = self.visit.open("/console")
        page.get_by_label("E-mail").fill(f"{name}@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        return self

    def log_in(self, name: str) -> Desk:
        """Log in with password and code."""
        self.give_password(name)
        self.page.get_by_label("Code").fill(self.town.codes[name].pop())
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()
        return self

    def open(self, path: str) -> Page:
        """Open a view of the console."""
        return self.visit.open(f"/console{path}")

    def find(self, text: str, entry: str) -> Page:
        """Press `/`, search, and open what was found."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(text)
        self.page.get_by_role("search").get_by_role("link").filter(has_text=entry).first.click()
        return self.page

    def act(self, button: str, reason: str, **fields: str) -> None:
        """Open an act, say why, and do it; its dialog must go away."""
        self.begin(button, reason, **fields)
        dialog = self.dialog(button)
        # The act may have been opened from a dialog, which then holds its own.
        dialog.locator("button[type=submit]").click()
        dialog.wait_for(state="detached")

    def begin(self, button: str, reason: str, **fields: str) -> None:
        """Open an act and fill in what it asks for."""
        self.page.get_by_role("button", name=button, exact=True).first.click()
        dialog = self.dialog(button)
        for label, value in fields.items():
            dialog.get_by_label(label).fill(value)
        dialog.get_by_label("Reason").fill(reason)

    def dialog(self, title: str) -> Locator:
        """Return the dialog of this title."""
        return (
            self.page.get_by_role("dialog")
            .filter(has=self.page.get_by_role("heading", name=title, exact=True))
            .last
        )

    def changes(self, panel: Locator) -> dict[str, list[str]]:
        """Return what an act's panel says was before and is after, by fact."""
        rows = panel.locator(".changes tbody tr")
        rows.first.wait_for()
        # What an amount is in may have to be asked first.
        panel.locator(".changes .skeleton").first.wait_for(state="detached")
        return {
            row.locator("th").inner_text(): row.locator("td").all_inner_texts()
            for row in rows.all()
        }

    def refuse(self, button: str, reason: str, told: str, **fields: str) -> None:
        """Begin an act that is refused: its dialog says so, and is closed."""
        self.begin(button, reason, **fields)
        dialog = self.dialog(button)
        dialog.locator("button[type=submit]").click()
        dialog.get_by_role("alert").filter(has_text=told).wait_for()
        dialog.get_by_role("button", name="Cancel").click()
        dialog.wait_for(state="detached")

    def assert_clean(self, *expected: str) -> None:
        """Nothing but these problems was complained of, and no text has become markup."""
        # The browser itself reports answers that refuse, such as who is logged in when nobody is.
        known = [f"status of {one}" if one.isdigit() else one for one in ("401", *expected)]
        complaints = self.visit.complaints
        self.visit.complaints = [c for c in complaints if not any(one in c for one in known)]
        assert self.page.title() != "stolen"
        assert self.page.locator("img[src=x]").count() == 0
        self.visit.assert_clean()

    def close(self, *expected: str) -> None:
        """Close the window, in which nothing but these problems was complained of."""
        self.assert_clean(*expected)
        self.context.close()
