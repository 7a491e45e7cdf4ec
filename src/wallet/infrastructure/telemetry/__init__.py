"""What the service tells of itself: lines of JSON, and numbers for Prometheus."""

from wallet.infrastructure.telemetry.latency import LatencyWindow
from wallet.infrastructure.telemetry.logs import (
    LINES_MAX,
    REDACTED,
    BufferedOutput,
    Logs,
    configure_logs,
    mask,
    redact,
)
from wallet.infrastructure.telemetry.metrics import (
    Metrics,
    forget_process,
    prepare_metrics_directory,
)

__all__ = [
    "LINES_MAX",
    "REDACTED",
    "BufferedOutput",
    "LatencyWindow",
    "Logs",
    "Metrics",
    "configure_logs",
    "forget_process",
    "mask",
    "prepare_metrics_directory",
    "redact",
]
