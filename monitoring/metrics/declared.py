"""The declarations: one per metric, with its unit in the name, bounded labels and its own buckets.

ServingMetrics has the metrics of an API process, ShadowMetrics those of a process of the worker. Readings
(sizes, ages, lags), computed at each scrape, are declared in monitoring.metrics.read.
"""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitoring.metrics.buckets import (
    BATCH_SECONDS,
    DIFFERENCE_RATIO,
    DURATION_SECONDS,
    MODEL_SECONDS,
    PRICE_DOLLARS,
    ROWS,
)

Child = TypeVar("Child", Counter, Gauge, Histogram)


class Children(dict[tuple[str, ...], Child], Generic[Child]):
    """The children of one metric by their label values; asks the library for each only once."""

    def __init__(self, metric: Child) -> None:
        super().__init__()
        self.metric: Child = metric

    def __missing__(self, values: tuple[str, ...]) -> Child:
        child: Child = self.metric.labels(*values)
        self[values] = child
        return child


def observe_all(histogram: Histogram, amounts: Sequence[float]) -> None:
    """Observe many finite amounts with one step per bucket they fall in, instead of two per amount.

    The library has no such call; a test holds the figures against those of `observe`.
    """
    if len(amounts) == 1:  # the common request
        histogram.observe(amounts[0])
        return
    counts_by_bucket = collections.Counter(bisect_left(histogram._upper_bounds, amount) for amount in amounts)
    histogram._sum.inc(sum(amounts))
    for bucket, count in counts_by_bucket.items():
        histogram._buckets[bucket].inc(count)


class _PredictionMetrics:
    """Metrics of both roles, so that distributions of live and candidates can be compared."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.predictions = Children(
            Counter(
                "umbra_predictions_total",
                "Houses priced, by role (live or candidate) and model.",
                ["role", "model"],
                registry=registry,
            )
        )
        self.price_dollars = Children(
            Histogram(
                "umbra_prediction_price_dollars",
                "Predicted prices in US dollars, by role.",
                ["role"],
                registry=registry,
                buckets=PRICE_DOLLARS,
            )
        )
        self.prediction_seconds = Children(
            Histogram(
                "umbra_prediction_duration_seconds",
                "Time of the model alone for one call (one request, or one batch of a candidate), by role.",
                ["role"],
                registry=registry,
                buckets=MODEL_SECONDS,
            )
        )
        self.build = Children(
            Gauge(
                "umbra_build_info",
                "Always 1; the label names the running version of Umbra.",
                ["version"],
                registry=registry,
                multiprocess_mode="livemax",
            )
        )
        self.log_lines_dropped = Counter(
            "umbra_log_lines_dropped_total",
            "Log lines dropped because their sink was full, hung or broken.",
            registry=registry,
        )


class ServingMetrics(_PredictionMetrics):
    """The metrics of an API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.requests = Children(
            Counter(
                "umbra_requests_total",
                "HTTP requests answered, by method, route and status.",
                ["method", "route", "status"],
                registry=registry,
            )
        )
        self.request_seconds = Children(
            Histogram(
                "umbra_request_duration_seconds",
                "Time from the parsed request to the finished answer, by route.",
                ["route"],
                registry=registry,
                buckets=DURATION_SECONDS,
            )
        )
        self.requests_in_flight = Gauge(
            "umbra_requests_in_flight",
            "HTTP requests being answered now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.request_rows = Histogram(
            "umbra_request_rows", "Houses in one accepted request.", registry=registry, buckets=ROWS
        )
        self.refused = Children(
            Counter(
                "umbra_requests_refused_total",
                "Requests refused, by the kind of problem named in the answer.",
                ["problem"],
                registry=registry,
            )
        )
        self.captures_written = Counter(
            "umbra_captures_written_total", "Answered houses written to the journal.", registry=registry
        )
        self.captures_late = Counter(
            "umbra_captures_late_total",
            "Answered houses whose write was still under way when the answer left; the journal counts them.",
            registry=registry,
        )
        self.captures_repeated = Counter(
            "umbra_captures_repeated_total",
            "Rows answered again under the key of a request that was captured or counted as dropped before.",
            registry=registry,
        )
        self.captures_dropped = Children(
            Counter(
                "umbra_captures_dropped_total",
                "Answered houses the journal could not take: bound reached (full), write failed (disk), "
                "write too slow (stalled), process stopping (closed).",
                ["reason"],
                registry=registry,
            )
        )
        self.live_model = Children(
            Gauge(
                "umbra_live_model_info",
                "API processes that answer with this model.",
                ["model"],
                registry=registry,
                multiprocess_mode="livesum",
            )
        )
        self.switch_failures = Counter(
            "umbra_switch_failures_total",
            "Times an API process could not load the deployed model, and went on with the one it had.",
            registry=registry,
        )


class ShadowMetrics(_PredictionMetrics):
    """The metrics of a process of the worker: ingest, one candidate, or the supervisor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.captures_stored = Counter(
            "umbra_ingest_captures_stored_total",
            "Captures moved from the journal into the store.",
            registry=registry,
        )
        self.ingest_batches = Counter(
            "umbra_ingest_batches_total",
            "Transactions that moved captures into the store.",
            registry=registry,
        )
        self.ingest_seconds = Histogram(
            "umbra_ingest_batch_duration_seconds",
            "Time to read, decode and store one batch of captures.",
            registry=registry,
            buckets=BATCH_SECONDS,
        )
        self.journal_damaged = Counter(
            "umbra_journal_damaged_entries_total",
            "Journal entries that could not be read and were set aside.",
            registry=registry,
        )
        self.observations = Children(
            Counter(
                "umbra_candidate_observations_total",
                "Captures a candidate is done with, by state (scored or failed).",
                ["candidate", "state"],
                registry=registry,
            )
        )
        self.failures = Children(
            Counter(
                "umbra_candidate_failures_total",
                "Captures a candidate failed on, by reason.",
                ["candidate", "reason"],
                registry=registry,
            )
        )
        self.candidate_seconds = Children(
            Histogram(
                "umbra_candidate_batch_duration_seconds",
                "Time for a candidate to read, score and store one batch.",
                ["candidate"],
                registry=registry,
                buckets=BATCH_SECONDS,
            )
        )
        self.breaker_open = Children(
            Gauge(
                "umbra_candidate_breaker_open",
                "1 while a candidate is held back after repeated failures, else 0.",
                ["candidate"],
                registry=registry,
                multiprocess_mode="livemostrecent",
            )
        )
        self.difference_ratio = Children(
            Histogram(
                "umbra_candidate_difference_ratio",
                "Distance of a candidate's price from the live one: candidate / live - 1, one per house.",
                ["candidate"],
                registry=registry,
                buckets=DIFFERENCE_RATIO,
            )
        )
        self.restarts = Children(
            Counter(
                "umbra_candidate_restarts_total",
                "Times a candidate's process was started again after it ended.",
                ["candidate"],
                registry=registry,
            )
        )
