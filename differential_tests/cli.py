"""Command line: ask two services or models the same questions and report where their answers differ.

Exit codes: 0 same, 1 findings, 2 it could not be run, 130 interrupted.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from differential_tests import comparison, findings, options, recording, run_file, sides
from differential_tests.findings import Check, Level
from differential_tests.levels.command import levels
from differential_tests.options import QuestionOptions, ReportOptions
from differential_tests.questions import InvalidQuestions, corpus, question
from differential_tests.recording import RecordedRun, SideDead
from differential_tests.recording.run import level_of, record_side, run_comparison
from differential_tests.run_file import InvalidRun
from differential_tests.settings.toml_file import InvalidDocument
from differential_tests.sides import Letter, UnknownSource
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe
from monitoring import terminal
from monitoring.phrases import visible

COULD_NOT_RUN, INTERRUPTED = 2, 130
EXACT = (
    "two models need not agree, and by these terms each difference is a finding; to find only the absurd: "
    "levels LIVE --level D4 --candidate OTHER; to allow a tolerance: --terms"
)
KNOWN = (
    AlteredArtifact,
    InvalidArtifact,
    InvalidDocument,
    InvalidQuestions,
    InvalidRun,
    OSError,
    SideDead,
    UnknownRecipe,
    UnknownSource,
)
_level = click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    help="What it is called in reports; else: by what is compared.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Ask two services or models the same, and say what differs.

    \b
    A side is the address of a service, or the directory of an artifact:
      python -m differential_tests run http://127.0.0.1:8000 http://127.0.0.1:9000 --html diff.html
      python -m differential_tests run models/linear/1 http://127.0.0.1:8000

    \b
    Exit codes: 0 same, 1 findings, 2 it could not be run.
    """


@cli.command()
@click.argument("source")
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="The run that is written.")
@click.option(
    "--side",
    type=click.Choice(sides.LETTERS),
    default="a",
    show_default=True,
    help="Which section of the terms it follows: [service.a] or [service.b].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.TERMS
@options.question_options
def record(source: str, output: Path, side: Letter, as_json: bool, terms: Path | None, **choices: Any) -> int:
    """Ask SOURCE all questions and write what it answers, as a run.

    \b
    python -m differential_tests record http://127.0.0.1:8000 -o before.jsonl
    python -m differential_tests record models/gbm/2 --payloads houses.csv -o gbm2.jsonl
    """
    request_options, tolerances = QuestionOptions(**choices), options.read_terms(terms)
    requests = request_options.requests
    with closing(sides.open_side(source, tolerances.service, letter=side, limits=requests.limits)) as opened:
        run = record_side(
            opened,
            request_options.questions,
            output,
            tolerances,
            requests,
            now=_now(),
            bar=options.bar,
            label=sides.redacted(source),
        )
    if as_json:
        terminal.print_json(_as_json(run), indent=None)
    else:
        terminal.say(_summary(run))
    return 0


@cli.command()
@click.argument("a", type=options.FILE)
@click.argument("b", type=options.FILE)
@click.option(
    "--noise", type=options.FILE, help="Another run of A's side: what differs by chance is excused."
)
@_level
@options.TERMS
@options.report_options
def compare(
    a: Path, b: Path, noise: Path | None, level: str | None, terms: Path | None, **reports: Any
) -> int:
    """Compare run A with run B.

    \b
    python -m differential_tests compare before.jsonl after.jsonl --junit diff.xml --html diff.html
    python -m differential_tests compare a.jsonl b.jsonl --noise a_again.jsonl --terms mine.toml
    """
    tolerances = options.read_terms(terms)
    with options.bar("compare") as progress:
        check = comparison.compare(
            a,
            b,
            tolerances,
            noise=(a, noise) if noise else None,
            level=Level(level) if level else _level_of(a, b),
            name=f"{a.name} against {b.name}",
            progress=progress,
        )
    return _report(check, ReportOptions(**reports), exact=terms is None)


@cli.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--noise/--no-noise",
    default=True,
    show_default=True,
    help="Ask A twice first: what differs by chance is excused.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the runs: a.jsonl, noise.jsonl, b.jsonl.",
)
@_level
@options.TERMS
@options.question_options
@options.report_options
def run(
    a: str, b: str, noise: bool, keep: Path | None, level: str | None, terms: Path | None, **choices: Any
) -> int:
    """Record A (twice) and B, and compare them.

    \b
    python -m differential_tests run http://127.0.0.1:8000 http://127.0.0.1:9000 --markdown summary.md
    python -m differential_tests run models/linear/1 models/linear/2 --payloads houses.csv
    """
    request_options = QuestionOptions(**{name: choices.pop(name) for name in QuestionOptions.__slots__})
    tolerances = options.read_terms(terms)
    with _folder(keep) as folder:
        check = run_comparison(
            (a, b),
            request_options.questions,
            folder,
            tolerances,
            request_options.requests,
            noise=noise,
            level=Level(level) if level else None,
            dataset=request_options.dataset,
            clock=_now,
            bar=options.bar,
        )
    return _report(check, ReportOptions(**choices), exact=terms is None)


