"""`umbra candidates`: list and change the models that are scored in shadow."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from model_package import artifact
from model_package.reference import ModelRef
from monitoring import terminal
from shadow import policy
from shadow.policy import Policy
from shadow.policy_summary import PolicySummary
from shadow.records import Candidate, CandidateState, Purpose
from shadow.settings import Settings
from shadow.store import Store, open_store, purposes
from shadow.store import candidates as stored
from umbra.moment import MOMENT


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def candidates(context: click.Context, as_json: bool) -> None:
    """List, add, pause, resume or remove candidates.

    \b
    umbra candidates add gbm@2 --sample 0.25
    umbra candidates add gbm@2 --from 2026-11-01     replay history first
    umbra candidates add gbm@2 --policy mine.toml    see `umbra policy`
    umbra candidates pause gbm@2
    """
    if context.invoked_subcommand is not None:
        return
    listed = _store().candidates()
    if as_json:
        terminal.print_json([_facts(candidate) for candidate in listed])
        return
    rows = [_row(candidate) for candidate in listed]
    table = terminal.table(("Candidate", "State", "Sample", "Replays from", "Added", "Policy"), rows)
    terminal.show(table if rows else "No candidates. `umbra candidates add NAME@VERSION` adds one.")


@candidates.command()
@click.argument("model")
@click.option(
    "--sample",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of captures that it scores; smaller shares lie inside larger ones.",
)
@click.option("--from", "replay_from", type=MOMENT, help="Score stored captures since this moment too.")
@click.option(
    "--policy",
    "policy_name",
    metavar="FILE|default|demo",
    help="The policy that judges it, frozen from now on; left out, `default`, and in a demo `demo`.",
)
def add(model: str, sample: float, replay_from: datetime | None, policy_name: str | None) -> None:
    """Score MODEL (NAME@VERSION) on every capture from now on.

    \b
    umbra candidates add gbm@2 --sample 0.25 --from 2026-11-01
    umbra candidates add gbm@2 --policy mine.toml
    """
    settings = Settings.from_environment()
    reference = ModelRef.parse(model)
    chosen = None if policy_name is None else policy.load(policy_name)
    artifact.verify(artifact.existing(settings.models, reference))
    with open_store(settings.store).writing() as connection:
        judged_by = _judged_by(chosen, purposes.find(connection))
        stored.add(connection, reference, sample, replay_from, datetime.now(UTC), judged_by.text)
    terminal.say(
        f"{reference} is a candidate now, judged by the policy {PolicySummary.of(judged_by.text).label}; "
        "a running worker begins within a second."
    )


def _judged_by(chosen: Policy | None, purpose: Purpose | None) -> Policy:
    """Return the chosen policy, or the one for the purpose; the demo's policy never judges real houses."""
    if chosen is None:
        return policy.for_purpose(purpose or Purpose.REAL)
    if purpose is Purpose.REAL and chosen.sha256 == policy.for_purpose(Purpose.DEMO).sha256:
        raise stored.CandidateConflict(
            "--policy demo: a day takes a second in it, for a demo's invented houses, and these houses "
            "are real: leave --policy out, or give a policy of your own (`umbra policy show > mine.toml`)"
        )
    return chosen


def _state_command(name: str, state: CandidateState, message: str, purpose: str) -> click.Command:
    @click.command(name, help=f"{purpose}\n\nExample: umbra candidates {name} gbm@2")
    @click.argument("model")
    def change(model: str) -> None:
        reference = ModelRef.parse(model)
        with _store().writing() as connection:
            stored.set_state(connection, reference, state)
        terminal.say(f"{reference} {message}.")

    return change


for _name, _state, _message, _purpose in (
    ("pause", CandidateState.PAUSED, "is paused", "Stop scoring MODEL for now; captures wait for it."),
    ("resume", CandidateState.ACTIVE, "goes on where it stopped", "Resume scoring MODEL where it stopped."),
    ("remove", CandidateState.REMOVED, "is removed", "Stop scoring MODEL for good; its observations stay."),
):
    candidates.add_command(_state_command(_name, _state, _message, _purpose))


def _store() -> Store:
    return open_store(Settings.from_environment().store)


def _row(candidate: Candidate) -> tuple[str, ...]:
    facts = _facts(candidate)
    cells = (str(facts[name] or "") for name in ("candidate", "state", "sample", "replay_from", "added_at"))
    return *cells, PolicySummary.of(candidate.policy).label


def _facts(candidate: Candidate) -> dict[str, object]:
    replay_from, summary = candidate.replay_from, PolicySummary.of(candidate.policy)
    return {
        "candidate": str(candidate.model),
        "state": candidate.state.value,
        "sample": candidate.sample,
        "replay_from": None if replay_from is None else replay_from.isoformat(),
        "added_at": candidate.added_at.isoformat(),
        "policy": summary.name,
        "day_seconds": summary.day_seconds,
    }
