"""Who takes part in `run`, in the order of a round."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contenders import Contender, over_http, pgbench
from benchmarks.load import Load
from benchmarks.places import Place, Template
from benchmarks.subjects import (
    Subject,
    floor,
    ordinary_service,
    real_service,
    real_service_for_reads,
)

CONNECTIONS = 64
WORKERS = (1, 2)
BATCH_SIZE = 1000
PGF, PGF_HOT = "pgf", "pgf_hot"
UNSEALED = {"WALLET_SEALING": "false", "WALLET_AUDIT_ENTRIES_PER_SECOND": "0"}


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender with its key in the results and the key of what it is compared with."""

    key: str
    title: str
    reference: str | None
    contender: Contender


@dataclass(frozen=True, slots=True)
class Field:
    """Where the race takes place, and for how long each contender runs."""

    place: Place
    transfers: Template
    reads: Template
    seconds: int
    warm_up_s: float

    def entrants(self) -> list[Entrant]:
        """Return everybody, the references right before those who are compared with them."""
        real = real_service(self.place, self.transfers)
        ordinary = ordinary_service(self.place, self.transfers)
        return [
            *self._pgbench(PGF, hot=False),
            *self._service(real),
            *self._unsealed(),
            *self._ordinary(ordinary, hot=False),
            *self._batches(real),
            *self._pgbench(PGF_HOT, hot=True),
            *self._service_hot(real),
            *self._ordinary(ordinary, hot=True),
            *self._others(),
        ]

    def _pgbench(self, reference: str, *, hot: bool) -> Iterator[Entrant]:
        end, words = ("_hot", ", hot account") if hot else ("", "")
        for script, title in (
            ("pgf", "PGF: pgbench, one call, the service's tables"),
            ("lean", "Lean PGF: one call, integers only"),
            ("naive", "pgbench, 8 statements, integers only"),
        ):
            contender = pgbench(
                self.place,
                self.transfers,
                f"{script}{end}",
                seconds=self.seconds,
                audited=script == "pgf",
            )
            yield Entrant(f"{script}{end}", f"{title}{words}", reference, contender)

    def _service(self, subject: Subject) -> Iterator[Entrant]:
        for workers in WORKERS:
            for connections in (1, 16, CONNECTIONS, 256):
                key = f"service_{workers}w_{connections}c"
                title = f"The service, {_of(workers, 'worker')}, {_of(connections, 'connection')}"
                load = Load("transfers", self.seconds, connections)
                yield self._http(key, title, PGF, subject, load, workers=workers)

    def _unsealed(self) -> Iterator[Entrant]:
        subject = real_service(self.place, self.transfers, settings=UNSEALED)
        for workers in WORKERS:
            key = f"unsealed_{workers}w_{CONNECTIONS}c"
            title = f"Without sealing and audit, {_of(workers, 'worker')}, 64 connections"
            load = Load("transfers", self.seconds, CONNECTIONS)
            yield self._http(key, title, PGF, subject, load, workers=workers)

    def _service_hot(self, subject: Subject) -> Iterator[Entrant]:
        for workers in WORKERS:
            key = f"service_hot_{workers}w_{CONNECTIONS}c"
            title = f"The service, hot account, {_of(workers, 'worker')}, 64 connections"
            load = Load("transfers", self.seconds, CONNECTIONS, hot=True)
            yield self._http(key, title, PGF_HOT, subject, load, workers=workers)

    def _ordinary(self, subject: Subject, *, hot: bool) -> Iterator[Entrant]:
        end, words = ("_hot", ", hot account") if hot else ("", "")
        reference = PGF_HOT if hot else PGF
        counts = [(1, CONNECTIONS), (2, CONNECTIONS)] + ([] if hot else [(1, 1)])
        for workers, connections in counts:
            key = f"ordinary{end}_{workers}w_{connections}c"
            title = (
                f"An ordinary FastAPI service{words}, {_of(workers, 'worker')}, "
                f"{_of(connections, 'connection')}"
            )
            load = Load("transfers", self.seconds, connections, hot=hot)
            yield self._http(key, title, reference, subject, load, workers=workers)

    def _batches(self, subject: Subject) -> Iterator[Entrant]:
        for workers in WORKERS:
            title = f"Batches of 1,000, {_of(workers, 'worker')}, 4 connections"
            load = Load("batches", self.seconds, 4)
            yield self._http(
                f"batches_{workers}w", title, PGF, subject, load, workers=workers, units=BATCH_SIZE
            )

    def _others(self) -> Iterator[Entrant]:
        load = Load("transfers", self.seconds, CONNECTIONS)
        bare = floor(self.place, self.transfers.books)
        yield self._http("floor", "The floor: bare ASGI, constant answer", None, bare, load)
        reader = real_service_for_reads(self.place, self.reads)
        for key, title, path in (
            ("balance", "Balance reads", "/wallets/my-balance"),
            ("history", "History pages of 50", "/transactions?limit=50"),
        ):
            load = Load("reads", self.seconds, CONNECTIONS, path=path)
            yield self._http(key, f"{title}, 1 worker, 10^6 entries", None, reader, load)

    def _http(
        self,
        key: str,
        title: str,
        reference: str | None,
        subject: Subject,
        load: Load,
        *,
        workers: int = 1,
        units: int = 1,
    ) -> Entrant:
        contender = over_http(
            key,
            self.place,
            subject,
            load,
            workers=workers,
            warm_up_s=self.warm_up_s,
            units=units,
        )
        return Entrant(key, title, reference, contender)


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
