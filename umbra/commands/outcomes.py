"""`umbra outcomes`: count, list and import outcomes."""

from __future__ import annotations

import os
import pwd
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

from monitoring import terminal
from monitoring.phrases import count
from shadow.journal.capture_result import CaptureResult
from shadow.journal.recorder import open_recorder
from shadow.outcomes import csv_file
from shadow.outcomes.csv_file import OutcomeFile
from shadow.processes import CannotRun
from shadow.records import OutcomeState
from shadow.settings import Settings
from shadow.store import open_store
from shadow.store import outcomes as stored
from umbra.commands.status import outcomes_line

_MOST_LISTED = 1_000_000
_WAITING = "the journal is full: waiting for a worker (umbra up, umbra work) to empty it"


@click.group(invoke_without_command=True, short_help="Count, list and import outcomes.")
@click.option(
    "--limit",
    type=click.IntRange(0, _MOST_LISTED),
    default=20,
    show_default=True,
    help="Unmatched ids listed at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def outcomes(context: click.Context, limit: int, as_json: bool) -> None:
    """Count outcomes, and list the ids that have an outcome but no capture in the store.

    \b
    umbra outcomes
    umbra outcomes --limit 1000 --json
    umbra outcomes import sales.csv
    """
    if context.invoked_subcommand is not None:
        return
    with open_store(Settings.from_environment().store).reading() as connection:
        counts, unmatched = stored.counts(connection), stored.unmatched(connection, limit)
    if as_json:
        ids = [str(capture_id) for capture_id in unmatched]
        terminal.print_json({**counts.by_name(), "unmatched_ids": ids})
        return
    terminal.say(outcomes_line(counts), *(f"  unmatched: {capture_id}" for capture_id in unmatched))


@outcomes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_file(file: Path, as_json: bool) -> None:
    """Import outcomes from FILE (CSV): all of them or, when one has a fault, none.

    \b
    Columns: prediction_id, price_dollars, sold_at; optional: state (sold, withdrawn) and source.
    Works with the API up or down. An outcome that is stored already changes nothing: it may run again.
    umbra outcomes import sales.csv
    umbra outcomes import <(zcat sales.csv.gz)
    umbra outcomes import sales.csv --json
    """
    settings = Settings.from_environment()
    if not settings.data_dir.is_dir():
        raise CannotRun(f"{settings.data_dir} does not exist: set UMBRA_DATA_DIR to the one a worker serves")
    _write_as_owner(settings)
    counts = _import(settings, OutcomeFile(file, datetime.now(UTC), _announce))
    if as_json:
        terminal.print_json({"file": str(file), **counts})
    else:
        verb = "is" if counts["rows"] == 1 else "are"
        terminal.say(
            f"{count(counts['rows'], 'outcome')} {verb} in the journal ({counts['sold']:,} sold, "
            f"{counts['withdrawn']:,} withdrawn); a worker moves them into the store"
        )


def _announce(sentence: str) -> None:
    terminal.say(f"umbra: {sentence}", err=True)


def _write_as_owner(settings: Settings) -> None:
    """Let ingest read what this command writes; raises CannotRun naming the user to run it as."""
    directory = settings.journal_dir
    if not directory.exists():
        directory.mkdir(parents=True)
        owner = settings.data_dir.stat()
        if os.geteuid() == 0:
            os.chown(directory, owner.st_uid, owner.st_gid)
    owner = directory.stat()
    if os.geteuid() not in (0, owner.st_uid):  # the journal gives what root writes to the owner
        name = _user_name(owner.st_uid)
        raise CannotRun(
            f"{directory} belongs to {name}, who could not read what is imported: run as {name} "
            f"(sudo -u {name} umbra outcomes import ...)"
        )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container
        return f"#{uid}"


def _import(settings: Settings, file: OutcomeFile) -> dict[str, int]:
    columns = terminal.Words(), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with terminal.progress(*columns, transient=True) as bar:
        task = bar.add_task("checking", total=file.size)
        states = file.check(lambda characters: bar.advance(task, characters))
        bar.reset(task, total=states.total(), description="importing")

        def report(imported: int, result: CaptureResult) -> None:
            bar.update(task, advance=imported, description="importing" if result.is_kept else _WAITING)

        csv_file.append_to_journal(
            file.outcomes(), lambda: open_recorder(settings, has_tally=False), report, time.sleep
        )
    sold, withdrawn = states[OutcomeState.SOLD], states[OutcomeState.WITHDRAWN]
    return {"rows": sold + withdrawn, "sold": sold, "withdrawn": withdrawn}
