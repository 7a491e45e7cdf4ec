"""Metrics: numbers of this process, summed over all workers."""

import os
import shutil
from bisect import bisect_left
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any


def prepare_metrics_directory(directory: Path) -> None:
    """Make the workers sum their metrics in this directory; the parent calls it before they start.

    What workers of an earlier run left there is thrown away.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def forget_process(process_id: int) -> None:
    """Take a dead worker's gauges out of the sum; the parent calls it."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(process_id)  # type: ignore[no-untyped-call]


SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class _Tally:
    """Requests of one kind that are counted and not handed on yet."""

    __slots__ = ("count", "counter", "histogram", "in_bucket", "seconds")

    def __init__(self, counter: Any, histogram: Any) -> None:
        self.counter = counter
        self.histogram = histogram
        self._empty()

    def flush(self) -> None:
        """Hand it on. The library's histogram has no public way to take more than one value."""
        if not self.count:
            return
        self.counter.inc(self.count)
        self.histogram._sum.inc(self.seconds)  # noqa: SLF001
        for bucket, count in zip(self.histogram._buckets, self.in_bucket, strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)
        self._empty()

    def _empty(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.in_bucket = [0] * (len(SECONDS_BUCKETS) + 1)


class Metrics:
    """The numbers of this process; the composition root hands its methods to those who count.

    With PROMETHEUS_MULTIPROC_DIR set, they live in files and `render` sums all workers.
    """

    def __init__(self) -> None:
        # prometheus_client decides at its import whether it sums over processes, so it must not be
        # imported before the parent process has set the directory.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        common: dict[str, Any] = {"namespace": "wallet", "registry": self.registry}
        gauge: dict[str, Any] = {**common, "multiprocess_mode": "livesum"}
        route = ("method", "route", "status")
        self.requests = Counter("http_requests", "HTTP requests.", route, **common)
        self.durations = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=SECONDS_BUCKETS,
            **common,
        )
        self.instructions = Counter(
            "instructions", "Instructions carried out.", ("kind", "outcome"), **common
        )
        self.batches = Histogram(
            "batch_size", "Instructions per ledger transaction.", buckets=BATCH_BUCKETS, **common
        )
        self.queue = Gauge("queue_depth", "Instructions that wait for a batch.", **gauge)
        self.connections = Gauge(
            "database_connections", "Connections of the pool.", ("state",), **gauge
        )
        self.streams = Gauge("live_streams", "Live streams that are open.", **gauge)
        self.webhooks = Counter(
            "webhook_deliveries", "Requests to webhook endpoints.", ("outcome",), **common
        )
        self.webhook_durations = Histogram(
            "webhook_delivery_duration_seconds",
            "How long webhook endpoints took to answer.",
            buckets=SECONDS_BUCKETS,
            **common,
        )
        self.webhook_runs = Gauge(
            "webhook_endpoints_busy", "Webhook endpoints that are being sent to.", **gauge
        )
        self.safe_mode_on = Gauge(
            "safe_mode",
            "1 while no money moves because the books are in doubt.",
            namespace="wallet",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.refusals = Counter(
            "guard_refusals", "Requests refused by a guard.", ("guard",), **common
        )
        self.tallies: MutableMapping[tuple[str, str, int], _Tally] = {}

    def safe_mode(self, on: bool) -> None:
        """Say whether the service is in safe mode."""
        self.safe_mode_on.set(on)

    def request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one HTTP request; `route` is a template, `status` is kept as its class.

        It is added to a tally, which costs a tenth of what counting in shared files does; `flush`
        hands the tallies on.
        """
        key = (method, route, status // 100)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = _Tally(
                self.requests.labels(method, route, f"{status // 100}xx"),
                self.durations.labels(method, route),
            )
        tally.count += 1
        tally.seconds += duration_s
        tally.in_bucket[bisect_left(SECONDS_BUCKETS, duration_s)] += 1

    def flush(self) -> None:
        """Hand on what `request` has counted; call it every second, and once at the end."""
        for tally in self.tallies.values():
            tally.flush()

    def instruction(self, kind: str, outcome: str, count: int = 1) -> None:
        """Count instructions of a kind by outcome: accepted, or the code of the refusal."""
        self.instructions.labels(kind, outcome).inc(count)

    def batch(self, size: int) -> None:
        """Note how many instructions shared one ledger transaction."""
        self.batches.observe(size)

    def queue_depth(self, depth: int) -> None:
        """Set how many instructions of this process wait for a batch."""
        self.queue.set(depth)

    def pool(self, busy: int, idle: int) -> None:
        """Set how many of this process's database connections are in use and idle."""
        self.connections.labels("busy").set(busy)
        self.connections.labels("idle").set(idle)

    def live_streams(self, count: int) -> None:
        """Set how many live streams of this process are open."""
        self.streams.set(count)

    def webhook(self, outcome: str, duration_s: float) -> None:
        """Count one request to a webhook endpoint: its class of status, or a word for a failure."""
        self.webhooks.labels(outcome).inc()
        self.webhook_durations.observe(duration_s)

    def webhook_endpoints_busy(self, count: int) -> None:
        """Set how many endpoints this process is sending to."""
        self.webhook_runs.set(count)

    def guard_refused(self, guard: str) -> None:
        """Count one refusal of a guard or of the throughput limit."""
        self.refusals.labels(guard).inc()

    def render(self) -> tuple[bytes, str]:
        """Return (text, content type) for Prometheus, summed over all workers if there are any."""
        self.flush()
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
