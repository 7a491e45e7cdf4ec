"""The documents' commands, run as they stand."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, clean_environment, free_port, serving

from wallet.domain.api_keys import Scope

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "serve",
    "migrate",
    "verify",
    "safe-mode",
    "create-admin",
    "grant-role",
    "revoke-role",
    "listen",
    "openapi",
)


def blocks(document: str) -> list[str]:
    """Return the shell blocks of a document."""
    text = (ROOT / document).read_text()
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        yield running


def run(block: str, service: Serving) -> str:
    """Run a block in a shell, against the service of the test."""
    script = block.replace("localhost:4000", f"127.0.0.1:{service.port}").replace(
        ".venv/bin/wallet", f"'{sys.executable}' -m wallet"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=service.log.parent,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(service.log.parent)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_transfer_of_the_readme_works_as_it_stands(service: Serving) -> None:
    session, verify = blocks("README.md")[1:3]
    answers = [json.loads(line) for line in run(session, service).splitlines()]
    alice, bob, top_up, paid, again, balance_alice, balance_bob, history = answers
    assert (alice["handle"], bob["handle"]) == ("alice", "bob")
    assert top_up["balance"]["display"] == "100.00 USD"
    assert paid["balance"]["display"] == "75.00 USD"
    assert again == paid
    assert balance_alice["posted"] == 7_500
    assert balance_bob["posted"] == 2_500
    assert [line["note"] for line in history["items"]] == ["Lunch"]
    assert run(verify, service).rstrip().endswith("intact.")


def test_a_receipt_is_checked_offline_as_the_document_says(service: Serving) -> None:
    block = next(b for b in blocks("docs/integrating.md") if "verify_receipt.py" in b)
    said = run(block.replace("tools/verify", f"{ROOT}/tools/verify"), service)
    assert "GENUINE" in said
    assert "25.00 USD" in said
    assert said.splitlines()[-1].startswith("REFUSED: the signature of the receipt")


def test_a_second_factor_is_set_up_as_the_document_says(service: Serving) -> None:
    block = next(b for b in blocks("docs/integrating.md") if "second-factor/confirm" in b)
    said = run(block, service)
    assert json.loads(said)["code"] == "second-factor-required"
    directory = service.log.parent
    assert len(json.loads((directory / "codes.json").read_text())["recovery_codes"]) == 10
    assert "access_token" in json.loads((directory / "tokens.json").read_text())


def test_a_machine_pays_with_a_spending_key_as_the_document_says(service: Serving) -> None:
    block = next(b for b in blocks("docs/integrating.md") if "/api-keys" in b)
    said = run(block, service)
    answers = [json.loads(line) for line in said.splitlines()]
    paid, refused, balance, shown, unread, rotated, dead = answers
    assert (paid["amount"], paid["balance"]["posted"]) == (3000, 7000)
    assert (refused["code"], refused["left"]) == ("spending-budget-exceeded", 2000)
    assert balance["posted"] == 7000
    assert (shown["spending"]["spent"], shown["spending"]["left"]) == (3000, 2000)
    assert (unread["code"], unread["scope"]) == ("insufficient-scope", "transactions:read")
    assert rotated["secret"].startswith("wk_")
    assert dead["code"] == "api-key-revoked"


def test_the_document_names_every_scope() -> None:
    text = (ROOT / "docs/integrating.md").read_text()
    assert re.findall(r"^\| `([a-z]+:[a-z]+)` \|", text, re.MULTILINE) == [
        scope.value for scope in Scope
    ]


def test_a_webhook_is_received_and_verified_as_the_document_says(service: Serving) -> None:
    block = next(b for b in blocks("docs/integrating.md") if "webhook-endpoints" in b)
    assert run(block.replace("4242", str(free_port())), service) == "topup.settled 25.00 USD\n"


def test_listening_is_started_as_the_document_says(service: Serving) -> None:
    block = next(b for b in blocks("docs/integrating.md") if "wallet listen" in b)
    run(block, service)
    options = set(re.findall(r"--[a-z-]+", block))
    shown = run(block.replace(" > /dev/null", ""), service)
    assert options == {"--help", "--url", "--forward-to", "--email"}
    assert all(option in shown for option in options)


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = [line.split("#")[0].strip() for line in blocks("README.md")[0].splitlines()]
    assert commands == ["make run", "make test"]


def test_every_relative_link_of_the_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert len(documents) > 8
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_documents_name_every_command_and_no_other() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "wallet", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(COLUMNS="200", NO_COLOR="1", TERM="dumb"),
    ).stdout
    for command in COMMANDS:
        assert command in help_text
        assert f"wallet {command}" in (ROOT / "docs/operating.md").read_text()
