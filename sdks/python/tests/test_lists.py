"""Lists over all of their pages, filters, and the service's wish that one waits."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sdks.python.tests.conftest import client_of, new_name, sign_up
from sdks.python.tests.live_service import LiveService

from wallet_sdk import AsyncWallet, Money, Payment, Retries, Wallet, problems
from wallet_sdk.models import Transaction

ROOT = Path(__file__).parents[3]


@pytest.fixture
def shop(service: LiveService) -> Wallet:
    """Somebody with 30 payments to two people."""
    shop = client_of(service)
    sign_up(shop, new_name("shop"))
    shop.wallets.top_up(Money(100_000, "USD"))
    handles = []
    for name in ("carol", "dave"):
        handles.append(new_name(name))
        sign_up(client_of(service), handles[-1])
    shop.transfers.create_batch(
        Payment(
            to_handle=handles[number % 2],
            amount=Money(100 + number, "USD"),
            note=f"crate {number}",
            reference=f"R{number // 10}",
            metadata={"crate": str(number)},
        )
        for number in range(30)
    )
    return shop


def test_all_pages_are_gone_through_and_each_is_fetched_when_it_is_reached(
    service: LiveService, shop: Wallet
) -> None:
    asked: list[httpx.Request] = []
    http = httpx.Client(base_url=service.url, event_hooks={"request": [asked.append]})
    with http, Wallet(tokens=shop.tokens, http=http) as counted:
        lines = counted.transactions.list(kind="transfer", page_size=7)
        assert asked == []
        going = iter(lines)
        first = [next(going) for _ in range(7)]
        assert len(asked) == 1
        next(going)
        assert len(asked) == 2
        everything = list(lines)
    assert [line.amount for line in everything] == list(range(129, 99, -1))
    assert everything[:7] == first
    assert len({line.metadata["crate"] for line in everything}) == 30


async def test_what_is_booked_meanwhile_neither_doubles_nor_skips_a_line(
    service: LiveService, shop: Wallet
) -> None:
    async with AsyncWallet(service.url, tokens=shop.tokens) as wallet:
        seen: list[Transaction] = []
        async for line in wallet.transactions.list(kind="transfer", page_size=3):
            seen.append(line)
            if len(seen) % 3 == 0 and len(seen) < 30:
                await wallet.wallets.top_up(Money(1, "USD"))
        assert [line.amount for line in seen] == list(range(129, 99, -1))


def test_filters_are_met_by_every_line(shop: Wallet) -> None:
    def amounts(lines: "list[Transaction]") -> list[int]:
        return [line.amount for line in lines]

    listed = shop.transactions.list
    assert amounts([*listed(amount_min=128, kind=["transfer"])]) == [129, 128]
    assert amounts([*listed(q="crate 7")]) == [127, 117, 107]
    assert amounts([*listed(reference="R2", sort="oldest", page_size=4)]) == list(range(120, 130))
    assert amounts([*listed(metadata_key="crate", metadata_value="5")]) == [105]
    assert amounts([*listed(direction="in")]) == [100_000]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert amounts([*listed(booked_from=tomorrow)]) == []
    assert len([*listed(booked_to=tomorrow.date())]) in {0, 31}
    page = shop.transactions.list(kind="transfer", count=True, page_size=1).first()
    assert page.count is not None
    assert (page.count.lines, page.count.exact) == (30, True)
    assert page.items[0].counterparty is not None
    other = page.items[0].counterparty.user_id
    assert len([*listed(counterparty=other)]) == 15


def test_arguments_that_make_no_sense_are_refused_before_anything_is_sent(shop: Wallet) -> None:
    with pytest.raises(ValueError, match="zone"):
        [*shop.transactions.list(booked_from=datetime(2026, 11, 1))]  # noqa: DTZ001
    with pytest.raises(TypeError, match="amount"):
        shop.wallets.top_up(25.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exactly one"):
        shop.transfers.create(to_handle="a", to_email="a@example.com", amount=1)
    with pytest.raises(ValueError, match="not in JPY"):
        shop.transfers.create(to_handle="a", amount=Money(1, "USD"), currency="JPY")
    with pytest.raises(TypeError, match="metadata"):
        shop.transfers.create(to_handle="a", amount=1, metadata={"order": 1})  # type: ignore[dict-item]
    with pytest.raises(problems.ValidationFailed) as raised:
        [*shop.transactions.list(page_size=0)]
    assert raised.value.errors[0]["field"] == "limit"


def test_a_receipt_of_a_moment_ago_is_waited_for_and_is_genuine(
    shop: Wallet, tmp_path: Path
) -> None:
    paid = shop.wallets.top_up(Money(100, "USD"))
    receipt = shop.transactions.receipt(paid.id)
    (tmp_path / "receipt.json").write_text(json.dumps(receipt.to_dict()))
    (tmp_path / "keys.json").write_text(json.dumps(shop.proofs.keys().to_dict()))
    verifier = [sys.executable, str(ROOT / "tools/verify_receipt.py")]
    checked = subprocess.run(
        [*verifier, str(tmp_path / "receipt.json"), "--key", str(tmp_path / "keys.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "GENUINE" in checked.stdout, checked.stdout + checked.stderr


def test_retry_after_of_the_real_service_is_honoured(strict_service: LiveService) -> None:
    wallet = client_of(strict_service)
    sign_up(wallet, new_name("erin"))
    waited = []
    for _ in range(50):
        began_s = time.monotonic()
        wallet.wallets.balance()
        waited.append(time.monotonic() - began_s)
    # Some had to wait for the next window, and none was refused.
    assert max(waited) >= 0.9
    hasty = wallet.patient(Retries(attempts_max=1))
    with pytest.raises(problems.TooManyRequests) as raised:
        for _ in range(50):
            hasty.wallets.balance()
    assert raised.value.retry_after_s is not None
    assert raised.value.retry_after_s >= 1


async def test_many_callers_share_one_client(service: LiveService, shop: Wallet) -> None:
    async with AsyncWallet(service.url, tokens=shop.tokens) as wallet:
        balances = await asyncio.gather(*(wallet.wallets.balance() for _ in range(300)))
    assert len({balance.version for balance in balances}) == 1
