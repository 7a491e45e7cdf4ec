"""The parent of the workers: how long it waits for whom."""

import itertools
import signal
from dataclasses import dataclass, field

import pytest
import uvicorn
from uvicorn.supervisors import multiprocess

from wallet.infrastructure.web_server import HEALTH_S, START_TIMEOUT_S, _AnnouncedWorkers

_pids = itertools.count(1)


@dataclass
class Worker:
    """A worker that takes so long to answer its parent."""

    needs_s: float = 0.0
    pid: int = field(default_factory=lambda: next(_pids))
    exitcode: int | None = None
    killed: bool = False

    def is_alive(self, timeout: float) -> bool:
        return self.needs_s <= timeout

    def start(self) -> None: ...

    def kill(self) -> None:
        self.killed = True

    def join(self) -> None: ...


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> _AnnouncedWorkers:
    # The signals are those of the tests' own process.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(multiprocess, "Process", lambda *_: Worker())
    config = uvicorn.Config("nowhere:app", timeout_worker_healthcheck=HEALTH_S)
    return _AnnouncedWorkers(config, [], lambda: None)


def pids(workers: _AnnouncedWorkers) -> list[int | None]:
    return [worker.pid for worker in workers.processes]


def test_a_worker_may_take_long_to_start_and_is_replaced_when_it_hangs_later(
    workers: _AnnouncedWorkers,
) -> None:
    starting, serving = Worker(needs_s=HEALTH_S + 5), Worker()
    workers.processes = [starting, serving]  # type: ignore[list-item]  # as far as is asked of them
    workers.keep_subprocess_alive()
    assert pids(workers) == [starting.pid, serving.pid]
    # It has answered by now: taking as long again means that it hangs.
    workers.keep_subprocess_alive()
    assert starting.killed
    assert pids(workers)[0] != starting.pid
    assert pids(workers)[1] == serving.pid


def test_a_worker_that_never_comes_up_is_replaced_in_the_end(workers: _AnnouncedWorkers) -> None:
    stuck = Worker(needs_s=START_TIMEOUT_S + 1)
    workers.processes = [stuck]  # type: ignore[list-item]  # as far as is asked of it
    workers.keep_subprocess_alive()
    assert stuck.killed
    assert workers.config.timeout_worker_healthcheck == HEALTH_S
