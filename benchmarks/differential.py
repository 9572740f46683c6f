"""What comparing two runs costs: `python -m differential_tests compare` on 100,000 answers a side.

`python -m benchmarks.differential` writes runs of four kinds and compares each pair as a user would, in a
process of its own whose time and memory the kernel tells. The yardstick, in turns with it, is a process
that does nothing but read the same two files with json.loads.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import ground, report
from benchmarks.report import Cell, ReportColumn, ReportSection
from differential_tests import run_file
from differential_tests.run_file import RunHeader, SideAnswer

SECONDS, MEMORY_MB = 20.0, 500.0
SEGMENTS = 28
_PLAIN = (
    "import json, sys\nfor name in sys.argv[1:]:\n    for line in open(name, 'rb'):\n        json.loads(line)"
)


@dataclass(frozen=True, slots=True)
class ComparisonCase:
    """A pair of runs: what one answer is like, and whether all of them differ."""

    name: str
    nested: bool
    differing: bool


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """What one process took: seconds by the clock and of a processor, and megabytes at most."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


CASES = (
    ComparisonCase("prices, all the same", nested=False, differing=False),
    ComparisonCase("prices, every one 1 % higher", nested=False, differing=True),
    ComparisonCase("nested answers, all the same", nested=True, differing=False),
    ComparisonCase("nested answers, every number 1 % higher", nested=True, differing=True),
)


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.differential
  python -m benchmarks.differential --rows 1000000 --rounds 1
  python -m benchmarks.differential --markdown >> README.md"""
)
@click.option("--rows", default=100_000, show_default=True, help="Answers of each side.")
@click.option("--rounds", default=3, show_default=True, help="Rounds; reading and comparing take turns.")
@click.option("--json", "kind", flag_value="json", help="Print JSON.")
@click.option("--markdown", "kind", flag_value="markdown", help="Print a table to paste.")
def main(rows: int, rounds: int, kind: str | None) -> None:
    """Measure the comparison of two runs, with a plain reading of the same files as the yardstick."""
    before, table_rows = ground.load_average(), []
    with ground.directory() as directory, report.progress() as bar:
        task = bar.add_task("", total=len(CASES) * rounds)
        for case in CASES:
            bar.update(task, description=case.name)
            pair = [_written(directory / f"{side}.jsonl", case, rows, side == "b") for side in "ab"]
            plain, compared = [], []
            for _ in range(rounds):
                plain.append(_cost(["-c", _PLAIN, *map(str, pair)], 0))
                compared.append(_compared(pair, directory / "findings.jsonl", case))
                bar.advance(task)
            table_rows.append(_row(case, pair, plain, compared))
    conditions = [f"{ground.machine()}; load average before: {before:.2f}"]
    report.publish([_section(rows, rounds, table_rows)], conditions, kind=kind or "table")


def _written(path: Path, case: ComparisonCase, rows: int, second: bool) -> Path:
    factor = 1.01 if case.differing and second else 1.0
    header = RunHeader(path.stem, "0" * 64, "2026-01-01T00:00:00Z")
    run_file.write(path, header, _answers(case.nested, rows, factor, path.stem))
    return path


def _answers(nested: bool, rows: int, factor: float, side: str) -> Iterator[SideAnswer]:
    """Yield reproducible answers; only the ignored request id differs between sides."""
    chance = random.Random(ground.SEED)  # noqa: S311 (not for secrets)
    for row in range(rows):
        value: dict[str, Any] = {"price_dollars": round(chance.uniform(5e4, 5e5), 2) * factor}
        if nested:
            value |= _more(value["price_dollars"], f"{side}-{row}")
        yield SideAnswer(f"house-{row:07d}", "ordinary", f"part {row % SEGMENTS}", 200, value=value)


def _more(price: float, request_id: str) -> dict[str, Any]:
    """Build the fields of other services beside a price: ten texts and numbers, in objects and a list."""
    extras = [{"field": f"field_{number}", "dollars": price * number / 10} for number in range(1, 5)]
    interval = {"low": price * 0.9, "high": price * 1.1}
    return {"interval": interval, "parts": extras, "request_id": request_id}


def _compared(pair: Sequence[Path], output: Path, case: ComparisonCase) -> ProcessCost:
    command = ["-m", "differential_tests", "compare", *map(str, pair), "--jsonl", str(output)]
    return _cost(command, 1 if case.differing else 0)


def _cost(arguments: Sequence[str], expected: int) -> ProcessCost:
    """Run Python and wait; raise RuntimeError for another exit status than the expected one."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise RuntimeError(f"{arguments} ended with {process.returncode}, expected {expected}")
    return ProcessCost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _row(
    case: ComparisonCase, pair: Sequence[Path], plain: Sequence[ProcessCost], compared: Sequence[ProcessCost]
) -> dict[str, Cell]:
    seconds = ground.median([run.seconds for run in compared])
    memory = max(run.peak_mb for run in compared)
    ratios = [
        comparison.cpu_seconds / recording.cpu_seconds
        for comparison, recording in zip(compared, plain, strict=True)
    ]
    return {
        "case": case.name,
        "megabytes": sum(path.stat().st_size for path in pair) / 1e6,
        "plain_seconds": ground.median([run.seconds for run in plain]),
        "seconds": seconds,
        "cpu_seconds": ground.median([run.cpu_seconds for run in compared]),
        "ratio": ground.median(ratios),
        "mb": memory,
        "target": "reached" if seconds < SECONDS and memory < MEMORY_MB else "missed",
    }


def _section(rows: int, rounds: int, table_rows: Sequence[dict[str, Cell]]) -> ReportSection:
    columns = [
        ReportColumn("case", "case"),
        ReportColumn("megabytes", "files, MB", ",.0f"),
        ReportColumn("plain_seconds", "read, s", ",.2f"),
        ReportColumn("seconds", "compared, s", ",.2f"),
        ReportColumn("cpu_seconds", "processor, s", ",.2f"),
        ReportColumn("ratio", "of reading", ",.1f"),
        ReportColumn("mb", "peak, MB", ",.0f"),
        ReportColumn("target", f"< {SECONDS:g} s, < {MEMORY_MB:g} MB"),
    ]
    notes = [
        "Seconds: from the start of the process to its end, with imports, every finding as a JSON line and a"
        f" summary; median of {rounds}. Of reading: by processor time. Memory: the most of any round.",
    ]
    return ReportSection(f"Two runs of {rows:,} answers", columns, table_rows, notes)


if __name__ == "__main__":
    main()
