"""What the project wants to reach, and whether this run did: the table of the issue, as code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Summaries = Mapping[str, Mapping[str, Any]]
Value = Callable[[Mapping[str, Any]], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of the results; `at_least` False means that less is better."""

    figure: str
    value: Value
    wanted: float
    stretch: float | None = None
    at_least: bool = True

    def judge(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the figure with what was wanted and whether it was reached; None: not measured."""
        try:
            value = self.value(document)
        except KeyError:
            value = None
        return {
            "figure": self.figure,
            "value": None if value is None else round(value, 3),
            "wanted": self.wanted,
            "stretch": self.stretch,
            "at_least": self.at_least,
            "reached": self._reached(value, self.wanted),
            "stretch_reached": self._reached(value, self.stretch),
        }

    def _reached(self, value: float | None, wanted: float | None) -> bool | None:
        if value is None or wanted is None:
            return None
        return value >= wanted if self.at_least else value <= wanted


def judged(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every target with what the results say of it."""
    return [target.judge(document) for target in TARGETS]


def best(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the fastest of some contenders: the best number of workers."""
    summaries: Summaries = document["run"]["contenders"]
    found: Mapping[str, Any] = max(
        (summaries[key] for key in keys), key=lambda summary: float(summary["per_second"])
    )
    return found


_UNIFORM = ("service_1w_64c", "service_2w_64c")
_UNSEALED = ("unsealed_1w_64c", "unsealed_2w_64c")
_HOT = ("service_hot_1w_64c", "service_hot_2w_64c")
_ORDINARY = ("ordinary_1w_64c", "ordinary_2w_64c")
_ORDINARY_HOT = ("ordinary_hot_1w_64c", "ordinary_hot_2w_64c")


def _of(key: str, figure: str) -> Value:
    return lambda document: float(document["run"]["contenders"][key][figure])


def _over(above: Value, below: Value) -> Value:
    def value(document: Mapping[str, Any]) -> float | None:
        top, bottom = above(document), below(document)
        return None if top is None or not bottom else top / bottom

    return value


def _best(figure: str, *keys: str) -> Value:
    return lambda document: float(best(document, *keys)[figure])


def _page(position: str) -> Value:
    def value(document: Mapping[str, Any]) -> float | None:
        costs = {cost["position"]: cost["http_ms"] for cost in document["run"]["pages"]}
        return float(costs[position])

    return value


def _dearest_search(document: Mapping[str, Any]) -> float | None:
    costs = document["searches"]["costs"]
    return max(
        float(cost[f"{place}_ms"]) for cost in costs for place in ("first", "middle", "last")
    )


def _part(part: str, figure: str) -> Value:
    return lambda document: float(document[part][figure])


TARGETS = (
    Target("HTTP transfers, uniform, against PGF", _best("ratio", *_UNIFORM), 0.6, 0.9),
    Target("HTTP transfers, hot account, against PGF on it", _best("ratio", *_HOT), 2, 3),
    Target(
        "against the ordinary FastAPI service, uniform",
        _over(_best("per_second", *_UNIFORM), _best("per_second", *_ORDINARY)),
        8,
        12,
    ),
    Target(
        "against the ordinary FastAPI service, hot account",
        _over(_best("per_second", *_HOT), _best("per_second", *_ORDINARY_HOT)),
        12,
        20,
    ),
    Target(
        "batch endpoint, transfers against PGF", _best("ratio", "batches_1w", "batches_2w"), 1.3, 2
    ),
    Target(
        "processor time of our process per transfer, against the floor",
        _over(_of("service_1w_64c", "server_us"), _of("floor", "server_us")),
        5,
        3.5,
        at_least=False,
    ),
    Target(
        "transfers with sealing and audit against those without (1: it costs nothing)",
        _over(_best("ratio", *_UNIFORM), _best("ratio", *_UNSEALED)),
        0.95,
    ),
    Target(
        "balance reads against transfers, one worker",
        _over(_of("balance", "per_second"), _of("service_1w_64c", "per_second")),
        2,
    ),
    Target(
        "latency at 1 connection, against a plain transaction per request",
        _over(_of("service_1w_1c", "p50_us"), _of("ordinary_1w_1c", "p50_us")),
        1.0,
        at_least=False,
    ),
    Target(
        "p99 against p50 at 64 connections",
        _over(_best("p99_us", *_UNIFORM), _best("p50_us", *_UNIFORM)),
        4,
        3,
        at_least=False,
    ),
    Target("throughput at 10^7 entries against 10^4", _part("growth", "ratio"), 0.7, 0.9),
    Target(
        "last page of a long history against its first (flat)",
        _over(_page("last"), _page("first")),
        1.25,
        at_least=False,
    ),
    Target(
        "the dearest page of a search at 10^7 entries, ms in the database",
        _dearest_search,
        20,
        at_least=False,
    ),
    Target(
        "memory of one worker with 5,000 idle sockets, MiB",
        _part("live", "idle_mib"),
        320,
        at_least=False,
    ),
    Target(
        "from booking to the socket, p99 at 500 transfers per second, ms",
        _part("live", "p99_ms"),
        50,
        at_least=False,
    ),
    Target(
        "memory of one worker after 10^6 requests, MiB",
        _part("memory", "last_mib"),
        150,
        at_least=False,
    ),
    Target(
        "memory at the end against after the first 10^5 requests (flat)",
        _part("memory", "growth"),
        1.1,
        at_least=False,
    ),
)
