"""The results as people read them: tables on the screen and in the document, and the plot."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.plot import groups_of, svg
from benchmarks.reach import judged

BEGIN = "<!-- benchmark: begin (written by `make bench`) -->"
END = "<!-- benchmark: end -->"
TIMES = "\N{MULTIPLICATION SIGN}"
_MARKS = {True: "yes", False: "**no**", None: "-"}


def publish(document: dict[str, Any], options: Namespace) -> None:
    """Print the tables; write them between the markers of the document, and the plot beside it."""
    text = markdown(document)
    print(text)
    if "run" in document and groups_of(document):
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(svg(document))
    include(options.markdown, text)


def include(path: Path, text: str) -> bool:
    """Put a text between the markers of a document; return whether it has them."""
    if not path.exists():
        return False
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    return True


def markdown(document: Mapping[str, Any]) -> str:
    """Return everything that was measured as Markdown."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _machine(document["machine"])
    yield from _reached(document)
    if "run" in document:
        yield from _contenders(document["run"])
        yield from _pages(document["run"]["pages"])
    if "growth" in document:
        yield from _growth(document["growth"])
    if "searches" in document:
        yield from _searches(document["searches"])
    if "live" in document:
        yield from _live(document["live"])
    if "memory" in document:
        yield from _memory(document["memory"])


def _machine(facts: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Measured {facts['measured_at'][:10]} on {facts['cores']} cores ({facts['processor']}), "
        f"{facts['memory_gib']} GiB, {facts['kernel']}, Python {facts['python']}, PostgreSQL "
        f"{facts['postgres']}, load by {facts['client']}."
    )
    if not facts["counts"]:
        yield "**These figures do not count: the client was not wrk.**"
    yield ""


def _reached(document: Mapping[str, Any]) -> Iterator[str]:
    yield "| figure | measured | wanted | reached | stretch | reached |"
    yield "|---|---|---|---|---|---|"
    for row in judged(document):
        sign = "≥" if row["at_least"] else "≤"
        value = "-" if row["value"] is None else f"{row['value']:.2f}"
        stretch = "" if row["stretch"] is None else f"{sign} {row['stretch']:g}"
        yield (
            f"| {row['figure']} | {value} | {sign} {row['wanted']:g} | {_MARKS[row['reached']]} "
            f"| {stretch} | {_MARKS[row['stretch_reached']] if stretch else ''} |"
        )
    yield ""


def _contenders(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"| contender | per second | spread | {TIMES} PGF | p50 ms | p99 ms | our µs | PG's µs |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in run["contenders"].values():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        server = f"{row['server_us']:.0f}" if row["server_us"] else ""
        yield (
            f"| {row['title']} | {row['per_second']:,.0f} | ±{row['spread'] * 50:.0f} % | {ratio} "
            f"| {row['p50_us'] / 1000:.2f} | {row['p99_us'] / 1000:.2f} | {server} "
            f"| {row['postgres_us']:.0f} |"
        )
    yield ""
    yield from (f"Failed: {failure}" for failure in run["failures"])


def _pages(pages: list[Mapping[str, Any]]) -> Iterator[str]:
    if not pages:
        return
    yield "| page of 50 lines in a long history | ms over HTTP | ms in the database | buffers |"
    yield "|---|---|---|---|"
    for cost in pages:
        yield (
            f"| {cost['position']} | {cost['http_ms']:.2f} | {cost['database_ms']:.2f} "
            f"| {cost['buffers']:.0f} |"
        )
    yield ""


def _growth(growth: Mapping[str, Any]) -> Iterator[str]:
    yield "| books | transfers per second | PGF per second | p99 ms | PostgreSQL's µs |"
    yield "|---|---|---|---|---|"
    for size in growth["sizes"]:
        yield (
            f"| {size['title']} | {size['service']['per_second']:,.0f} "
            f"| {size['pgf']['per_second']:,.0f} | {size['service']['p99_us'] / 1000:.1f} "
            f"| {size['service']['postgres_us']:.0f} |"
        )
    yield ""


def _searches(searches: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"| page of a search among {searches['lines']:,} lines of one person, "
        f"{searches['entries']:,} entries in all | first, ms | middle | last | buffers |"
    )
    yield "|---|---|---|---|---|"
    for cost in searches["costs"]:
        yield (
            f"| {cost['search']} | {cost['first_ms']:.1f} | {cost['middle_ms']:.1f} "
            f"| {cost['last_ms']:.1f} | {cost['buffers']:,.0f} |"
        )
    yield f"| finding the version of an instant | {searches['instant_ms']:.2f} | | | |"
    yield ""


def _live(live: Mapping[str, Any]) -> Iterator[str]:
    yield f"| {live['sockets']:,} WebSockets on one worker | |"
    yield "|---|---|"
    yield f"| memory while nothing moves | {live['idle_mib']} MiB |"
    yield f"| memory a socket | {live['kib_per_socket']} KiB |"
    yield f"| processor time while nothing moves | {live['idle_cpu_percent']} % of a core |"
    yield (
        f"| statements a second while nothing moves (without any socket) "
        f"| {live['idle_queries_per_s']} ({live['queries_per_s_without_sockets']}) |"
    )
    yield (
        f"| from booking to the socket at {live['transfers_per_s']} transfers per second: "
        f"p50, p99, longest | {live['p50_ms']}, {live['p99_ms']}, {live['max_ms']} ms |"
    )
    yield ""


def _memory(memory: Mapping[str, Any]) -> Iterator[str]:
    yield "| requests answered by one worker | memory, MiB |"
    yield "|---|---|"
    for sample in memory["samples"]:
        yield f"| {sample['requests']:,} | {sample['mib']:.1f} |"
    yield ""
