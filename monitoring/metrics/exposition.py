"""Serve /metrics on a port of its own: the sum over all processes, and readings computed at each scrape."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from monitoring import logs
from monitoring.metrics import ended
from monitoring.metrics.read import READINGS

_log = logging.getLogger(__name__)


class UndeclaredReading(LookupError):
    """A reading returned a metric that READINGS does not declare."""


class Reading(Protocol):
    """Computes metrics at each scrape.

    Returns, per declared name, one number, or numbers by label value (a tuple for several labels).
    """

    def __call__(self) -> Mapping[str, float | Mapping[Any, float]]:
        """Compute the metrics."""


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running /metrics; `port` is the one it is bound to."""

    server: WSGIServer
    port: int

    def close(self) -> None:
        """Stop answering and free the port."""
        self.server.shutdown()
        self.server.server_close()

    def close_inherited_socket(self) -> None:
        """Release the port in a process forked from the one that serves."""
        self.server.socket.close()


def serve(
    host: str,
    port: int,
    *,
    family: socket.AddressFamily = socket.AF_INET,
    directory: Path | None = None,
    registries: Sequence[CollectorRegistry] = (),
    readings: Sequence[Reading] = (),
) -> MetricsServer:
    """Serve the sum of `directory`, the `registries` of this process and the `readings`; raises OSError.

    Answers in a daemon thread, so that it never holds up the caller's process.
    """
    registry = CollectorRegistry()
    collectors: list[Collector] = [_ReadingsCollector(readings)]
    if directory is not None:
        collectors.append(_FilesCollector(directory))
    for collector in (
        *collectors,
        *(_RegistryCollector(registry_of_process) for registry_of_process in registries),
    ):
        registry.register(collector)
    server = _SERVERS[family]((host, port), _SilentHandler)
    server.set_app(_application(registry))
    threading.Thread(target=server.serve_forever, args=(0.2,), name="umbra-metrics", daemon=True).start()
    return MetricsServer(server, server.server_address[1])


class _Server(ThreadingWSGIServer):
    def server_bind(self) -> None:
        """Bind the socket, without a look-up of our name."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # `::` is IPv4, too
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


_SERVERS = {socket.AF_INET: _Server, socket.AF_INET6: _Server6}


class _SilentHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing: a scrape is no event."""


def _application(registry: CollectorRegistry) -> Any:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return _plain(start_response, HTTPStatus.NOT_FOUND, "Umbra's metrics are at /metrics\n")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _plain(start_response, HTTPStatus.METHOD_NOT_ALLOWED, "GET /metrics\n")
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        start_response("200 OK", [("Content-Type", content_type)])
        return [encode(registry)]

    return answer


def _plain(start_response: Any, status: HTTPStatus, text: str) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


class _RegistryCollector(Collector):
    """Collects another registry; `describe` prevents a collection when it is registered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()


class _FilesCollector(Collector):
    """Collects the sum over the files of all processes; reports a broken file instead of raising."""

    def __init__(self, directory: Path) -> None:
        self._files = MultiProcessCollector(None, str(directory))  # type: ignore[no-untyped-call]

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        try:
            with ended.files_lock:
                families = list(self._files.collect())  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError, KeyError, IndexError, struct.error) as fault:
            logs.event(_log, "metrics_unreadable", level=logging.WARNING, error=fault)
            yield _family("umbra_metrics_files_readable", 0)
            return
        yield from families
        yield _family("umbra_metrics_files_readable", 1)


class _ReadingsCollector(Collector):
    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for reading in self._readings:
            yield from _read(reading)


def _read(reading: Reading) -> list[Metric]:
    try:
        return [_family(name, value) for name, value in reading().items()]
    except Exception as fault:  # noqa: BLE001 (a reading that fails must not take the others with it)
        logs.event(_log, "reading_failed", level=logging.ERROR, error=fault)
        return []


def _family(name: str, value: float | Mapping[Any, float]) -> Metric:
    if name not in READINGS:
        raise UndeclaredReading(f"{name} is not declared in monitoring.metrics.READINGS")
    declaration = READINGS[name]
    kind = GaugeMetricFamily if declaration.kind == "gauge" else CounterMetricFamily
    family = kind(name, declaration.help, labels=declaration.labels)
    by_labels = value if isinstance(value, Mapping) else {(): value}
    for labels, number in by_labels.items():
        family.add_metric(labels if isinstance(labels, tuple) else (str(labels),), float(number))
    return family
