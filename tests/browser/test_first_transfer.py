"""A newcomer's first transfer in Swagger UI, on the real service, without reading anything else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.visit import Visit
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PASSWORD = "seven green lamps at dusk"


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        yield running


class SwaggerUi:
    """Swagger UI as somebody uses it who only clicks and types."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.page = visit.open("/docs")
        self.page.locator(".opblock").first.wait_for()

    def execute(self, tag: str, operation: str, body: dict[str, Any] | None = None) -> Any:
        """Open an operation, fill its body, execute it, and return (status, answer)."""
        block = self.page.locator(f"#operations-{tag}-{operation}")
        if "is-open" not in (block.get_attribute("class") or ""):
            block.locator(".opblock-summary-control").click()
        if body is not None:
            block.locator("textarea.body-param__text").fill(json.dumps(body))
        if block.get_by_role("button", name="Clear").count():
            block.get_by_role("button", name="Clear").click()
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table")
        status = answer.locator("tbody .response-col_status").first
        status.wait_for()
        text = answer.locator(".highlight-code code").first.inner_text()
        return int(status.inner_text().split()[0]), json.loads(text)

    def authorize(self, email: str) -> None:
        """Log in by the Authorize button."""
        self.page.locator(".auth-wrapper button.authorize").first.click()
        dialog = self.page.locator(".modal-ux")
        if dialog.get_by_text("Logout").count():
            dialog.get_by_text("Logout").first.click()
        dialog.locator("input#oauth_username").fill(email)
        dialog.locator("input#oauth_password").fill(PASSWORD)
        dialog.locator(".auth-container", has=self.page.locator("#oauth_username")).locator(
            "button.authorize"
        ).click()
        dialog.get_by_text("Logout").first.wait_for()
        self.visit.picture(f"authorized-{email}")
        dialog.locator(".btn-done").first.click()


def person(name: str) -> dict[str, str]:
    return {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }


def log_in_with_a_page(visit: Visit, email: str) -> None:
    """Get a session cookie as pages of the service do, beside which Swagger UI must go on working.

    It says whether the browser keeps the cookie, hides it from scripts, and sends it to ourselves.
    """
    seen = visit.page.evaluate(
        """async ([email, password]) => {
            const headers = { "content-type": "application/json" };
            const body = JSON.stringify({ email, password });
            const begun = await fetch("/session", { method: "POST", headers, body });
            const balance = await fetch("/wallets/my-balance");
            const changed = await fetch("/live/tickets", { method: "POST" });
            const token = (await begun.json()).csrf_token;
            const allowed = await fetch("/live/tickets", {
                method: "POST", headers: { "X-CSRF-Token": token },
            });
            const statuses = [begun, balance, changed, allowed].map((answer) => answer.status);
            return { statuses, cookie: document.cookie };
        }""",
        [email, PASSWORD],
    )
    assert seen == {"statuses": [200, 200, 403, 200], "cookie": ""}
    (cookie,) = visit.page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (
        "__Host-wallet", True, True, "Strict",
    )  # fmt: skip


@pytest.mark.slow
def test_two_people_sign_up_and_pay_each_other_in_swagger_ui(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(10_000)
    visit = Visit(context.new_page(), service.url, tmp_path)
    docs = SwaggerUi(visit)
    for name in ("alice", "bob"):
        status, answer = docs.execute("People", "signUp", person(name))
        assert (status, answer["handle"]) == (201, name)
    log_in_with_a_page(visit, "bob@example.com")
    docs.authorize("alice@example.com")
    status, answer = docs.execute("Wallets", "createTopUp", {"amount": 10_000})
    assert (status, answer["balance"]["display"]) == (201, "100.00 USD")
    payment = {"to_handle": "bob", "amount": 2_500, "note": "Lunch"}
    status, answer = docs.execute("Wallets", "createTransfer", payment)
    assert (status, answer["balance"]["display"]) == (201, "75.00 USD")
    visit.picture("paid")
    if where := os.environ.get("WALLET_PICTURES"):
        docs.page.locator("#operations-Wallets-createTransfer .live-responses-table").evaluate(
            "answer => answer.scrollIntoView({block: 'center', behavior: 'instant'})"
        )
        docs.page.screenshot(path=Path(where) / "swagger-ui.png")
    status, answer = docs.execute("Wallets", "createTransfer", {**payment, "amount": 99_999})
    assert (status, answer["code"]) == (422, "insufficient-funds")
    docs.authorize("bob@example.com")
    status, answer = docs.execute("Wallets", "getBalance")
    assert (status, answer["display"]) == (200, "25.00 USD")
    status, answer = docs.execute("Transactions", "listTransactions")
    assert [line["note"] for line in answer["items"]] == ["Lunch"]
    visit.picture("history")
    # The browser itself reports the refusals above; everything else would be a defect.
    visit.complaints = [
        text for text in visit.complaints if "422" not in text and "403" not in text
    ]
    visit.assert_clean()
    context.close()
