"""Every Prometheus metric of Umbra, declared once, summed over processes, on a port of its own.

The one door to prometheus-client. A process makes its metrics once, after any fork: `serving(directory)` in
an API process, `shadowing(directory)` in a process of the worker. Their parent calls `prepare_directory`
before it starts them, `serve` to expose them all, and `worker_exited` when one of them has ended.
"""

from monitoring.metrics.buckets import DURATION_SECONDS, PRICE_DOLLARS
from monitoring.metrics.catalogue import Declaration, declarations, names
from monitoring.metrics.declared import Children, ServingMetrics, ShadowMetrics, observe_all
from monitoring.metrics.exposition import MetricsServer, Reading, UndeclaredReading, serve
from monitoring.metrics.files import (
    SharedValues,
    owners,
    prepare_directory,
    remove_directory,
    serving,
    shadowing,
    worker_exited,
)
from monitoring.metrics.read import EVIDENCE, READINGS, ReadingDeclaration

__all__ = [
    "DURATION_SECONDS",
    "EVIDENCE",
    "PRICE_DOLLARS",
    "READINGS",
    "Children",
    "Declaration",
    "MetricsServer",
    "Reading",
    "ReadingDeclaration",
    "ServingMetrics",
    "ShadowMetrics",
    "SharedValues",
    "UndeclaredReading",
    "declarations",
    "names",
    "observe_all",
    "owners",
    "prepare_directory",
    "remove_directory",
    "serve",
    "serving",
    "shadowing",
    "worker_exited",
]
