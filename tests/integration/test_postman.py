"""The Postman collection, run by newman against a live service."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from scripts.build_assets import BuildError
from scripts.build_postman import COLLECTION, DOCUMENT, STEPS, build, chained, sent
from tests.conftest import reachable_directory
from tests.integration.serving import clean_environment, serving

STAFF = {"staff_email": "ada@example.com", "second_staff_email": "max@example.com"}
STAFF_PASSWORD = "four grey owls under the eaves"
NAME = ("--first-name", "Ada", "--last-name", "Operator")


class Receiver(BaseHTTPRequestHandler):
    """Acknowledges every webhook."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def appoint(directory: Path, email: str) -> None:
    """Make an administrator, as an operator does beside a running service."""
    subprocess.run(
        [sys.executable, "-m", "wallet", "create-admin", "--email", email, *NAME],
        input=f"{STAFF_PASSWORD}\n",
        text=True,
        cwd=directory,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(directory)),
        timeout=60,
        check=True,
        capture_output=True,
    )


def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STEPS.read_text())
    return found


def steady(text: str, url: str) -> str:
    """Return what newman said without colours and ports of one run."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(url, "http://localhost:4000")
    return "\n".join(line.rstrip() for line in plain.splitlines()) + "\n"


def test_every_operation_of_the_document_is_a_step_or_left_out_for_a_reason() -> None:
    document = json.loads(DOCUMENT.read_text())
    operations = {
        o["operationId"] for methods in document["paths"].values() for o in methods.values()
    }
    steps = [step for chapter in told()["chapters"] for step in chapter["steps"]]
    left_out = told()["leave_out"]
    assert {step["operation"] for step in steps} | set(left_out) == operations
    assert not {step["operation"] for step in steps} & set(left_out)
    assert all(len(reason) > 20 for reason in left_out.values())


def test_an_operation_without_a_step_stops_the_build() -> None:
    document = json.loads(DOCUMENT.read_text())
    less = deepcopy(told())
    less["chapters"][0]["steps"] = [
        step for step in less["chapters"][0]["steps"] if step["operation"] != "getReadiness"
    ]
    with pytest.raises(BuildError, match="getReadiness"):
        chained({"item": [], "info": {}}, document, less)


@pytest.mark.slow
def test_newman_runs_the_whole_collection_against_a_live_service() -> None:
    build()
    collection = json.loads(COLLECTION.read_text())
    requests = sum(len(chapter["item"]) for chapter in collection["item"])
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as service,
        receiver() as hooks,
    ):
        for email in STAFF.values():
            appoint(directory, email)
        environment = {**STAFF, "staff_password": STAFF_PASSWORD, "receiver_url": hooks}
        done = sent(service.url, environment)
        again = sent(service.url, environment)
        without_staff = sent(service.url, {"receiver_url": hooks})
    print(done.stdout[-3000:])
    if where := os.environ.get("WALLET_TRANSCRIPTS"):
        (Path(where) / "newman.txt").write_text(steady(done.stdout, service.url))
    assert done.returncode == 0, done.stdout[-12_000:]
    summary = done.stdout[done.stdout.index("executed") :]
    executed, failed = next(
        (int(cells[2]), int(cells[3]))
        for line in summary.splitlines()
        if len(cells := line.split("│")) > 4 and cells[1].strip() == "requests"
    )
    assert failed == 0
    assert executed >= requests
    assert again.returncode == 0, again.stdout[-12_000:]
    assert without_staff.returncode == 0, without_staff.stdout[-12_000:]
    assert "/admin/overview" in again.stdout
    assert "/admin/" not in without_staff.stdout
