"""The declarations: one per metric, with its unit in the name, its labels bounded, its edges chosen for it.

What an API process counts stands in ServingMetrics, what a process of the worker counts in ShadowMetrics,
and what is read only when somebody asks (sizes, ages, lags) in READINGS.
"""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

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

DROP_REASONS = ("full", "disk", "stalled", "closed")


class Children(dict[tuple[str, ...], Child], Generic[Child]):
    """One metric's children by their label values, each looked up in the library only once."""

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
    places = collections.Counter(bisect_left(histogram._upper_bounds, amount) for amount in amounts)
    histogram._sum.inc(sum(amounts))
    for place, count in places.items():
        histogram._buckets[place].inc(count)


class _PredictionMetrics:
    """What live and candidates share, so that their distributions can be laid over each other."""

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
    """What an API process counts."""

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
        for reason in DROP_REASONS:
            self.captures_dropped[(reason,)]


class ShadowMetrics(_PredictionMetrics):
    """What a process of the worker counts: ingest, one candidate, or the supervisor over them."""

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


@dataclass(frozen=True, slots=True)
class ReadingDeclaration:
    """A metric that is computed when it is asked for; `labels` names the label of each value."""

    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


EVIDENCE = {
    "umbra_drift_psi": ReadingDeclaration(
        "gauge", "Population stability index of a field against the reference profile.", ("field", "window")
    ),
    "umbra_drift_state": ReadingDeclaration(
        "gauge", "Drift of a field: 0 in order, 1 yellow, 2 red.", ("field",)
    ),
    "umbra_loss_ratio": ReadingDeclaration(
        "gauge", "Mean capped absolute log loss against outcomes.", ("role", "model")
    ),
    "umbra_loss_difference_ratio": ReadingDeclaration(
        "gauge", "Loss of the live model minus the candidate's: lower, mean, upper.", ("candidate", "bound")
    ),
    "umbra_verdict_state": ReadingDeclaration(
        "gauge", "1 for the state the candidate's verdict is in, 0 for all others.", ("candidate", "state")
    ),
    "umbra_outcomes_matched": ReadingDeclaration("gauge", "Answered houses whose sale price is known."),
}
"""What only outcomes can tell; shown without a value until they are there."""

READINGS = {
    "umbra_journal_bytes": ReadingDeclaration("gauge", "Bytes of journal on disk."),
    "umbra_journal_bound_bytes": ReadingDeclaration(
        "gauge", "Bytes of journal at which captures begin to be dropped."
    ),
    "umbra_journal_refused_files": ReadingDeclaration(
        "gauge", "Journal files set aside: of another version, or stored before."
    ),
    "umbra_journal_disk_free_bytes": ReadingDeclaration("gauge", "Bytes free on the journal's disk."),
    "umbra_journal_disk_size_bytes": ReadingDeclaration("gauge", "Bytes of the journal's disk."),
    "umbra_journal_oldest_entry_age_seconds": ReadingDeclaration(
        "gauge", "Age of the oldest capture that is not in the store yet; 0 when there is none."
    ),
    "umbra_candidate_lag_captures": ReadingDeclaration(
        "gauge", "Captures in the store that the candidate has not looked at yet.", ("candidate",)
    ),
    "umbra_candidate_lag_seconds": ReadingDeclaration(
        "gauge", "Age of the oldest capture that the candidate has not looked at yet.", ("candidate",)
    ),
    "umbra_candidate_sample_ratio": ReadingDeclaration(
        "gauge", "Share of captures the candidate is to score; 0 while it is paused.", ("candidate",)
    ),
    "umbra_ledger_houses": ReadingDeclaration(
        "gauge",
        "Eligible houses by the state they ended in: scored, sampled_out, failed, dropped or pending.",
        ("candidate", "state"),
    ),
    "umbra_ledger_missing_houses": ReadingDeclaration(
        "gauge",
        "Eligible houses in no state (or, negative, in more than one); 0 when the ledger balances.",
        ("candidate",),
    ),
    "umbra_deployment_timestamp_seconds": ReadingDeclaration(
        "gauge", "When the newest deployment was made, by the model it made live.", ("model",)
    ),
    "umbra_store_up": ReadingDeclaration("gauge", "1 while the worker gets answers from the store, else 0."),
    **EVIDENCE,
    "umbra_metrics_files_readable": ReadingDeclaration(
        "gauge", "1 when the files that share metrics between processes could be read, else 0."
    ),
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """A metric as people are told of it; `name` is as Prometheus stores it, without _bucket, _sum, _count."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def declarations() -> list[Declaration]:
    """Every metric there is, by name."""
    registries = [CollectorRegistry(), CollectorRegistry()]
    owners = [ServingMetrics(registries[0]), ShadowMetrics(registries[1])]
    held = [metric for owner in owners for metric in vars(owner).values()]
    counted = [_declaration(one.metric if isinstance(one, Children) else one) for one in held]
    read = [Declaration(name, one.kind, one.labels, one.help) for name, one in READINGS.items()]
    return sorted({one.name: one for one in (*counted, *read)}.values(), key=lambda one: one.name)


def _declaration(metric: Counter | Gauge | Histogram) -> Declaration:
    family = next(iter(metric.describe()))
    name = family.name + ("_total" if family.type == "counter" else "")
    return Declaration(name, family.type, tuple(metric._labelnames), family.documentation)


def names() -> Iterator[str]:
    """Every metric's name."""
    return (one.name for one in declarations())
