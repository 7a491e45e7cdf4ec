"""The command line: `python -m benchmarks <command>`."""

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

from benchmarks.growth import growth
from benchmarks.layers import profile
from benchmarks.live import live
from benchmarks.memory import memory
from benchmarks.places import BenchmarkFailed
from benchmarks.quick import quick
from benchmarks.run import run
from benchmarks.serving import ROOT
from benchmarks.verifying import verifying


def main() -> int:
    """Run a command; return 1 if a figure would have been worthless."""
    parser = ArgumentParser(prog="python -m benchmarks", description="Measures the service.")
    parser.add_argument("--directory", type=Path, help="where the database goes; on a disk")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_quick(commands.add_parser("quick", help="one pass over what matters most"))
    _add_run(commands.add_parser("run", help="everybody, in interleaved rounds (25 minutes)"))
    _add_growth(commands.add_parser("growth", help="10^4 entries against 10^7 (20 minutes)"))
    _add_memory(commands.add_parser("memory", help="one worker over a million requests"))
    _add_live(commands.add_parser("live", help="5,000 idle sockets, then transfers on them"))
    _add_profile(commands.add_parser("profile", help="processor time by layer"))
    _add_verify(commands.add_parser("verify", help="entries per second of `wallet verify`"))
    options = parser.parse_args()
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        options.run(options)
    except BenchmarkFailed as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 1
    return 0


def _add_quick(parser: ArgumentParser) -> None:
    _add_times(parser, seconds=4, rounds=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.set_defaults(run=quick)


def _add_verify(parser: ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--entries", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.set_defaults(run=verifying)


def _add_run(parser: ArgumentParser) -> None:
    _add_times(parser, seconds=4, rounds=3, warm_up_s=3)
    _add_paths(parser)
    parser.add_argument(
        "--minutes", type=float, default=25, help="no round is begun that would end later"
    )
    parser.add_argument("--only", nargs="+", metavar="KEY", help="some contenders, by their keys")
    parser.set_defaults(run=run)


def _add_growth(parser: ArgumentParser) -> None:
    _add_times(parser, seconds=5, rounds=3, warm_up_s=5)
    _add_paths(parser)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--unverified", action="store_true", help="skip the audit at the end")
    parser.set_defaults(run=growth)


def _add_memory(parser: ArgumentParser) -> None:
    _add_paths(parser)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--step", type=int, default=50_000, help="requests between two readings")
    parser.add_argument("--unverified", action="store_true", help="skip the audit at the end")
    parser.set_defaults(run=memory)


def _add_live(parser: ArgumentParser) -> None:
    _add_paths(parser)
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=500, help="transfers a second")
    parser.add_argument("--seconds", type=float, default=15)
    parser.set_defaults(run=live)


def _add_profile(parser: ArgumentParser) -> None:
    _add_times(parser, seconds=5, rounds=1, warm_up_s=8)
    _add_paths(parser)
    parser.add_argument("--connections", type=int, default=64)
    parser.set_defaults(run=profile)


def _add_times(
    parser: ArgumentParser, *, seconds: int, rounds: int, warm_up_s: float = 1.0
) -> None:
    parser.add_argument("--seconds", type=int, default=seconds, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--warm-up", type=float, default=warm_up_s, help="seconds before each")


def _add_paths(parser: ArgumentParser) -> None:
    docs = ROOT / "docs"
    parser.add_argument("--json", type=Path, default=docs / "performance.json")
    parser.add_argument("--svg", type=Path, default=docs / "performance.svg")
    parser.add_argument(
        "--markdown",
        type=Path,
        default=docs / "performance.md",
        help="the tables go between its markers, if it has them",
    )


if __name__ == "__main__":
    sys.exit(main())
