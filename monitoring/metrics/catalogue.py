"""Every metric there is, as people are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitoring.metrics.declared import Children, ServingMetrics, ShadowMetrics
from monitoring.metrics.read import READINGS


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
