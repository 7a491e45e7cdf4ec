"""How fast requests were answered lately, from the metrics' own buckets."""

from datetime import UTC, datetime, timedelta

import pytest

from wallet.infrastructure.telemetry import LatencyWindow, Metrics
from wallet.infrastructure.telemetry.latency import quantile_ms

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[LatencyWindow, Metrics, Clock]:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metrics, clock = Metrics(), Clock()
    return LatencyWindow(metrics, clock), metrics, clock


def test_without_a_request_there_is_nothing_to_tell(
    told: tuple[LatencyWindow, Metrics, Clock],
) -> None:
    found = told[0].read()
    assert (found.requests, found.p50_ms, found.p99_ms, found.error_share) == (0, None, None, 0.0)


def test_half_and_nearly_all_of_the_requests_were_faster_than_what_is_told(
    told: tuple[LatencyWindow, Metrics, Clock],
) -> None:
    window, metrics, _ = told
    for _ in range(98):
        metrics.request("GET", "/wallets", 200, 0.004)
    for _ in range(2):
        metrics.request("POST", "/wallets/transfer", 503, 0.7)
    found = window.read()
    assert (found.since, found.requests, found.error_share) == (NOON, 100, 0.02)
    # 50 of the 98 between 2.5 and 5 ms; one of the 2 between 500 and 1,000 ms.
    assert found.p50_ms == pytest.approx(2.5 + 2.5 * 50 / 98, abs=0.01)
    assert found.p99_ms == 750.0


def test_only_the_last_minutes_count(told: tuple[LatencyWindow, Metrics, Clock]) -> None:
    window, metrics, clock = told
    metrics.request("GET", "/wallets", 500, 3.0)
    assert window.read().error_share == 1.0
    clock.tick(60)
    metrics.request("GET", "/wallets", 200, 0.004)
    lately = window.read()
    assert (lately.since, lately.requests, lately.error_share) == (NOON, 1, 0.0)
    clock.tick(10_000)
    metrics.request("GET", "/wallets", 200, 0.004)
    # Nobody has looked for hours: everything since the service began is told, and says so.
    assert (window.read().since, window.read().requests) != (NOON, 1)


def test_streams_and_probes_are_left_out(told: tuple[LatencyWindow, Metrics, Clock]) -> None:
    window, metrics, _ = told
    for route in ("/live/events", "/health/ready", "/metrics"):
        metrics.request("GET", route, 200, 3_600.0)
    assert window.read().requests == 0


def test_what_takes_longer_than_the_last_bucket_is_told_as_its_edge() -> None:
    counts = [0] * 12 + [5]
    assert quantile_ms(counts, 0.5) == 5_000.0


def test_a_counter_that_begins_anew_counts_whole(
    told: tuple[LatencyWindow, Metrics, Clock],
) -> None:
    window, metrics, clock = told
    for _ in range(5):
        metrics.request("GET", "/wallets", 200, 0.004)
    window.read()
    clock.tick(20)
    window._metrics = fresh = Metrics()
    fresh.request("GET", "/wallets", 200, 0.004)
    assert window.read().requests == 1
