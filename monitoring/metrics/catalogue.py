"""The catalogue of metrics: name, kind, labels and help of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitoring.metrics.declared import Children, ServingMetrics, ShadowMetrics
from monitoring.metrics.read import READINGS


@dataclass(frozen=True, slots=True)
class Declaration:
    """A metric as documented; `name` is as Prometheus stores it, without _bucket, _sum, _count."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def declarations() -> list[Declaration]:
    """Return every metric, sorted by name."""
    registries = [CollectorRegistry(), CollectorRegistry()]
    owners = [ServingMetrics(registries[0]), ShadowMetrics(registries[1])]
    metrics = [metric for owner in owners for metric in vars(owner).values()]
    counted = [_declaration(metric.metric if isinstance(metric, Children) else metric) for metric in metrics]
    read = [Declaration(name, gauge.kind, gauge.labels, gauge.help) for name, gauge in READINGS.items()]
    by_name = {declaration.name: declaration for declaration in (*counted, *read)}
    return [by_name[name] for name in sorted(by_name)]


def _declaration(metric: Counter | Gauge | Histogram) -> Declaration:
    family = next(iter(metric.describe()))
    name = family.name + ("_total" if family.type == "counter" else "")
    return Declaration(name, family.type, tuple(metric._labelnames), family.documentation)


def names() -> Iterator[str]:
    """Yield the name of every metric."""
    return (declaration.name for declaration in declarations())
