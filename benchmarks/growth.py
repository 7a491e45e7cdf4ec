"""`growth`: what becomes of the throughput when the books grow a thousandfold."""

import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks import pgbench_runner, results
from benchmarks.books import Plan
from benchmarks.contenders import Contender, Measured, from_answers, over_http
from benchmarks.load import Load
from benchmarks.places import BenchmarkFailed, Database, Place, Template, place, require_intact
from benchmarks.processor_time import ProcessorTime
from benchmarks.publishing import publish
from benchmarks.quick import LINE, TITLES, line
from benchmarks.searches import search_costs
from benchmarks.subjects import service_on

Rounds = dict[str, dict[int, Measured]]

CONNECTIONS = 64
SMALL = Plan(people=1_000, payers=1_000, entries=10_000, seed=3)


@dataclass(frozen=True, slots=True)
class Size:
    """Books of one size, and how a round gets at them: the small ones are copied each time."""

    title: str
    template: Template
    database: Callable[[], AbstractContextManager[Database]]


def growth(options: Namespace) -> None:
    """Load both books, measure them in turns, and verify the large ones at the end."""
    # One of them sells to everybody: a tenth of all entries is theirs, to be searched.
    large = Plan(
        people=options.people,
        payers=2_000,
        entries=options.entries,
        merchant_share=0.25,
        noted_share=0.05,
        seed=4,
    )
    with place(options.directory) as here:
        sizes = [_copied(here, SMALL), _loaded(here, large)]
        contenders = [
            contender
            for size in sizes
            for contender in (_pgf(here, size, options), _service(here, size, options))
        ]
        rounds, failures = _rounds(contenders, options.rounds)
        searches = search_costs(here, sizes[-1].template)
        if not options.unverified:
            _verify(here, sizes[-1])
    results.merge(options.json, "searches", searches)
    publish(results.merge(options.json, "growth", _content(sizes, rounds, failures)), options)
    if failures:
        raise BenchmarkFailed("; ".join(failures))


def _copied(here: Place, plan: Plan) -> Size:
    template = here.make_template("small", plan)
    return Size(_title(plan), template, lambda: here.copy_of(template))


def _loaded(here: Place, plan: Plan) -> Size:
    """Load books that are too large to be copied for each round: all rounds write to them."""
    began_s = time.monotonic()
    template = here.make_template("large", plan)
    took_s = time.monotonic() - began_s
    print(f"Loaded {plan.entries:,} entries in {took_s:.0f} s.", flush=True)
    database = here.database(template.name)
    pgbench_runner.install(database, template.books)
    return Size(_title(plan), template, lambda: nullcontext(database))


def _rounds(contenders: Sequence[Contender], count: int) -> tuple[Rounds, list[str]]:
    rounds: Rounds = {contender.name: {} for contender in contenders}
    failures = []
    print(LINE.format(*TITLES), flush=True)
    for number in range(1, count + 1):
        for contender in contenders:
            try:
                measured = contender.measure(number)
            except BenchmarkFailed as failure:
                failures.append(f"round {number}, {contender.name}: {failure}")
                print(failures[-1], flush=True)
                continue
            rounds[contender.name][number] = measured
            print(line(measured, None), flush=True)
    return rounds, failures


def _pgf(here: Place, size: Size, options: Namespace) -> Contender:
    name = f"PGF {size.template.name}"
    books = size.template.books

    def measure(seed: int) -> Measured:
        with size.database() as database:
            if database.name != size.template.name:
                pgbench_runner.install(database, books)
            here.administer("CHECKPOINT")
            # The larger books are new to the cache: they get a longer warm-up, like the service's.
            warm = pgbench_runner.Run("pgf", max(1, round(options.warm_up)), seed + 1000)
            pgbench_runner.run(database, books, warm)
            before = ProcessorTime.now(None, here.postmaster_pid)
            asked = pgbench_runner.Run("pgf", options.seconds, seed)
            answers = pgbench_runner.run(database, books, asked)
            used = ProcessorTime.now(None, here.postmaster_pid).since(before)
        return from_answers(name, answers, used)

    return Contender(name, measure)


def _service(here: Place, size: Size, options: Namespace) -> Contender:
    load = Load("transfers", options.seconds, CONNECTIONS)
    return over_http(
        f"service {size.template.name}",
        here,
        service_on(here, size.template.books, size.database),
        load,
        workers=options.workers,
        warm_up_s=options.warm_up,
    )


def _verify(here: Place, size: Size) -> None:
    began_s = time.monotonic()
    entries = require_intact(here.database(size.template.name))
    took_s = time.monotonic() - began_s
    print(f"Verified {entries:,} entries in {took_s:.0f} s: intact.", flush=True)


def _content(sizes: list[Size], rounds: Rounds, failures: list[str]) -> dict[str, Any]:
    found = [
        {
            "title": size.title,
            "service": results.summary(rounds[f"service {size.template.name}"], {}),
            "pgf": results.summary(rounds[f"PGF {size.template.name}"], {}),
        }
        for size in sizes
        if rounds[f"service {size.template.name}"] and rounds[f"PGF {size.template.name}"]
    ]
    small, large = rounds["service small"], rounds["service large"]
    # Within a round, so that both come from the same minutes.
    ratios = [large[n].per_second / small[n].per_second for n in small.keys() & large.keys()]
    ratio = {"ratio": round(statistics.median(ratios), 3)} if ratios else {}
    return {"sizes": found, "failures": failures, **ratio}


def _title(plan: Plan) -> str:
    return f"{plan.entries:,} entries, {plan.people:,} accounts"
