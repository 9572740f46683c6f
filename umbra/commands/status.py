"""`umbra status`: processes, journal, and the ledger of every candidate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import click
from rich.console import Group, RenderableType
from rich.table import Table

from monitoring import terminal
from monitoring.phrases import count
from monitoring.terminal import styled
from shadow.policy_summary import PolicySummary
from shadow.processes import EXIT_FAILURE
from shadow.records import Purpose
from shadow.settings import Settings
from shadow.source import purpose
from shadow.status import JournalState, Status, StoreState, gather
from shadow.status import as_json as view
from shadow.store.ledger import Account
from shadow.store.outcomes import OutcomeCounts

DEMO = "This is a demo: houses and sales are invented."


@click.command(short_help="Processes, journal, deployment, ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show processes, deployment, journal, and every candidate's ledger.

    Exits 1 when a ledger does not balance, the store does not answer or has lost captures, a process is
    missing or stuck, or ingest cannot move a journal file. Waits ten seconds at most for what hangs.

    \b
    umbra status
    umbra status --json | jq '.candidates[].pending'
    """
    settings = Settings.from_environment()
    status_now = gather(settings, datetime.now(UTC))
    if as_json:
        terminal.print_json(view(status_now))
    else:
        terminal.show(render(status_now))
        if hint := purpose.demo_hint(settings):
            terminal.say("", hint)
    sys.exit(0 if status_now.is_healthy else EXIT_FAILURE)


def render(status: Status) -> RenderableType:
    """Render the status for people."""
    troubles = [styled(trouble[:1].upper() + trouble[1:], "bold red") for trouble in status.troubles]
    lines: list[RenderableType] = [_processes(status), *troubles, "", _journal(status.journal)]
    if status.store is None:
        lines += ["", styled(f"The store does not answer: {status.store_error}", "bold red")]
    else:
        lines += _store(status.store)
    return Group(*lines)


def _processes(status: Status) -> RenderableType:
    if not status.processes:
        return f"No process of {status.data_dir} is running."
    table = Table("Process", "pid", "up", "", box=None, pad_edge=False)
    for process in status.processes:
        facts = process.facts
        description = " ".join(str(facts[key]) for key in ("candidate", "state", "because") if key in facts)
        table.add_row(process.role, str(process.pid), _duration(status.taken_at - process.since), description)
    return table


def _journal(journal: JournalState) -> str:
    waiting, refused = journal.waiting, journal.refused_files
    facts = (
        "captures waiting: unknown" if waiting is None else f"{count(waiting, 'capture')} waiting",
        f"{journal.size_bytes:,} bytes in {count(journal.files, 'file')}",
        *((f"{count(refused, 'file')} set aside (see `umbra journal`)",) if refused else ()),
    )
    return f"Journal: {', '.join(facts)}"


def _store(store: StoreState) -> list[RenderableType]:
    live = "nothing yet" if store.deployment is None else str(store.deployment.live)
    since = "" if store.deployment is None else f" since {store.deployment.since:%Y-%m-%d %H:%M:%S} UTC"
    intake = store.intake
    pruned = f", {intake.pruned:,} pruned" if intake.pruned else ""
    verdict = (
        styled("The ledger balances.", "green")
        if store.balances
        else styled("The ledger does NOT balance: see `missing`.", "bold red")
    )
    return [
        *([DEMO] if store.purpose is Purpose.DEMO else []),
        f"Live: {live}{since}",
        f"Store: {count(intake.stored, 'capture')}{pruned}{_reasons(', dropped', intake.dropped)}",
        outcomes_line(store.outcomes),
        "",
        _ledger(store) if store.accounts else styled("No candidate is being scored.", "yellow"),
        "",
        verdict,
    ]


def outcomes_line(known: OutcomeCounts) -> str:
    """Write the counts of outcomes as one line."""
    return (
        f"Outcomes: {known.sold:,} sold, {known.withdrawn:,} withdrawn, {known.corrections:,} corrections, "
        f"{known.unmatched:,} unmatched"
    )


def _ledger(store: StoreState) -> Table:
    """One column per candidate, so that any number of states fits a narrow terminal."""
    table = Table("Ledger", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for account in store.accounts:
        table.add_column(str(account.candidate.model), justify="right")
    columns = [_column(account, store.lags[account.candidate.id]) for account in store.accounts]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "0") for column in columns))
    return table


def _column(account: Account, lag_seconds: float) -> dict[str, str]:
    candidate = account.candidate
    facts = {
        "state": candidate.state.value,
        "policy": PolicySummary.of(candidate.policy).label,
        "sample": f"{candidate.sample:.0%}",
        "lag": f"{lag_seconds:.1f} s",
    }
    counts = {"eligible houses": account.eligible, **_states(account), "missing": account.missing}
    return facts | {name: f"{count:,}" for name, count in counts.items()}


def _states(account: Account) -> dict[str, int]:
    """Count the rows in each state, indented, and below it by reason, further indented."""
    counts = {}
    for state, rows in account.by_state().items():
        counts[f"  {state.replace('_', ' ')}"] = rows
        counts |= {f"    {reason}": count for reason, count in account.reasons(state).items()}
    return counts


def _reasons(prefix: str, counts: Mapping[str, int]) -> str:
    return (
        f"{prefix} " + ", ".join(f"{count:,} ({reason})" for reason, count in counts.items())
        if counts
        else ""
    )


def _duration(span: object) -> str:
    return str(span).split(".")[0]
