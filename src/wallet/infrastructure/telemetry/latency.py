"""How fast requests were answered lately, over all workers, from the same numbers as /metrics.

Nothing runs for it: whoever asks leaves a reading behind, and the next one compares with one of the
last minutes. The first tells of everything since the service began.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wallet.domain.overview import Latency
from wallet.infrastructure.telemetry.metrics import SECONDS_BUCKETS, Metrics

WINDOW = timedelta(minutes=5)
READ_EVERY = timedelta(seconds=10)
LEFT_OUT = ("/live", "/health", "/metrics")
"""Routes whose time says nothing: streams last for hours, probes ask for nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the counters said at one moment; one count for each bucket and one beyond them."""

    at: datetime
    in_bucket: Sequence[int]
    errors: int

    def since(self, earlier: "Reading") -> "Reading":
        """Return what was added since an earlier reading; a counter that began anew counts whole.

        The counts of a worker that died stay in the sum, so they rarely go back.
        """
        added = [now - then for now, then in zip(self.in_bucket, earlier.in_bucket, strict=True)]
        if min(added) < 0:
            return self
        return Reading(self.at, added, max(0, self.errors - earlier.errors))


class LatencyWindow:
    """Tells of the last five minutes, as far as somebody has looked before."""

    def __init__(self, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._began = Reading(clock(), [0] * (len(SECONDS_BUCKETS) + 1), 0)
        self._readings: deque[Reading] = deque()

    def read(self) -> Latency:
        """Return how fast requests were answered since the oldest reading of the last minutes."""
        now = self._read()
        while self._readings and self._readings[0].at < now.at - WINDOW:
            self._readings.popleft()
        before = self._readings[0] if self._readings else self._began
        if not self._readings or now.at - self._readings[-1].at >= READ_EVERY:
            self._readings.append(now)
        added = now.since(before)
        requests = sum(added.in_bucket)
        return Latency(
            since=before.at,
            requests=requests,
            p50_ms=quantile_ms(added.in_bucket, 0.5),
            p99_ms=quantile_ms(added.in_bucket, 0.99),
            error_share=added.errors / requests if requests else 0.0,
        )

    def _read(self) -> Reading:
        in_bucket = [0] * (len(SECONDS_BUCKETS) + 1)
        errors = 0
        places = {str(edge): place for place, edge in enumerate((*SECONDS_BUCKETS, "+Inf"))}
        for name, labels, value in _samples(self._metrics):
            if labels.get("route", "").startswith(LEFT_OUT):
                continue
            if name == "wallet_http_request_duration_seconds_bucket":
                in_bucket[places[labels["le"]]] += int(value)
            elif name == "wallet_http_requests_total" and labels["status"] == "5xx":
                errors += int(value)
        # Buckets are told as sums of all smaller ones.
        single = [n - below for n, below in zip(in_bucket, [0, *in_bucket], strict=False)]
        return Reading(self._clock(), single, errors)


def quantile_ms(in_bucket: Sequence[int], share: float) -> float | None:
    """Return below how many milliseconds a share of requests was answered, or None of none.

    Inside a bucket they are taken to be spread evenly; beyond the last one, its edge is told.
    """
    wanted = sum(in_bucket) * share
    if not wanted:
        return None
    below, low = 0, 0.0
    for count, high in zip(in_bucket, SECONDS_BUCKETS, strict=False):
        if count and below + count >= wanted:
            return round(1000 * (low + (high - low) * (wanted - below) / count), 2)
        below, low = below + count, high
    return 1000 * SECONDS_BUCKETS[-1]


def _samples(metrics: Metrics) -> Iterable[tuple[str, dict[str, str], float]]:
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    metrics.flush()
    source: Any = metrics.registry
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        source = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
    for family in source.collect():
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
