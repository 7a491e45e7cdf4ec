"""`quick`: one interleaved pass over what matters most, for whoever is changing the code."""

from argparse import Namespace

from benchmarks.books import Plan
from benchmarks.contenders import Contender, Measured, http_transfers, pgbench
from benchmarks.places import BenchmarkFailed, Place, Template, place

LINE = "{:<30}{:>9}{:>8}{:>9}{:>9}{:>9}{:>11}{:>8}{:>8}"
TITLES = (
    *("contender", "per s", "x PGF", "p50 ms", "p90 ms", "p99 ms"),
    *("server us", "PG us", "client"),
)


def quick(options: Namespace) -> None:
    """Print one line for each contender as soon as it has been measured."""
    with place(options.directory) as here:
        template = here.make_template("template_of_rounds", Plan())
        print(LINE.format(*TITLES), flush=True)
        for number in range(1, options.rounds + 1):
            references: dict[bool, float] = {}
            for hot, contender in _contenders(here, template, options):
                try:
                    result = contender.measure(number)
                except BenchmarkFailed as failure:
                    print(f"{contender.name}: {failure}", flush=True)
                    continue
                reference = references.setdefault(hot, result.per_second)
                print(line(result, reference), flush=True)


def line(result: Measured, reference: float | None) -> str:
    """Return a round's figures as a line of the table; processor time is per unit."""
    answers = result.answers
    return LINE.format(
        result.contender,
        f"{result.per_second:.0f}",
        f"{result.per_second / reference:.2f}" if reference else "",
        *(f"{us / 1000:.2f}" for us in (answers.p50_us, answers.p90_us, answers.p99_us)),
        f"{result.server_us:.0f}",
        f"{result.postgres_us:.0f}",
        f"{result.client_us:.0f}",
    )


def _contenders(
    here: Place, template: Template, options: Namespace
) -> list[tuple[bool, Contender]]:
    found = []
    for hot in (False, True):
        script = "pgf_hot" if hot else "pgf"
        reference = pgbench(here, template, script, seconds=options.seconds, audited=True)
        found.append((hot, reference))
        for workers in options.workers:
            contender = http_transfers(
                here,
                template,
                workers=workers,
                connections=options.connections,
                seconds=options.seconds,
                hot=hot,
                warm_up_s=options.warm_up,
            )
            found.append((hot, contender))
    return found
