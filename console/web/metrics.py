"""Prometheus metrics of the console. Labels are route patterns, never addresses people typed."""

from __future__ import annotations

import os
import tempfile

# several workers count into files of one directory; the variable must be set before prometheus_client is imported
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="gatewright-metrics-"))

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("gatewright_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "gatewright_http_request_seconds",
    "Time to answer, seconds.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
TOKENS = Counter("gatewright_tokens_issued_total", "Access tokens issued.", ["format"])
DECISIONS = Counter("gatewright_decisions_total", "Gateway questions answered.", ["kind", "result"])
RECORDS = Counter("gatewright_log_records_total", "Log records received.", ["result"])


def exposition() -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
