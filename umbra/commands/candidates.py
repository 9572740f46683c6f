"""`umbra candidates`: which models are scored in shadow."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from model_package import artifact
from model_package.reference import ModelRef
from monitoring import terminal
from shadow import policy
from shadow.policy import Policy
from shadow.policy_summary import Pace
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
    found = _store().candidates()
    if as_json:
        terminal.say_json([_facts(candidate) for candidate in found])
        return
    rows = [_row(candidate) for candidate in found]
    table = terminal.table(("Candidate", "State", "Sample", "Replays from", "Added", "Policy"), rows)
    terminal.show(table if rows else "No candidates. `umbra candidates add NAME@VERSION` begins one.")


@candidates.command()
@click.argument("model")
@click.option(
    "--sample",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of captures it sees; smaller shares lie inside larger ones.",
)
@click.option("--from", "replay_from", type=MOMENT, help="Score stored captures since this moment too.")
@click.option(
    "--policy",
    "policy_name",
    metavar="FILE|default|demo",
    help="What it is judged by, frozen from now on; left out, `default`, and in a demo `demo`.",
)
def add(model: str, sample: float, replay_from: datetime | None, policy_name: str | None) -> None:
    """Begin to score MODEL (NAME@VERSION) on every answered house.

    \b
    umbra candidates add gbm@2 --sample 0.25 --from 2026-11-01
    umbra candidates add gbm@2 --policy mine.toml
    """
    settings = Settings.from_environment()
    reference = ModelRef.parse(model)
    chosen = None if policy_name is None else policy.chosen(policy_name)
    artifact.verify(artifact.existing(settings.models, reference))
    with open_store(settings.store).writing() as connection:
        judged_by = _judged_by(chosen, purposes.find(connection))
        stored.add(connection, reference, sample, replay_from, datetime.now(UTC), judged_by.text)
    terminal.say(
        f"{reference} is a candidate now, judged by the policy {Pace.of(judged_by.text).words}; a running "
        "worker begins within a second."
    )


def _judged_by(chosen: Policy | None, purpose: Purpose | None) -> Policy:
    """The policy that was chosen, or the one for the purpose; real houses are not judged by the demo's."""
    if chosen is None:
        return policy.for_purpose(purpose or Purpose.REAL)
    if purpose is Purpose.REAL and chosen.sha256 == policy.for_purpose(Purpose.DEMO).sha256:
        raise stored.CandidateConflict(
            "--policy demo: a second is a day to it, which is for a demo's invented houses, and here are "
            "real ones: leave --policy out, or give a policy of your own (`umbra policy show > mine.toml`)"
        )
    return chosen


def _setter(name: str, state: CandidateState, done: str, purpose: str) -> click.Command:
    @click.command(name, help=f"{purpose}\n\nExample: umbra candidates {name} gbm@2")
    @click.argument("model")
    def change(model: str) -> None:
        reference = ModelRef.parse(model)
        with _store().writing() as connection:
            stored.set_state(connection, reference, state)
        terminal.say(f"{reference} {done}.")

    return change


for _name, _state, _done, _purpose in (
    ("pause", CandidateState.PAUSED, "is paused", "Stop scoring MODEL for now; captures wait for it."),
    ("resume", CandidateState.ACTIVE, "goes on where it stopped", "Go on scoring MODEL where it stopped."),
    ("remove", CandidateState.REMOVED, "is removed", "Score MODEL no more; its observations stay."),
):
    candidates.add_command(_setter(_name, _state, _done, _purpose))


def _store() -> Store:
    return open_store(Settings.from_environment().store)


def _row(candidate: Candidate) -> tuple[str, ...]:
    facts = _facts(candidate)
    shown = (str(facts[name] or "") for name in ("candidate", "state", "sample", "replay_from", "added_at"))
    return *shown, Pace.of(candidate.policy).words


def _facts(candidate: Candidate) -> dict[str, object]:
    replay_from, pace = candidate.replay_from, Pace.of(candidate.policy)
    return {
        "candidate": str(candidate.model),
        "state": candidate.state.value,
        "sample": candidate.sample,
        "replay_from": None if replay_from is None else replay_from.isoformat(),
        "added_at": candidate.added_at.isoformat(),
        "policy": pace.policy,
        "day_seconds": pace.day_seconds,
    }
