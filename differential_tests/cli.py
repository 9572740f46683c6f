"""The command line: two services, two models, or one of each: the same questions, the same answers?

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

from differential_tests import findings, options, recording, run_file, sides
from differential_tests import questions as asked
from differential_tests.comparison import compare as compared
from differential_tests.findings import Check, Level
from differential_tests.levels.command import levels
from differential_tests.options import Asking, Reports
from differential_tests.questions import InvalidQuestions, corpus
from differential_tests.recording import Recorded, SideDead
from differential_tests.recording import run as running
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
@options.asking
def record(source: str, output: Path, side: Letter, as_json: bool, terms: Path | None, **asking: Any) -> int:
    """Ask SOURCE all questions and write what it answers, as a run.

    \b
    python -m differential_tests record http://127.0.0.1:8000 -o before.jsonl
    python -m differential_tests record models/gbm/2 --payloads houses.csv -o gbm2.jsonl
    """
    given, read = Asking(**asking), options.read_terms(terms)
    questions = given.questions
    with closing(sides.of(source, read.service, letter=side, patience=given.manner.patience)) as opened:
        done = running.recorded(
            opened,
            questions,
            output,
            read,
            given.manner,
            now=_now(),
            bar=options.bar,
            what=sides.shown(source),
        )
    if as_json:
        terminal.say_json(_told(done), indent=None)
    else:
        terminal.say(_sentence(done))
    return 0


@cli.command()
@click.argument("a", type=options.FILE)
@click.argument("b", type=options.FILE)
@click.option(
    "--noise", type=options.FILE, help="Another run of A's side: what differs by chance is excused."
)
@_level
@options.TERMS
@options.reports
def compare(
    a: Path, b: Path, noise: Path | None, level: str | None, terms: Path | None, **reports: Any
) -> int:
    """Compare run A with run B.

    \b
    python -m differential_tests compare before.jsonl after.jsonl --junit diff.xml --html diff.html
    python -m differential_tests compare a.jsonl b.jsonl --noise a_again.jsonl --terms mine.toml
    """
    read = options.read_terms(terms)
    with options.bar("compare") as progress:
        check = compared(
            a,
            b,
            read,
            noise=(a, noise) if noise else None,
            level=Level(level) if level else _level_of(a, b),
            name=f"{a.name} against {b.name}",
            progress=progress,
        )
    return _reported(check, Reports(**reports), exact=terms is None)


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
@options.asking
@options.reports
def run(
    a: str, b: str, noise: bool, keep: Path | None, level: str | None, terms: Path | None, **given: Any
) -> int:
    """Record A (twice) and B, and compare them.

    \b
    python -m differential_tests run http://127.0.0.1:8000 http://127.0.0.1:9000 --markdown summary.md
    python -m differential_tests run models/linear/1 models/linear/2 --payloads houses.csv
    """
    asking = Asking(**{name: given.pop(name) for name in Asking.__slots__})
    read, questions = options.read_terms(terms), asking.questions
    with _folder(keep) as folder:
        check = running.run(
            (a, b),
            questions,
            folder,
            read,
            asking.manner,
            noise=noise,
            level=Level(level) if level else None,
            dataset=asking.dataset,
            clock=_now,
            bar=options.bar,
        )
    return _reported(check, Reports(**given), exact=terms is None)


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
    made = corpus.questions(seed, houses)
    with recording.whole(output) as partial:
        asked.write(partial, made)
    terminal.say(f"{output}: {len(made)} questions")
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
    from differential_tests.questions import harvest as harvesting  # noqa: PLC0415 (it alone needs the engine)

    existing = list(asked.read(output)) if output.exists() else []
    try:
        masked = harvesting.configured_mask() | set(mask)
        found = harvesting.harvest(store, limit=limit, masked=masked, existing=existing)
    except harvesting.FAULTS as fault:
        raise click.ClickException(visible(str(fault))) from fault
    with recording.whole(output) as partial:
        asked.write(partial, found)
    terminal.say(f"{output}: {len(found) - len(existing)} questions more, {len(found)} in all")
    return 0


cli.add_command(levels)


def main() -> None:
    """Run a command; an error it knows becomes one line, without a trace, no other is taken for findings."""
    sys.exit(_status())


def _status() -> int:
    try:
        status: int | None = cli.main(prog_name="python -m differential_tests", standalone_mode=False)
    except click.ClickException as fault:
        fault.show()
        return COULD_NOT_RUN
    except KNOWN as fault:
        terminal.say_why("differential_tests", fault)
        return COULD_NOT_RUN
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception:  # noqa: BLE001 (1 would say that two sides differ)
        terminal.say_trace()
        terminal.say(
            "differential_tests: this is a defect of the tool, and says nothing of what was asked: "
            "please report it with the lines above",
            err=True,
        )
        return COULD_NOT_RUN
    return status or 0


def _level_of(a: Path, b: Path) -> Level:
    """By who answered; what is no run is said when it is compared."""
    try:
        return running.level_of(run_file.header(a), run_file.header(b))
    except (InvalidRun, OSError):
        return Level.D3


def _reported(check: Check, reports: Reports, *, exact: bool) -> int:
    check = findings.require_answers(check)
    if exact and check.level is Level.D4 and check.findings:
        check = replace(check, facts={"note": EXACT, **check.facts})
    reports.write([check])
    reports.show([check])
    return findings.exit_status((check,))


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where runs are written: the folder that is kept, or one that goes afterwards."""
    if kept is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept


def _now() -> datetime:
    return datetime.now(UTC)


def _told(done: Recorded) -> dict[str, Any]:
    return {
        "run": str(done.path),
        **asdict(done.header),
        "answered": done.answered,
        "refused": done.refused,
        "failed": done.failed,
    }


def _sentence(done: Recorded) -> str:
    who = done.header.model or "it"
    return (
        f"{done.path}: {done.header.source}: {who} answered {done.answered} questions, refused "
        f"{done.refused} and failed {done.failed}"
    )
