"""`wallet serve` and its neighbours, as processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import reachable_directory
from tests.integration.serving import clean_environment, serving

PASSWORD = "seven green lamps at dusk"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


def wallet(directory: Path, *arguments: str, text: str = "", **environment: str) -> tuple[int, str]:
    """Run a command of the command line; return its exit code and everything it said."""
    done = subprocess.run(
        [sys.executable, "-m", "wallet", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(directory), **environment),
    )
    return done.returncode, done.stdout + done.stderr


def post(url: str, body: dict[str, object], token: str = "") -> dict[str, object]:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        document: dict[str, object] = json.loads(answer.read())
        return document


def test_data_persists_and_the_second_start_takes_at_most_three_seconds(directory: Path) -> None:
    environment = {"WALLET_DATA_DIRECTORY": str(directory)}
    person: dict[str, object] = {
        "first_name": "A",
        "last_name": "B",
        "email": "a@example.com",
        "password": PASSWORD,
    }
    with serving(directory, environment=environment) as first:
        post(f"{first.url}/users", person)
        assert first.stop() == 0
        assert not (directory / "postgres/cluster/data/postmaster.pid").exists()
    with serving(directory, environment=environment) as second:
        tokens = post(f"{second.url}/users/login", {"email": person["email"], "password": PASSWORD})
        assert tokens["access_token"]
        log = second.log.read_text()
        assert f"http://localhost:{second.port}" in log
        assert "/docs" in log
        print(f"\nfirst start {first.started_s:.2f} s, second start {second.started_s:.2f} s")
        assert second.stop(signal.SIGINT) == 0


def requests_counted(url: str) -> float:
    """Return how many requests for /health/live the metrics tell of."""
    metrics = urllib.request.urlopen(f"{url}/metrics", timeout=5).read().decode()  # noqa: S310
    lines = [x for x in metrics.splitlines() if "http_requests_total{" in x and "live" in x]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_metrics_sum_all_workers_and_a_dead_worker_is_replaced(directory: Path) -> None:
    import psutil

    environment = {"WALLET_DATA_DIRECTORY": str(directory)}
    with serving(directory, "--workers", "2", environment=environment) as service:

        def workers() -> list[int]:
            found = psutil.Process(service.process.pid).children()
            alive = [p for p in found if p.status() != psutil.STATUS_ZOMBIE]
            return sorted(p.pid for p in alive if "spawn_main" in " ".join(p.cmdline()))

        before = workers()
        assert len(before) == 2
        for _ in range(40):
            urllib.request.urlopen(f"{service.url}/health/live", timeout=5).read()  # noqa: S310
        counted_s = time.monotonic() + 5
        # Each worker hands its counts on every second.
        while requests_counted(service.url) != 40:
            assert time.monotonic() < counted_s, requests_counted(service.url)
            time.sleep(0.1)
        os.kill(before[0], signal.SIGKILL)
        deadline_s = time.monotonic() + 15
        while len([p for p in workers() if p != before[0]]) < 2:
            assert time.monotonic() < deadline_s, "the worker was not replaced"
            time.sleep(0.1)
        alive = workers()
        directory_of_metrics = Path(psutil.Process(alive[0]).environ()["PROMETHEUS_MULTIPROC_DIR"])
        assert list(directory_of_metrics.glob(f"gauge_live*_{before[1]}.db"))
        while list(directory_of_metrics.glob(f"gauge_live*_{before[0]}.db")):
            assert time.monotonic() < deadline_s, "the dead worker's gauges still count"
            time.sleep(0.1)
        assert service.stop() == 0


def test_a_taken_port_is_named(directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = wallet(directory, "serve", "--port", str(port))
    assert code == 1
    assert str(port) in said
    assert "Traceback" not in said


def test_a_demo_looks_at_its_port_before_it_books_a_year(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "scripts/demo.py", "--directory", str(directory / "demo")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
            env=clean_environment(WALLET_PORT=port),
        )
    assert done.returncode == 1
    assert (done.stdout, f"Port {port} is taken" in done.stderr) == ("", True), done.stderr
    assert not (directory / "demo").exists()


def test_production_with_unsafe_settings_does_not_start(directory: Path) -> None:
    code, said = wallet(directory, "serve", WALLET_ENVIRONMENT="production")
    assert code == 1
    assert "WALLET_DATABASE_URL" in said
    assert "WALLET_SIGNING_KEY" in said
    assert "Traceback" not in said


def test_an_invalid_setting_is_named_and_not_shown(directory: Path) -> None:
    code, said = wallet(directory, "serve", WALLET_PORT="ninety")
    assert code == 1
    assert "WALLET_PORT" in said
    assert "ninety" not in said


def test_a_database_out_of_reach_is_said_without_its_password(directory: Path) -> None:
    url = "postgresql://u:hidden-word@127.0.0.1:1/x"
    for command in (["serve"], ["verify"], ["migrate", "up"]):
        code, said = wallet(directory, *command, WALLET_DATABASE_URL=url)
        assert code == 1, command
        assert "hidden-word" not in said
        assert "Traceback" not in said, said


def test_the_commands_work_without_a_running_service(directory: Path) -> None:
    assert wallet(directory, "migrate", "up")[0] == 0
    code, said = wallet(directory, "migrate", "status")
    assert code == 0
    assert "0001 roles" in said
    assert "pending" not in said
    code, said = wallet(directory, "verify")
    assert code == 0
    assert said.rstrip().endswith("intact.")
    code, said = wallet(
        directory,
        "create-admin",
        "--email=admin@example.com",
        "--first-name=Ad",
        "--last-name=Min",
        text=PASSWORD + "\n",
    )
    assert code == 0, said
    assert "admin@example.com is an administrator" in said
    assert "were not used" not in said
    again = ("create-admin", "--email=admin@example.com", "--first-name=X", "--last-name=Y")
    code, said = wallet(directory, *again, text="some other password\n")
    assert (code, "those you gave were not used" in said) == (0, True), said
    code, said = wallet(
        directory,
        "create-admin",
        "--email=other@example.com",
        "--first-name=Ad",
        "--last-name=Min",
        text="short\n",
    )
    assert code == 1
    assert "password-too-short" in said
    grant = ("grant-role", "--email=admin@example.com", "--role=auditor", "--reason=For a test.")
    code, said = wallet(directory, *grant)
    assert (code, "email-not-verified" in said) == (1, True), said
    code, said = wallet(directory, "revoke-role", "--email=admin@example.com", "--reason=A test.")
    assert (code, "has the role user" in said) == (0, True), said
    code, said = wallet(directory, "revoke-role", "--email=admin@example.com", "--reason=A test.")
    assert (code, "nothing was changed" in said) == (0, True), said
    for command in (
        ("reset-second-factor", "nobody@example.com", "--reason=A test."),
        ("revoke-role", "--email=nobody@example.com", "--reason=A test."),
    ):
        code, said = wallet(directory, *command)
        assert (code, "person-not-found" in said) == (1, True), said
    code, said = wallet(directory, "migrate", "down")
    assert code in {0, 1}
    assert "Traceback" not in said


def test_the_document_is_printed_without_a_database(directory: Path) -> None:
    code, said = wallet(directory, "openapi")
    assert code == 0
    assert json.loads(said)["info"]["title"] == "Wallet"
