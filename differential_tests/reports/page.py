"""HTML page: one self-contained file without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from differential_tests.findings import Check
from differential_tests.reports import formatting, plots, summary

WORST, SPREADS = 50, 60


def write(path: Path, checks: Sequence[Check]) -> None:
    """Write the page."""
    path.write_text(html(checks), encoding="utf-8")


def html(checks: Sequence[Check]) -> str:
    """Render the page as text with every value escaped."""
    environment = Environment(
        loader=PackageLoader("differential_tests.reports", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        line=formatting.line, number=formatting.number, count=formatting.count, zip=zip
    )
    ordered = [check for members in summary.by_level(checks).values() for check in members]
    return environment.get_template("page.html.jinja").render(
        checks=ordered, summary=summary, plots=plots, worst=WORST, most_spreads=SPREADS
    )
