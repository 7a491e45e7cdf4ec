"""One round of one contender: a fresh copy of the books, a warm-up, the load, the audit."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks import pgbench_runner
from benchmarks.load import Answers, Load, send, warm_up
from benchmarks.places import Place, Template, require_intact
from benchmarks.processor_time import ProcessorTime
from benchmarks.subjects import Session, Subject, real_service

SEED_OF_WARM_UP = 1000
WARMING_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: what came back, and the processor time of each unit, in microseconds.

    A unit is a transfer or a read; a request of the batch endpoint has a thousand of them.
    """

    contender: str
    answers: Answers
    server_us: float
    postgres_us: float
    client_us: float
    units_per_request: int = 1

    @property
    def per_second(self) -> float:
        """Units a second."""
        return self.answers.per_second * self.units_per_request


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who is measured; `measure` takes the number of the round, which is its seed."""

    name: str
    measure: Callable[[int], Measured]

    def __call__(self, number: int) -> Measured:
        """Measure a round."""
        return self.measure(number)


def pgbench(
    place: Place, template: Template, script: str, *, seconds: int, audited: bool = False
) -> Contender:
    """Return a script of pgbench; `audited` if it writes the service's own tables."""
    books = template.books

    def measure(seed: int) -> Measured:
        with place.copy_of(template) as database:
            pgbench_runner.install(database, books)
            place.administer("CHECKPOINT")
            asked = pgbench_runner.Run(script, seconds, seed)
            warm = replace(asked, seconds=1, seed=seed + SEED_OF_WARM_UP)
            pgbench_runner.run(database, books, warm)
            before = ProcessorTime.now(None, place.postmaster_pid)
            answers = pgbench_runner.run(database, books, asked)
            used = ProcessorTime.now(None, place.postmaster_pid).since(before)
            if audited:
                require_intact(database)
        return from_answers(name, answers, used)

    name = f"pgbench {script}"
    return Contender(name, measure)


def over_http(
    name: str,
    place: Place,
    subject: Subject,
    load: Load,
    *,
    workers: int = 1,
    warm_up_s: float = 1.0,
    units: int = 1,
) -> Contender:
    """Return a server under a load; each of its requests has that many units."""

    def measure(seed: int) -> Measured:
        asked = replace(load, seed=seed)
        with subject(workers) as session:
            warmed = warm_up(session.server, session.payers, _warming(asked, warm_up_s, units))
            answers, used = under_load(place, session, asked)
            session.transfers = (warmed.requests - warmed.refused + answers.requests) * units
        return from_answers(name, answers, used, units)

    return Contender(name, measure)


def _warming(load: Load, seconds: float, units: int) -> Load:
    """Return the load of the warm-up; one connection alone would take minutes to fill caches."""
    connections = load.connections if units > 1 else max(load.connections, WARMING_CONNECTIONS)
    return replace(load, seconds=seconds, connections=connections)


def http_transfers(
    place: Place,
    template: Template,
    *,
    workers: int,
    connections: int,
    seconds: float,
    hot: bool = False,
    warm_up_s: float = 1.0,
) -> Contender:
    """Return the real service, one transfer a request."""
    return over_http(
        f"service {'hot' if hot else 'uniform'} {workers}w {connections}c",
        place,
        real_service(place, template),
        Load("transfers", seconds, connections, hot=hot),
        workers=workers,
        warm_up_s=warm_up_s,
    )


def under_load(place: Place, session: Session, load: Load) -> tuple[Answers, ProcessorTime]:
    """Send a load to a server that runs; return its answers and the processor time it took."""
    before = ProcessorTime.now(session.server.pid, place.postmaster_pid)
    answers = send(session.server, session.payers, load)
    used = ProcessorTime.now(session.server.pid, place.postmaster_pid).since(before)
    return answers, used


def from_answers(name: str, answers: Answers, used: ProcessorTime, units: int = 1) -> Measured:
    """Put the figures of a round together."""
    each = 1e6 / (answers.requests * units)
    return Measured(
        name,
        answers,
        server_us=used.server_s * each,
        postgres_us=used.postgres_s * each,
        client_us=answers.client_s * each,
        units_per_request=units,
    )