@cli.command()
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="The file that is written.")
@click.option(
    "--seed", type=click.IntRange(0), default=corpus.SEED, show_default=True, help="Of the ordinary houses."
)
@click.option(
    "--houses",
    type=click.IntRange(0),
    default=corpus.ORDINARY,
    show_default=True,
    help="How many ordinary houses.",
)
def questions(output: Path, seed: int, houses: int) -> int:
    """Write the corpus: ordinary houses, and all that the schema allows and forbids.

    \b
    python -m differential_tests questions -o questions.jsonl
    """
    chosen = corpus.questions(seed, houses)
    with recording.atomic_write(output) as partial:
        question.write(partial, chosen)
    terminal.say(f"{output}: {len(chosen)} questions")
    return 0


@cli.command()
@click.argument("store", metavar="DATA_DIR|URL")
@click.option(
    "-o",
    "--output",
    type=options.OUTPUT,
    required=True,
    help="The questions; those that are in it already stay.",
)
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True, help="New houses at most.")
@click.option("--mask", multiple=True, metavar="FIELD", help="A field to hide, beside UMBRA_MASKED_FIELDS.")
def harvest(store: str, output: Path, limit: int, mask: tuple[str, ...]) -> int:
    """Pick from a store of Umbra the houses that cover what was asked, and the hardest disagreements.

    \b
    python -m differential_tests harvest data -o golden.jsonl
    python -m differential_tests harvest postgresql://umbra@db/umbra -o golden.jsonl --mask lot_area
    """
    from differential_tests.questions.harvest import (  # noqa: PLC0415 (it alone needs the engine)
        FAULTS,
        configured_mask,
        harvest_questions,
    )

    existing = list(question.read(output)) if output.exists() else []
    try:
        masked = configured_mask() | set(mask)
        merged = harvest_questions(store, limit=limit, masked=masked, existing=existing)
    except FAULTS as fault:
        raise click.ClickException(visible(str(fault))) from fault
    with recording.atomic_write(output) as partial:
        question.write(partial, merged)
    terminal.say(f"{output}: {len(merged) - len(existing)} questions more, {len(merged)} in all")
    return 0


cli.add_command(levels)


def main() -> None:
    """Run a command: a known error becomes one line without a trace; no error counts as findings."""
    sys.exit(_status())


def _status() -> int:
    try:
        status: int | None = cli.main(prog_name="python -m differential_tests", standalone_mode=False)
    except click.ClickException as fault:
        fault.show()
        return COULD_NOT_RUN
    except KNOWN as fault:
        terminal.print_error("differential_tests", fault)
        return COULD_NOT_RUN
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception:  # noqa: BLE001 (1 would say that two sides differ)
        terminal.print_traceback()
        terminal.say(
            "differential_tests: this is a defect of the tool, and says nothing of what was asked: "
            "please report it with the lines above",
            err=True,
        )
        return COULD_NOT_RUN
    return status or 0


def _level_of(a: Path, b: Path) -> Level:
    """Derive the level from who answered; the comparison reports a file that is no run."""
    try:
        return level_of(run_file.header(a), run_file.header(b))
    except (InvalidRun, OSError):
        return Level.D3


def _report(check: Check, reports: ReportOptions, *, exact: bool) -> int:
    check = findings.require_answers(check)
    if exact and check.level is Level.D4 and check.findings:
        check = replace(check, facts={"note": EXACT, **check.facts})
    reports.write([check])
    reports.show([check])
    return findings.exit_status((check,))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield the folder for the runs: the one to keep, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def _now() -> datetime:
    return datetime.now(UTC)


def _as_json(run: RecordedRun) -> dict[str, Any]:
    return {
        "run": str(run.path),
        **asdict(run.header),
        "answered": run.answered,
        "refused": run.refused,
        "failed": run.failed,
    }


def _summary(run: RecordedRun) -> str:
    model = run.header.model or "it"
    return (
        f"{run.path}: {run.header.source}: {model} answered {run.answered} questions, refused "
        f"{run.refused} and failed {run.failed}"
    )
