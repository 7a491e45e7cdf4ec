"""The service in one process of its own, with a funding source that keeps a journal, and a death.

Run as `python -m tests.nemesis.crashing_service PORT DIRECTORY DATABASE_URL POINT`. With the file
`armed` in the directory, the process kills itself with SIGKILL at the named point of a top-up.
"""

import os
import signal
import sys
from pathlib import Path

import uvicorn
from tests.conftest import settings_of

import wallet.application.top_ups
import wallet.bootstrap.ground
import wallet.bootstrap.money
import wallet.bootstrap.parts
from wallet.bootstrap.worker import build_application
from wallet.domain.funding import Funding, GatewayAnswer, Verdict
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.telemetry import configure_logs

POINTS = (
    "before the request is committed",
    "after the request is committed",
    "before the source is charged",
    "after the source is charged",
    "before the settlement is committed",
    "after the settlement is committed",
)


class Killer:
    """Kills this process when its point is reached and it is armed."""

    def __init__(self, directory: Path, point: str) -> None:
        self._armed = directory / "armed"
        self._point = point
        self.is_charged = False

    def at(self, point: str) -> None:
        if point == self._point and self._armed.exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def around_commit(self, moment: str) -> None:
        step = "settlement" if self.is_charged else "request"
        self.at(f"{moment} the {step} is committed")


class JournallingGateway:
    """Charges by writing a line, durably; the same funding as often as it is asked."""

    name = "journal"

    def __init__(self, directory: Path, killer: Killer) -> None:
        self._journal = directory / "charges"
        self._killer = killer

    async def charge(self, funding: Funding) -> GatewayAnswer:
        self._killer.at("before the source is charged")
        with self._journal.open("a") as journal:
            journal.write(f"{funding.id} {funding.amount}\n")
            journal.flush()
            os.fsync(journal.fileno())
        self._killer.at("after the source is charged")
        self._killer.is_charged = True
        return GatewayAnswer(Verdict.APPROVED)


class _MortalUnitOfWork(PostgresUnitOfWork):
    """Dies around a commit."""

    killer: Killer

    async def commit(self) -> None:
        self.killer.around_commit("before")
        await super().commit()
        self.killer.around_commit("after")


def main() -> None:
    port, directory, url, point = sys.argv[1:]
    killer = Killer(Path(directory), point)
    _MortalUnitOfWork.killer = killer
    # Nobody waits ten seconds in a test for what the service does after ten seconds.
    wallet.application.top_ups.RESUME_AFTER_S = 0.5
    wallet.bootstrap.parts.RESUME_EVERY_S = 0.2
    for room in (wallet.bootstrap.ground, wallet.bootstrap.money):
        setattr(room, PostgresUnitOfWork.__name__, _MortalUnitOfWork)
    app = build_application(
        settings_of(),
        database_url=url,
        directory=Path(directory),
        logs=configure_logs(),
        gateway=JournallingGateway(Path(directory), killer),
    )
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
