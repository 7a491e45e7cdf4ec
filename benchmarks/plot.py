"""The plot of docs/performance.md, as SVG text: horizontal bars, each labelled where it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.reach import best

WIDTH = 760
LABELS = 250
BARS = 330
ROW = 26
BAR = 16
GROUP_GAP = 34
TOP = 64

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note, .group { fill: #59636e; }
.group { font-weight: 600; }
.ours { fill: #1a7f64; }
.theirs { fill: #9aa4ae; }
.back { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note, .group { fill: #9198a1; }
  .ours { fill: #3fb58f; }
  .theirs { fill: #656d76; }
  .back { fill: #0d1117; }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One contender: its words, its rate and whether it is this project's."""

    label: str
    per_second: float
    ratio: float | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that are compared with each other."""

    title: str
    bars: Sequence[Bar]


# (words, keys of which the fastest counts, whether it is ours)
_GROUPS = (
    (
        "Between random people",
        (
            ("PostgreSQL itself (PGF)", ("pgf",), False),
            ("Wallet, one transfer a request", ("service_1w_64c", "service_2w_64c"), True),
            ("Wallet, 1,000 transfers a request", ("batches_1w", "batches_2w"), True),
            ("pgbench, 8 statements, lean tables", ("naive",), False),
            ("Ordinary FastAPI service", ("ordinary_1w_64c", "ordinary_2w_64c"), False),
        ),
    ),
    (
        "Everybody pays one merchant",
        (
            ("PostgreSQL itself (PGF)", ("pgf_hot",), False),
            (
                "Wallet, one transfer a request",
                ("service_hot_1w_64c", "service_hot_2w_64c"),
                True,
            ),
            ("pgbench, 8 statements, lean tables", ("naive_hot",), False),
            (
                "Ordinary FastAPI service",
                ("ordinary_hot_1w_64c", "ordinary_hot_2w_64c"),
                False,
            ),
        ),
    ),
)


def groups_of(document: Mapping[str, Any]) -> list[Group]:
    """Return the bars that the results have figures for."""
    measured = document["run"]["contenders"]
    groups = []
    for title, rows in _GROUPS:
        bars = []
        for label, keys, ours in rows:
            present = [key for key in keys if key in measured]
            if present:
                found = best(document, *present)
                bars.append(Bar(label, found["per_second"], found["ratio"], ours))
        groups.append(Group(title, bars))
    return [group for group in groups if group.bars]


def svg(document: Mapping[str, Any]) -> str:
    """Return the plot."""
    groups = groups_of(document)
    largest = max(bar.per_second for group in groups for bar in group.bars)
    parts: list[str] = []
    y = TOP
    for group in groups:
        parts.append(f'<text class="group" x="16" y="{y + 12}">{escape(group.title)}</text>')
        y += ROW
        for bar in group.bars:
            parts.append(_bar(bar, y, largest))
            y += ROW
        y += GROUP_GAP - ROW
    cores = document["machine"]["cores"]
    note = f"{cores} cores shared by client, service and PostgreSQL; each durable before its answer"
    height = y + 4
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
            f' width="{WIDTH}" height="{height}" aria-labelledby="title note">',
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}"/>',
            '<text id="title" class="title" x="16" y="26">Transfers per second</text>',
            f'<text id="note" class="note" x="16" y="46">{escape(note)}</text>',
            *parts,
            "</svg>",
            "",
        )
    )


def _bar(bar: Bar, y: int, largest: float) -> str:
    width = max(2, round(BARS * bar.per_second / largest))
    value = f"{bar.per_second:,.0f}"
    if bar.ratio is not None and bar.ratio != 1:
        value += f" · {bar.ratio:.2f} \N{MULTIPLICATION SIGN} PGF"
    kind = "ours" if bar.ours else "theirs"
    return (
        f'<text x="{LABELS}" y="{y + 13}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect class="{kind}" x="{LABELS + 10}" y="{y}" width="{width}" height="{BAR}" rx="2"/>'
        f'<text x="{LABELS + 18 + width}" y="{y + 13}">{escape(value)}</text>'
    )
