"""Generate the Python SDK, and pack it as a wheel with `--wheel`.

`sdks/python` has our thin layer, the templates and the configuration; what is written here is
ignored by git and packed into the wheel: `_generated` (models and operations by
openapi-python-client from openapi.json; problems, currencies) and `_sync` (the synchronous client,
made word by word of `_async`). The generator has an environment of its own, because it wants
another typer than the service, and is installed by `requirements-sdk.lock`.

The file `.built` says what everything was made from, so a second run has nothing to do.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.python_sdk_sources import (
    HEADER,
    currencies_module,
    operations_module,
    prepared,
    problems_module,
    synchronous,
)

ROOT = Path(__file__).resolve().parent.parent
SDK = ROOT / "sdks" / "python"
PACKAGE = SDK / "src" / "wallet_sdk"
LOCK = ROOT / "requirements-sdk.lock"
DOCUMENT = ROOT / "openapi.json"
GENERATOR = SDK / "build" / "generator"
MARKER = PACKAGE / "_generated" / ".built"
PIP_OPTIONS = ("--disable-pip-version-check", "--quiet", "--no-deps", "--require-hashes")
SYNC_ONLY = ("concurrency.py",)
COMMAND_TIMEOUT_S = 600


class BuildError(Exception):
    """The SDK cannot be built; the message says what to do about it."""


def main() -> int:
    """Build what is out of date, and answer the exit status."""
    wheel = "--wheel" in sys.argv[1:]
    try:
        with only_one():
            print(build())
            if wheel:
                print(pack())
    except BuildError as error:
        print(f"build_python_sdk: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> str:
    """Bring the generated code up to date and say in a sentence what was done."""
    document = read_document()
    inputs = fingerprint(document)
    if MARKER.is_file() and MARKER.read_text() == inputs:
        return f"{PACKAGE.relative_to(ROOT)} is up to date."
    with tempfile.TemporaryDirectory() as directory:
        draft = Path(directory)
        generate(document, draft)
        (draft / "_generated" / ".built").write_text(inputs)
        count = sum(1 for _ in draft.rglob("*.py"))
        for name in ("_sync", "_generated"):
            shutil.rmtree(PACKAGE / name, ignore_errors=True)
            shutil.copytree(draft / name, PACKAGE / name)
    return f"{PACKAGE.relative_to(ROOT)}: {count} files generated."


def pack() -> str:
    """Pack the wheel into `sdks/python/dist` and return where it is."""
    target = SDK / "dist"
    shutil.rmtree(target, ignore_errors=True)
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=SDK)
    (wheel,) = target.glob("*.whl")
    return f"{wheel.relative_to(ROOT)}: {wheel.stat().st_size // 1024} KiB."


@contextmanager
def only_one() -> Iterator[None]:
    """Let a second build wait for the first one; the kernel frees the lock of a killed build."""
    directory = os.open(SDK, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def read_document() -> bytes:
    """Return the committed document of the API."""
    return DOCUMENT.read_bytes()


def fingerprint(document: bytes) -> str:
    """Return one digest over everything that the result depends on."""
    sources = [LOCK, SDK / "generator.yml", Path(__file__), Path(__file__).parent / SOURCES]
    sources += sorted(PACKAGE.glob("_async/*.py")) + sorted(SDK.glob("templates/*"))
    sources.append(SDK / "sync_concurrency.py")
    sources.append(ROOT / "src/wallet/domain/currencies.py")
    digest = hashlib.sha256(document)
    for path in sources:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


SOURCES = "python_sdk_sources.py"


def generate(document_text: bytes, draft: Path) -> None:
    """Write `_generated` and `_sync` into a directory outside of the repository.

    Outside, because the linter that formats them would leave out what git ignores.
    """
    from wallet.domain.currencies import EXPONENTS

    document = json.loads(document_text)
    environment = generator_environment()
    (draft / "openapi.json").write_text(json.dumps(prepared(document)))
    generated = draft / "_generated"
    said = run(
        [
            *(str(environment / "openapi-python-client"), "generate", "--fail-on-warning"),
            *("--meta", "none", "--path", str(draft / "openapi.json"), "--overwrite"),
            *("--output-path", str(generated), "--config", str(SDK / "generator.yml")),
            *("--custom-template-path", str(SDK / "templates")),
        ],
    )
    if "arning" in said:
        raise BuildError(said)
    for unused in ("client.py", "errors.py"):
        (generated / unused).unlink()
    (generated / "problems.py").write_text(problems_module(document))
    (generated / "currencies.py").write_text(currencies_module(EXPONENTS))
    every = operations_module(document)
    (generated / "async_operations.py").write_text(every)
    (generated / "sync_operations.py").write_text(synchronous(every))
    write_twin(draft / "_sync")
    format_all(environment, draft)


def write_twin(target: Path) -> None:
    """Write the synchronous client."""
    target.mkdir()
    for source in sorted(PACKAGE.glob("_async/*.py")):
        if source.name not in SYNC_ONLY:
            (target / source.name).write_text(synchronous(source.read_text()))
    shutil.copy(SDK / "sync_concurrency.py", target / "concurrency.py")
    (target / "__init__.py").write_text(HEADER)


def format_all(environment: Path, draft: Path) -> None:
    """Sort imports, drop unused ones, and format."""
    ruff = str(environment / "ruff")
    options = ("--isolated", "--quiet", "--line-length", "100")
    chosen = ("--select", "I,F401", "--fix", "--exit-zero")
    ours = ("--config", 'lint.isort.known-first-party=["wallet_sdk"]')
    run([ruff, "check", *options, *chosen, *ours, "--target-version", "py311", str(draft)])
    run([ruff, "format", *options, str(draft)])


def generator_environment() -> Path:
    """Return the directory of the generator's commands; it is installed if need be."""
    marker = GENERATOR / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    commands = GENERATOR / "bin"
    if marker.is_file() and marker.read_text() == wanted:
        return commands
    shutil.rmtree(GENERATOR, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(GENERATOR)])
    pip = [str(commands / "python"), "-m", "pip", "install", *PIP_OPTIONS, "-r", str(LOCK)]
    run(pip, trouble="the generator could not be installed. Is PyPI reachable?")
    marker.write_text(wanted)
    return commands


def run(command: Sequence[str], *, cwd: Path = ROOT, trouble: str = "") -> str:
    """Run a command and return what it prints; raise `BuildError` with that if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        text = (done.stderr + done.stdout).strip()[-3000:]
        raise BuildError(f"{trouble or command[0]}\n{text}")
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
