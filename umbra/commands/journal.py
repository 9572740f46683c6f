"""`umbra journal`: the files of the journal, what was set aside, and what a store has forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from monitoring import terminal
from monitoring.phrases import count
from shadow.journal import backlog, refused, stored_files
from shadow.journal import journal_file as files
from shadow.journal.refused import RefusedFile
from shadow.processes import CannotRun, heartbeat
from shadow.settings import Settings
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged
from shadow.source.identity import known_directory_id
from shadow.source.ownership import SourceOwnership
from shadow.store import open_store, sources
from shadow.store.sources import ROLLED_BACK, Source


@click.group(invoke_without_command=True, short_help="Files of the journal, and those set aside.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def journal(context: click.Context, as_json: bool) -> None:
    """List the files of the journal: waiting, kept after they were stored, held up, set aside.

    \b
    umbra journal
    umbra journal put-back
    umbra journal accept-loss
    umbra journal take-over
    """
    if context.invoked_subcommand is not None:
        return
    settings = Settings.from_environment()
    directory = settings.journal_dir
    held_up = backlog.held_up(directory, heartbeat.live_processes(settings.run_dir))
    rows = [("held up", name, reason) for name, reason in sorted(held_up.items())]
    rows += [("set aside", path.name, _content(path)) for path in refused.paths(directory)]
    rows += [("waiting", path.name, _bytes(path)) for path in _waiting(directory, held_up)]
    rows += [("kept", path.name, _bytes(path)) for path in stored_files.paths(directory)]
    if as_json:
        terminal.print_json([dict(zip(("state", "file", "about"), row, strict=True)) for row in rows])
        return
    terminal.show(terminal.table(("State", "File", ""), rows) if rows else "The journal is empty.")


def _waiting(directory: Path, held_up: dict[str, str]) -> list[Path]:
    try:
        return [path for path in files.paths(directory) if files.name_of(path) not in held_up]
    except OSError:  # the directory itself is held up
        return []


def _bytes(path: Path) -> str:
    try:
        return f"{path.stat().st_size:,} bytes"
    except OSError:
        return "gone meanwhile"


def _content(path: Path) -> str:
    try:
        return _entries_in(refused.count(path))
    except OSError as fault:
        return str(fault.strerror)


def _entries_in(file: RefusedFile) -> str:
    return f"{count(file.captures, 'capture')}, {count(file.outcomes, 'outcome')} in its entries"


@journal.command("put-back")
@click.argument("names", nargs=-1, metavar="[FILE]...")
def put_back(names: Sequence[str]) -> None:
    """Have ingest read files again that were set aside (all of them, or FILE...), once the cause is mended.

    \b
    What the store has already is passed over; what it takes now is no longer counted as dropped; what it
    refuses again is set aside again.
    umbra journal put-back
    umbra journal put-back 01764547200000-0123456789ab-512.refused
    """
    directory = Settings.from_environment().journal_dir
    chosen = [_refused_path(directory, name) for name in names] if names else refused.paths(directory)
    for path in chosen:
        refused.put_back(path)
        terminal.say(f"{path.name} is back in the journal; a worker moves it into the store")
    if not chosen:
        terminal.say("no file is set aside")


def _refused_path(directory: Path, name: str) -> Path:
    by_name = {path.name: path for path in refused.paths(directory)}
    path = by_name.get(Path(name).name) or by_name.get(f"{Path(name).name}{refused.SUFFIX}")
    if path is None:
        raise CannotRun(f"{name} is not set aside in {directory}; `umbra journal` lists what is")
    return path


@journal.command("accept-loss")
def accept_loss() -> None:
    """Count what the store has forgotten, and no journal file holds, as dropped: for good.

    \b
    Run it after a store was restored from an older copy, and on a store that is another one on purpose.
    umbra journal accept-loss
    """
    settings = Settings.from_environment()
    name = _source_id(settings)
    before = Acknowledged.read(acknowledged.path_of(settings.journal_dir), name)
    store, now = open_store(settings.store), datetime.now(UTC)
    with store.writing() as connection:
        source = sources.lock(connection, name, now)
        captures, outcomes = before.beyond(source)
        missing, missing_outcomes = source.missing + captures, source.missing_outcomes + outcomes
        lost, lost_outcomes = source.lost + captures, source.lost_outcomes + outcomes
        sources.record_drops(connection, source, "", {ROLLED_BACK: lost}, now)
        sources.update_source(
            connection,
            source,
            missing=missing,
            missing_outcomes=missing_outcomes,
            accepted=missing,
            accepted_outcomes=missing_outcomes,
        )
    store.close()
    terminal.say(f"{lost:,} captures are counted as dropped now; {lost_outcomes:,} outcomes are let go")


@journal.command("take-over")
def take_over() -> None:
    """Let this data directory write the store in the place of another one with the same source-id.

    \b
    Run it where this directory was moved, or restored from a backup, and the other one is gone for good.
    umbra journal take-over
    """
    settings = Settings.from_environment()
    store = open_store(settings.store)
    with store.reading() as connection:
        source: Source | None = sources.find(connection, _source_id(settings))
    store.close()
    if source is not None:
        SourceOwnership(settings.data_dir).take_over(source)
    terminal.say(f"{settings.data_dir} writes the store from now on")


def _source_id(settings: Settings) -> str:
    name = known_directory_id(settings.data_dir)
    if name is None:
        raise CannotRun(
            f"{settings.data_dir} has no source-id: set UMBRA_DATA_DIR to the one a worker serves"
        )
    return name
