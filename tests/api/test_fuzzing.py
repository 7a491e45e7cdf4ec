"""Schemathesis over the OpenAPI document, against a live server, signed in."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, clean_environment, serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
# These end the session or the account that the fuzzer is signed in with.
LEFT_OUT = ("logOut", "closeAccount", "changePassword", "revokeSession", "resetPassword")
PERSON = {"email": "fuzz@example.com", "password": "seven green lamps at dusk"}


def post(service: Serving, path: str, body: dict[str, str]) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310
        service.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        document: dict[str, str] = json.loads(answer.read())
        return document


@pytest.mark.slow
@pytest.mark.parametrize("phases", ["examples,coverage,fuzzing", "stateful"])
def test_no_request_is_answered_by_a_crash_or_an_undocumented_status(phases: str) -> None:
    with reachable_directory() as directory:
        environment = {
            "WALLET_DATA_DIRECTORY": str(directory),
            "WALLET_SIGN_UP_LIMIT": "1000000",
            "WALLET_LOG_IN_LIMIT": "1000000",
            "WALLET_THROUGHPUT_LIMIT": "1000000/10 seconds",
        }
        with serving(directory, environment=environment) as service:
            names = {"first_name": "Fuzz", "last_name": "Er", "handle": "fuzzer"}
            post(service, "/users", {**PERSON, **names})
            token = post(service, "/users/login", PERSON)["access_token"]
            said = _fuzz(service, token, phases, directory)
            crashes = [x for x in service.log.read_text().splitlines() if '"status":500' in x]
    assert crashes == []
    assert "No issues found" in said or "passed" in said


def _fuzz(service: Serving, token: str, phases: str, directory: Path) -> str:
    program = Path(sys.executable).with_name("schemathesis")
    left_out = [part for name in LEFT_OUT for part in ("--exclude-operation-id", name)]
    done = subprocess.run(
        [
            str(program),
            "run",
            f"{service.url}/openapi.json",
            "--header",
            f"Authorization: Bearer {token}",
            "--phases",
            phases,
            "--max-examples",
            "40",
            "--checks",
            ",".join(CHECKS),
            "--no-color",
            "--generation-deterministic",
            *left_out,
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=directory,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout
