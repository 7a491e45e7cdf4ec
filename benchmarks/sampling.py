"""A sampling profiler for a server of one process: where its processor time goes, by layer.

`python -m benchmarks.sampling OUTPUT serve …` is `wallet serve …` under a timer that counts only
processor time and looks at the stack every few milliseconds: no threads, no tracing, and about one
per cent of overhead. SIGUSR1 forgets what was seen so far, and SIGUSR2 writes it to OUTPUT.
"""

import json
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

INTERVAL_S = 0.002
_SITE = ("/site-packages/", "/dist-packages/")


@dataclass(slots=True)
class Samples:
    """What was on the stack, sample by sample.

    `layers` counts the module at the top, `functions` the function at the top, `callers` the same
    with who called it, and `inclusive` each function of this project anywhere on the stack.
    """

    total: int = 0
    layers: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)
    callers: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)

    def add(self, frame: FrameType | None) -> None:
        """Count one stack."""
        if frame is None:
            return
        self.total += 1
        self.layers[layer_of(frame)] += 1
        self.functions[_name(frame)] += 1
        if frame.f_back is not None:
            self.callers[f"{_name(frame)} <- {_name(frame.f_back)}"] += 1
        seen = set()
        walked: FrameType | None = frame
        while walked is not None:
            if "/wallet/" in walked.f_code.co_filename:
                seen.add(_name(walked))
            walked = walked.f_back
        self.inclusive.update(seen)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON, most first."""
        return {
            "total": self.total,
            "layers": dict(self.layers.most_common()),
            "functions": dict(self.functions.most_common(60)),
            "callers": dict(self.callers.most_common(60)),
            "inclusive": dict(self.inclusive.most_common(80)),
        }


def layer_of(frame: FrameType) -> str:
    """Return whose code a frame is: a floor of this project, a library, or Python's own."""
    path = frame.f_code.co_filename
    if "/wallet/" in path:
        parts = path.rpartition("/wallet/")[2].split("/")
        return f"wallet.{parts[0].removesuffix('.py')}"
    for site in _SITE:
        if site in path:
            return path.partition(site)[2].split("/")[0].removesuffix(".py")
    if path.startswith("<"):
        return path
    return "python"


def _name(frame: FrameType) -> str:
    code = frame.f_code
    path = code.co_filename
    for mark in ("/wallet/", *_SITE):
        if mark in path:
            path = path.rpartition(mark)[2]
            break
    else:
        path = Path(path).name
    return f"{path}:{code.co_qualname}"


def install(output: Path) -> None:
    """Start the timer, and listen for the two signals."""
    samples = [Samples()]

    def look(_: int, frame: FrameType | None) -> None:
        samples[0].add(frame)

    def forget(_: int, __: FrameType | None) -> None:
        samples[0] = Samples()

    def tell(_: int, __: FrameType | None) -> None:
        part = output.with_suffix(".part")
        part.write_text(json.dumps(samples[0].document()))
        part.replace(output)

    signal.signal(signal.SIGPROF, look)
    signal.signal(signal.SIGUSR1, forget)
    signal.signal(signal.SIGUSR2, tell)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)


def main() -> None:
    """Run the wallet's command line under the profiler."""
    from wallet.cli import main as wallet_main

    install(Path(sys.argv[1]))
    sys.argv = ["wallet", *sys.argv[2:]]
    wallet_main()


if __name__ == "__main__":
    main()
