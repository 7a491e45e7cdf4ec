"""`run`: everybody in interleaved rounds, with medians, a table, a JSON file and a plot."""

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.books import Plan
from benchmarks.catalogue import Entrant, Field
from benchmarks.contenders import Measured
from benchmarks.pages import page_costs
from benchmarks.places import BenchmarkFailed, place
from benchmarks.probe import probe
from benchmarks.publishing import publish
from benchmarks.quick import LINE, TITLES, line

READS = Plan(entries=1_000_000, merchant_share=0.2, seed=2)

Rounds = dict[str, dict[int, Measured]]


def run(options: Namespace) -> None:
    """Measure everybody; raise `BenchmarkFailed` at the end if anybody failed."""
    ends_s = time.monotonic() + options.minutes * 60
    with place(options.directory) as here:
        field = Field(
            here,
            transfers=here.make_template("template_of_transfers", Plan()),
            reads=here.make_template("template_of_reads", READS),
            seconds=options.seconds,
            warm_up_s=options.warm_up,
        )
        entrants = [e for e in field.entrants() if not options.only or e.key in options.only]
        pages = [] if options.only else page_costs(here, field.reads)
        race = Race(entrants, here.directory)
        race.run(options.rounds, ends_s)
    content = {
        "seconds": options.seconds,
        "warm_up_s": options.warm_up,
        "failures": race.failures,
        "probes": race.probes,
        "contenders": {e.key: _summary(e, race.rounds) for e in entrants if race.rounds[e.key]},
        "pages": pages,
    }
    publish(results.merge(options.json, "run", content), options)
    if race.failures:
        raise BenchmarkFailed("; ".join(race.failures))


class Race:
    """Rounds in which everybody runs once; a failure costs a round and is told, not hidden."""

    def __init__(self, entrants: Sequence[Entrant], directory: Path) -> None:
        self._entrants = entrants
        self._directory = directory
        self.rounds: Rounds = {entrant.key: {} for entrant in entrants}
        self.failures: list[str] = []
        self.probes: list[dict[str, Any]] = []

    def run(self, count: int, ends_s: float) -> None:
        """Run the rounds; none is begun that would end too late if it took as long as the last."""
        print(LINE.format(*TITLES), flush=True)
        took_s = 0.0
        for number in range(1, count + 1):
            began_s = time.monotonic()
            if began_s + took_s > ends_s:
                self.failures.append(f"There was no time for round {number}.")
                return
            self.probes.append(probe(self._directory))
            for entrant in self._entrants:
                self._measure(entrant, number)
            took_s = time.monotonic() - began_s

    def _measure(self, entrant: Entrant, number: int) -> None:
        try:
            measured = entrant.contender.measure(number)
        except BenchmarkFailed as failure:
            self.failures.append(f"round {number}, {entrant.key}: {failure}")
            print(self.failures[-1], flush=True)
            return
        self.rounds[entrant.key][number] = measured
        print(line(measured, _reference(entrant, self.rounds).get(number)), flush=True)


def _reference(entrant: Entrant, rounds: Rounds) -> dict[int, float]:
    if entrant.reference is None:
        return {}
    found = rounds.get(entrant.reference, {})
    return {number: measured.per_second for number, measured in found.items()}


def _summary(entrant: Entrant, rounds: Rounds) -> dict[str, Any]:
    found = results.summary(rounds[entrant.key], _reference(entrant, rounds))
    return {"title": entrant.title, "reference": entrant.reference, **found}
