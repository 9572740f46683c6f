"""The command `levels`: run every level that has something to compare a model with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from differential_tests import findings, golden, options, questions
from differential_tests.findings import Level
from differential_tests.options import ReportOptions

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("package", type=FOLDER)
@click.option("--service", default="", metavar="URL", help="Where this model answers over HTTP: D2.")
@click.option(
    "--sales", type=options.FILE, help="CSV with prices: D1, and D4 with all recipes fitted to it again."
)
@click.option(
    "--payloads", type=options.FILE, help="Questions or rows; else: the corpus, and held-out sales."
)
@click.option("--candidate", default="", metavar="ARTIFACT|URL", help="The model to come: D4.")
@click.option("--golden", type=FOLDER, default=golden.DIRECTORY, help="Golden questions and answers: D3.")
@click.option("--base", default="", metavar="COMMIT", help="Golden answers that changed since: D3.")
@click.option(
    "--examples", type=click.IntRange(1), default=200, show_default=True, help="Houses that hypothesis tries."
)
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice([level.value for level in Level]),
    help="Only these; may be repeated.",
)
@click.option(
    "--found",
    "corpus",
    type=options.FILE,
    help="Add the houses that broke a relation to this corpus.",
)
@options.TERMS
@options.report_options
def levels(
    package: Path,
    terms: Path | None,
    payloads: Path | None,
    levels: tuple[str, ...],
    corpus: Path | None,
    **choices: Any,
) -> int:
    """Climb from D0 to D5 with the artifact PACKAGE; the first level that fails says where to look.

    \b
    python -m differential_tests levels models/linear/1
    python -m differential_tests levels models/linear/1 --service http://127.0.0.1:8000 --sales sales.csv
    """
    from differential_tests.levels.suite import Suite  # noqa: PLC0415 (hypothesis is for this alone)

    reports = ReportOptions(**{name: choices.pop(name) for name in ReportOptions.__slots__})
    wanted = frozenset(map(Level, levels)) or frozenset(Level)
    asking = list(options.payloads(payloads)) if payloads else None
    suite = Suite(package, options.read_terms(terms), questions=asking, levels=wanted, **choices)
    with options.step() as on_step:
        checks = list(suite.checks(on_step))
    if corpus and suite.new_questions:
        known = list(questions.read(corpus)) if corpus.exists() else []
        questions.write(corpus, [*known, *suite.new_questions])
    reports.write(checks)
    reports.show(checks)
    return findings.exit_status(tuple(checks))
