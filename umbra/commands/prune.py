"""`umbra prune`: remove old captures with their observations and outcomes."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

from monitoring import terminal
from monitoring.phrases import count
from shadow.journal import leftovers
from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.retention.prune import PrunedRows, count_before, remove_before

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(rf"(?P<count>[1-9][0-9]{{0,4}})(?P<unit>[{''.join(_UNITS)}])\Z")


def _age(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    match = _SPAN.match(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no age: expected hours, days or weeks, such as 90d")
    return timedelta(**{_UNITS[match["unit"]]: int(match["count"])})


@click.command(short_help="Remove captures, observations and outcomes that are old.")
@click.option(
    "--older-than",
    "age",
    callback=_age,
    required=True,
    metavar="90d|12w|720h",
    help="Remove what was captured longer ago than this.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prune(age: timedelta, dry_run: bool, as_json: bool) -> None:
    """Remove captures that are older, to the moment, with their observations and outcomes.

    \b
    umbra prune --older-than 90d --dry-run
    umbra prune --older-than 12w
    umbra prune --older-than 720h --json

    Evidence, verdicts and deployments stay, but days that were pruned are never computed again: an outcome
    that comes later finds no house. Keep captures for longer than outcomes take. Single rows that pages and
    reports quote go too, also those about candidates of the past, and of this data directory journal files
    that were set aside or are kept although they are stored.

    Everything goes on meanwhile. Interrupted, it is run again. It refuses while a candidate has yet to look
    at something that would go.

    Space: on Postgres whole weeks are dropped and their space is free at once. On SQLite the file stays as
    large as it is, and new captures fill what has become free; to make it smaller, stop Umbra and run
    `sqlite3 umbra.db VACUUM`.
    """
    now = datetime.now(UTC)
    before = now - age
    settings = Settings.from_environment()
    store = open_store(settings.store)
    with store.reading() as connection:
        total = count_before(connection, before)
    gone = total if dry_run else _prune(store, before, now, total)
    store.close()
    files = (leftovers.older if dry_run else leftovers.remove_older)(settings.journal_dir, before)
    if as_json:
        pruned = {
            "before": before.isoformat(),
            "dry_run": dry_run,
            **asdict(gone),
            "journal_files": len(files),
        }
        terminal.print_json(pruned)
        return
    terminal.say(
        f"{'would remove' if dry_run else 'removed'} {count(gone.captures, 'capture')},"
        f" {count(gone.observations, 'observation')}, {count(gone.outcomes, 'outcome')},"
        f" {count(gone.excerpts, 'row')} that documents quote and {count(len(files), 'journal file')}"
        f" of before {before:%Y-%m-%d %H:%M:%S} UTC"
    )


def _prune(store: Store, before: datetime, now: datetime, total: PrunedRows) -> PrunedRows:
    columns = terminal.Words(), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with terminal.progress(*columns, transient=True) as bar:
        task = bar.add_task("removing", total=total.rows)
        return remove_before(store, before, now, lambda gone: bar.advance(task, gone.rows))
