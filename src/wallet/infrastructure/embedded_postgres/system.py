"""What is asked of the operating system: ports and processes, on Linux and on macOS."""

import socket
import subprocess
from pathlib import Path

_HAS_PROC = Path("/proc/self/cmdline").exists()


def is_free(port: int) -> bool:
    """Say whether somebody could listen on that port of 127.0.0.1 now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
            attempt.listen()
        except OSError:
            return False
        return True


def free_port() -> int:
    """Let the system choose a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        port: int = attempt.getsockname()[1]
        return port


def process_ids() -> list[int]:
    """List the processes of the system."""
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return [int(word) for word in _ps("-axo", "pid=").split()]


def command_line(pid: int) -> str:
    """Read the command line or title of a process; empty for none and for a zombie."""
    if _HAS_PROC:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="surrogateescape")
    return _ps("-o", "command=", "-p", str(pid)).strip()


def _ps(*arguments: str) -> str:
    # Without /proc (macOS). The path is fixed, as somebody else's ps could name any victim.
    listed = subprocess.run(  # noqa: S603 - a program of the system, no shell
        ["/bin/ps", *arguments], capture_output=True, check=False
    )
    return listed.stdout.decode(errors="surrogateescape")
