"""The package as others get it: a wheel, typed, with documents whose code runs."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from scripts.build_python_sdk import ROOT, SDK, build, pack
from scripts.show_sdk_python import EXAMPLE, TRANSCRIPT, month_of_a_shop
from sdks.python.tests.live_service import live_service
from tests.integration.serving import clean_environment

CONSUMER = """
import asyncio
from collections.abc import AsyncIterator

from typing_extensions import assert_type

from wallet_sdk import AsyncWallet, Entry, Money, OutcomeUnknown, Ready, Wallet, models, problems


def pay(wallet: Wallet) -> Money:
    try:
        paid = wallet.transfers.create(to_handle="bob", amount=Money(2500, "USD"))
    except problems.InsufficientFunds as refusal:
        assert_type(refusal.available, int)
        return Money(refusal.available, refusal.currency)
    except OutcomeUnknown as unknown:
        assert_type(unknown.idempotency_key, str | None)
        assert_type(wallet.settle(unknown), models.KeyAnswer)
        raise
    for line in wallet.transactions.list(direction="in"):
        assert_type(line, models.Transaction)
        assert_type(line.money, Money)
    assert_type(wallet.users.me(), models.ProfileAnswer)
    assert_type(wallet.operations.get_problem("not-found"), models.ProblemKind)
    return paid.balance.available_money


async def watch(wallet: AsyncWallet) -> AsyncIterator[Money]:
    async for event in wallet.live.events():
        assert_type(event, Ready | Entry)
    async for line in wallet.transactions.list():
        assert_type(line, models.Transaction)
    assert_type(await wallet.users.me(), models.ProfileAnswer)
    task = asyncio.create_task(wallet.users.me())
    yield (await wallet.wallets.balance((await task).default_currency)).posted_money
"""
MISTAKES = {
    'wallet.transfers.create(to_handle="bob", amount=25.0)': "float",
    'Money(1, "USD") == 1': "Non-overlapping equality check",
    'Money(1, "USD") + 1': "Unsupported operand",
    'wallet.transactions.list(direction="up")': "Literal",
    "wallet.users.me().frist_name": "has no attribute",
    'wallet.statements.download("x", format="docx", month="2026-11")': "Literal",
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own with the wheel, beside the packages of the development environment."""
    build()
    wheel = ROOT / pack().partition(":")[0]
    home = tmp_path_factory.mktemp("consumer")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(packages)
    (others,) = (path for path in sys.path if path.endswith("site-packages"))
    (packages / "others.pth").write_text(f"{others}\n")
    return home


def python(environment: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the consumer's Python."""
    return subprocess.run(
        [str(environment / "bin" / "python"), *arguments],
        capture_output=True,
        text=True,
        cwd=environment,
        env=clean_environment(PYTHONPATH="", **settings),
        check=False,
    )


def checked(environment: Path, source: str) -> str:
    """Return what mypy says about code of somebody who uses the installed package."""
    code = environment / "consumer.py"
    code.write_text(source)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache"),
            *("--config-file", "", "--python-executable", str(environment / "bin/python")),
            str(code),
        ],
        capture_output=True,
        text=True,
        cwd=environment,
        env=clean_environment(PYTHONPATH="", MYPYPATH=""),
        check=False,
    )
    return done.stdout + done.stderr


def test_the_wheel_has_everything_and_nothing_else(environment: Path) -> None:
    (wheel,) = (SDK / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"wallet_sdk/py.typed", "wallet_sdk/_sync/client.py"} <= names
    assert "wallet_sdk/_generated/models/balance.py" in names
    assert {name.partition("/")[0].split("-")[0] for name in names} == {"wallet_sdk"}
    said = python(environment, "-c", "import wallet_sdk; print(wallet_sdk.__file__)").stdout
    assert said.startswith(str(environment))


def test_the_package_its_tests_and_examples_are_typed_strictly() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(SDK / "mypy.ini")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(PYTHONPATH="", MYPYPATH=""),
        check=False,
    )
    assert done.stdout.startswith("Success: no issues found"), done.stdout + done.stderr


def test_code_that_uses_the_package_is_typed_strictly(environment: Path) -> None:
    assert checked(environment, CONSUMER).startswith("Success"), checked(environment, CONSUMER)
    assert checked(environment, EXAMPLE.read_text()).startswith("Success")


def test_mistakes_are_found_by_the_type_checker(environment: Path) -> None:
    lines = [
        f"def mistake_{n}(wallet: Wallet) -> object:\n    return {code}"
        for n, code in enumerate(MISTAKES)
    ]
    said = checked(environment, "from wallet_sdk import Money, Wallet\n" + "\n".join(lines))
    for number, (code, complaint) in enumerate(MISTAKES.items()):
        found = [line for line in said.splitlines() if f"consumer.py:{3 + 2 * number}:" in line]
        assert any(complaint in line for line in found), f"{code}: {found or said}"


def test_the_codes_of_the_readme_run_as_they_stand(environment: Path) -> None:
    readme = (SDK / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    first = [line for line in blocks[0].splitlines() if line and "import" not in line]
    assert len(first) == 10
    with live_service() as service:
        script = "\n".join(blocks).replace("http://localhost:4000", service.url)
        done = python(environment, "-c", script)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "Alice has 75.00 USD"
    assert said[1].endswith(" 25.00 USD Lunch")
    assert said[2:] == ["-5.00 USD Bob", "-25.00 USD Bob"] or said[2:] == ["-25.00 USD Bob"]


def test_the_month_of_a_small_shop_goes_as_its_transcript_says() -> None:
    with live_service() as service:
        assert month_of_a_shop(service.url) == TRANSCRIPT.read_text()
