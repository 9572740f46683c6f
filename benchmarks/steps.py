"""Microseconds of each step of one request, alone in a loop, beside the whole request without its server.

`python -m benchmarks.steps` finds what to trim. A step costs several times as much inside a real request,
where caches are cold; so the last rows give the whole application (WSGI, no socket) with one step left out.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from flask import Flask

from api import app, live
from benchmarks import ground, report
from benchmarks.report import ReportColumn, ReportSection
from benchmarks.targets import bare
from model_package.reference import ModelRef
from model_package.schema import Row, matrix, parse_json
from monitoring import logs, metrics
from shadow.journal import entries, journal_file
from shadow.journal.capture_result import CaptureResult
from shadow.journal.recorder import open_recorder
from shadow.records import new_capture_ids
from shadow.store import open_store
from umbra import bootstrap

LINEAR = ModelRef("linear", "1")
Step = Callable[[], object]
_BLOCK_SECONDS = 0.02


class NoRecorder:
    """Records nothing."""

    def record(self, **_: object) -> CaptureResult:
        """Report rows as kept without writing them."""
        return CaptureResult.KEPT


class Steps:
    """The steps of one request over real parts: a trained model, a journal on disk, a log file."""

    def __init__(self, directory: Path) -> None:
        models = ground.models(directory / "models")
        self._settings = ground.settings(directory / "data", models)
        store = open_store(self._settings.store)
        bootstrap.prepare(self._settings, store, _untrained, "benchmark", datetime.now(UTC))
        store.close()
        logs.configure("umbra.api", "INFO", directory / "logs")
        self._metrics_dir = directory / "metrics"
        metrics.prepare_directory(self._metrics_dir)
        houses = ground.houses(500)
        self._bodies = itertools.cycle([json.dumps(house).encode() for house in houses])
        self._rows = itertools.cycle(parse_json(next(self._bodies), 1).rows for _ in houses)
        self._log = logging.getLogger("umbra.benchmark")
        self._directory = directory

    def all(self) -> dict[str, Step]:
        """Every step by its name, in the order of a request."""
        return self._alone() | self._whole()

    def _alone(self) -> dict[str, Step]:
        serving, recorder = live.load(self._settings), open_recorder(self._settings)
        row = next(self._rows)
        house = row[0]
        line = journal_file.frame(_entry(house))
        file = os.open(self._directory / "yardstick", os.O_WRONLY | os.O_CREAT)
        offsets = itertools.count(step=len(line))
        return {
            "parse and validate": lambda: parse_json(next(self._bodies), 1000),
            "predict": lambda: serving.price(next(self._rows)),
            "  of it: rows to a matrix": lambda: matrix(next(self._rows)),
            "make an id": lambda: new_capture_ids(1, time.time_ns() // 1_000_000, 1 << 70),
            "encode the answer": _answer,
            "encode the journal entry": lambda: _entry(house),
            "number and frame it": lambda: journal_file.encode_line(entries.numbered(line, 1), 1, 7),
            "write it: pwrite alone": lambda: os.pwrite(file, line, next(offsets)),
            "capture (encode, hand over, await the write)": lambda: recorder.record(
                request_id="request-1",
                live=LINEAR,
                capture_ids=new_capture_ids(1, 1, 1),
                rows=row,
                dollars=[180_000.0],
            ),
            "log line": self._log_line,
            "metrics": self._count(metrics.serving(self._metrics_dir)),
        }

    def _whole(self) -> dict[str, Step]:
        application = app.create_app(self._settings, self._metrics_dir)
        extensions = application.extensions["umbra"]
        blind = app.build(replace(extensions, recorder=NoRecorder()))
        return {
            "bare Flask, whole request": self._asking(bare.application()),
            "Umbra, whole request": self._asking(application),
            "Umbra without capture": self._asking(blind),
            "Umbra without its log line": self._quiet(self._asking(application)),
        }

    def _asking(self, application: Flask) -> Step:
        def ask() -> None:
            body = next(self._bodies)
            answer = application(_environ(body), _started)
            b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()

        return ask

    def _quiet(self, step: Step) -> Step:
        access = logging.getLogger("umbra.access")

        def quietly() -> None:
            access.disabled = True
            step()
            access.disabled = False

        return quietly

    def _log_line(self) -> None:
        logs.event(
            self._log,
            "request",
            event={"action": "predictions.create", "outcome": "success", "duration": 300_000},
            http={
                "request": {"method": "POST", "id": "request-1"},
                "response": {"status_code": 200, "body": {"bytes": 200}},
            },
            url={"path": "/v1/predictions"},
            rows=1,
            model={"name": "linear", "version": "1"},
            capture="written",
        )

    def _count(self, measured: metrics.ServingMetrics) -> Step:
        route, model = "/v1/predictions", str(LINEAR)

        def count() -> None:
            measured.requests_in_flight.inc()
            measured.captures_written.inc(1)
            measured.request_rows.observe(1)
            measured.predictions["live", model].inc(1)
            measured.prediction_seconds[("live",)].observe(2e-5)
            metrics.observe_all(measured.price_dollars[("live",)], [180_000.0])
            measured.requests["POST", route, "200"].inc()
            measured.request_seconds[(route,)].observe(3e-4)
            measured.requests_in_flight.dec()

        return count


def _untrained(recipe: str) -> Path:
    raise RuntimeError(f"{recipe} should have been trained beforehand")


def _entry(house: Row) -> bytes:
    return entries.encode("request-1", LINEAR, new_capture_ids(1, 1, 1), [house], [180_000.0])


def _answer() -> bytes:
    number = new_capture_ids(1, 1, 1)[0]
    return orjson.dumps(
        {
            "request_id": "request-1",
            "model": {"name": "linear", "version": "1"},
            "predictions": [{"id": number, "price_dollars": 180_000.0}],
        }
    )


def _environ(body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/predictions",
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _started(status: str, _headers: Sequence[tuple[str, str]], _error: object = None) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"expected 200, got {status}")


@dataclass(frozen=True, slots=True)
class StepCost:
    """Microseconds of one call, over a block of many: by the clock, and of the processor (all threads)."""

    clock: float
    processor: float


def cost(step: Step) -> StepCost:
    """Measure the mean cost of one call of a step over about 20 ms."""
    calls, begun, begun_cpu = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - begun) < _BLOCK_SECONDS:
        for _ in range(20):
            step()
        calls += 20
    return StepCost(1e6 * elapsed / calls, 1e6 * (time.process_time() - begun_cpu) / calls)


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.steps
  python -m benchmarks.steps --rounds 200 --json"""
)
@click.option("--rounds", default=50, show_default=True, help="Rounds over all steps, 20 ms for each.")
@click.option("--json", "kind", flag_value="json", help="Print JSON.")
@click.option("--markdown", "kind", flag_value="markdown", help="Print a table to paste.")
def main(rounds: int, kind: str | None) -> None:
    """Measure the steps of one request in turns; medians over the rounds."""
    before = ground.load_average()
    with ground.directory() as directory, report.progress() as bar:
        task = bar.add_task("training models", total=rounds)
        steps = Steps(directory).all()
        costs: dict[str, list[StepCost]] = {name: [] for name in steps}
        for _ in range(rounds):
            bar.update(task, description="measuring", advance=1)
            for name, step in steps.items():
                costs[name].append(cost(step))
    conditions = [
        f"{ground.machine()}; load average before: {before:.2f}",
        f"median of {rounds} interleaved blocks of {1e3 * _BLOCK_SECONDS:g} ms each; one house per request",
    ]
    report.publish([_section(costs)], conditions, kind=kind or "table")


def _section(costs: dict[str, list[StepCost]]) -> ReportSection:
    rows = [
        {
            "step": name,
            "microseconds": ground.median([cost.clock for cost in costs]),
            "processor_microseconds": ground.median([cost.processor for cost in costs]),
            "lowest": min(cost.clock for cost in costs),
            "highest": max(cost.clock for cost in costs),
        }
        for name, costs in costs.items()
    ]
    columns = [
        ReportColumn("step", "step"),
        ReportColumn("microseconds", "us", ".1f"),
        ReportColumn("processor_microseconds", "CPU us", ".1f"),
        ReportColumn("lowest", "lowest us", ".1f"),
        ReportColumn("highest", "highest us", ".1f"),
    ]
    notes = ["Whole requests: the application called as gunicorn would, without socket and HTTP parsing."]
    return ReportSection("The steps of one request", columns, rows, notes)


if __name__ == "__main__":
    main()
