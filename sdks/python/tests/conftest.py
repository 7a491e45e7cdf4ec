"""Fixtures: a live service over a real socket, and people with clients."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sdks.python.tests.live_service import LiveService, live_service

from wallet_sdk import Wallet

HERE = Path(__file__).parent
PASSWORD = "nine patient herons by the weir"
_numbers = itertools.count(1)
_open: list[Wallet] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here wants a built SDK and a service: it belongs to the slow suite."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def service() -> Iterator[LiveService]:
    """A service that all tests share; who kills one starts one of their own."""
    with live_service() as running:
        yield running


@pytest.fixture(scope="session")
def strict_service() -> Iterator[LiveService]:
    """A service whose tokens live for half a minute, with a limit that is soon reached."""
    strict = {
        "WALLET_ACCESS_TOKEN_LIFETIME_S": "30",
        "WALLET_THROUGHPUT_LIMIT": "20/2 seconds",
    }
    with live_service(**strict) as running:
        yield running


@pytest.fixture(autouse=True)
def clients_are_closed() -> Iterator[None]:
    """Close the clients that a test has made by `client_of`."""
    yield
    while _open:
        _open.pop().close()


def client_of(service: LiveService, **options: Any) -> Wallet:
    """Return a client that is closed at the end of the test."""
    wallet = Wallet(service.url, **options)
    _open.append(wallet)
    return wallet


def new_name(name: str) -> str:
    """Return a handle that nobody has in this run."""
    return f"{name}_{next(_numbers)}"


def sign_up(wallet: Wallet, name: str) -> str:
    """Create an account and log in; return the e-mail address."""
    email = f"{name}@example.com"
    wallet.users.sign_up(
        first_name=name.partition("_")[0].title(),
        last_name="Tester",
        email=email,
        password=PASSWORD,
        handle=name,
    )
    wallet.log_in(email, PASSWORD)
    return email
