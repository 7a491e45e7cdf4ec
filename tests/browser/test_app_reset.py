"""A new password by mail, in a real browser: the page may be closed before the code comes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browser.windows import PASSWORD, Window, join
from tests.integration.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

NEW = "nine quiet boats before dawn"


def mail_of(service: Serving, recipient: str, subject: str) -> str:
    """Return the text of a mail, which may be on its way."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        mails = httpx.get(f"{service.url}/dev/mail", params={"recipient": recipient}, timeout=30)
        for mail in mails.json()["items"]:
            if mail["subject"] == subject:
                return str(mail["text"])
        time.sleep(0.1)
    raise AssertionError(f"no mail {subject}")


def test_a_new_password_is_set_where_the_mail_leads_and_ends_every_session(
    browser: Browser, service: Serving, tmp_path: Path
) -> None:
    join(service, "rosa", "Rosa", 1_000)
    elsewhere = Window(browser, service, tmp_path).log_in("rosa")
    window = Window(browser, service, tmp_path)
    page = window.visit.open("/app/login")
    page.get_by_role("link", name="Forgot").click()
    page.get_by_label("E-mail").fill("rosa@example.com")
    page.get_by_role("button", name="Send the code").click()
    page.get_by_text("a code is on its way").wait_for()
    told = mail_of(service, "rosa@example.com", "Set a new password")
    code = re.search(r"^[A-Za-z0-9_-]{43}$", told, re.MULTILINE)
    address = re.search(r"/app/reset\S+", told)
    assert code is not None
    assert address is not None
    # As on a phone: the page is gone when one comes back from the mail.
    page = window.visit.open(address[0])
    page.get_by_label("Code from the mail").fill("x" * 43)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Code from the mail").fill(f" {code[0]} ")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Your password is changed").wait_for()
    elsewhere.page.get_by_role("button", name="Log in").wait_for(timeout=20_000)
    page.get_by_role("link", name="Back to log-in").click()
    page.get_by_label("E-mail").fill("rosa@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("E-mail or password is not right.").wait_for()
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_role("button", name="Log in").click()
    page.get_by_test_id("balance").get_by_text("USD").first.wait_for()
    window.visit.complaints = [c for c in window.visit.complaints if "422" not in c]
    window.assert_clean()
    window.context.close()
    elsewhere.context.close()
