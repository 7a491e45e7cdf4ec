"""The first command of the README, in a fresh clone, as whoever runs the tests and as nobody."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import reachable_directory
from tests.integration.serving import clean_environment, free_port, is_ready

ROOT = Path(__file__).parents[2]
SECOND_START_S = 3.0
TRIES_MAX = 8


@pytest.fixture
def place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


def clone(place: Path) -> Path:
    """Clone what is committed; what is not committed does not count."""
    target = place / "clone"
    subprocess.run(
        ["git", "-c", "safe.directory=*", "clone", "--quiet", str(ROOT), str(target)], check=True
    )
    return target


def run_once(clone: Path, place: Path, user: str | None) -> float:
    """Run `make run` until it serves, and stop it as Ctrl-C would; return how long it took."""
    port = free_port()
    environment = clean_environment(
        WALLET_PORT=str(port), WALLET_DATA_DIRECTORY=str(place / "data"), HOME=str(place)
    )
    # A make that runs the tests hands its own flags and jobs down; a newcomer's has none.
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV"):
        environment.pop(name, None)
    log = place / "run.log"
    began_s = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
    try:
        while not is_ready(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() - began_s < 300, log.read_text()[-4000:]
            time.sleep(0.05)
        took_s = time.monotonic() - began_s
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
    assert f"http://localhost:{port}" in log.read_text()
    return took_s


@pytest.mark.slow
@pytest.mark.parametrize("user", [None, "nobody"])
def test_make_run_serves_from_a_fresh_clone(place: Path, user: str | None) -> None:
    if user is not None and os.geteuid() != 0:
        pytest.skip("NOT ROOT: only root can try it as somebody else")
    fresh = clone(place)
    if user is not None:
        for path in [place, *place.rglob("*")]:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    first_s = run_once(fresh, place, user)
    second_s = run_once(fresh, place, user)
    for _ in range(TRIES_MAX - 1):  # The best of some, for others may be using the machine.
        if second_s <= SECOND_START_S:
            break
        time.sleep(5)
        second_s = min(second_s, run_once(fresh, place, user))
    print(f"\nas {user or 'myself'}: first start {first_s:.1f} s, second start {second_s:.2f} s")
    assert second_s <= SECOND_START_S
