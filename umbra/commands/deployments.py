"""`umbra promote`, `umbra rollback`, `umbra deployments`: decide which model is live, and list decisions."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from model_package import recipes
from model_package.reference import ModelRef
from monitoring import terminal
from shadow import rollout
from shadow.evidence.decision_basis import decision_basis
from shadow.records import Deployment
from shadow.rollout import Decision
from shadow.settings import Settings
from shadow.store import deployments as stored
from shadow.store import open_store
from umbra.operator import operator_name

_BY_VERDICT = "the verdict is promote"
_HASH_CHARACTERS = 12


@click.command(short_help="Make a candidate the live model.")
@click.argument("model")
@click.option(
    "--override", is_flag=True, help="Promote in spite of the verdict; needs --reason, and is recorded."
)
@click.option("--reason", help="The reason, for the records.")
def promote(model: str, override: bool, reason: str | None) -> None:
    """Make the candidate MODEL (NAME@VERSION) the live model.

    Refuses (exit 1) unless its verdict is PROMOTE at this moment. Every API process answers with it within
    two seconds; the previous live model becomes a candidate, so that the way back stays warm and judged.

    \b
    umbra promote gbm@1
    umbra promote gbm@1 --override --reason "the live model misprices new houses"
    """
    if override and not reason:
        raise click.UsageError("--override needs --reason: why in spite of the verdict?")
    settings, candidate, decision = Settings.from_environment(), ModelRef.parse(model), _decision(reason)
    recipes.register(settings.recipe_modules)
    store = open_store(settings.store)
    deployment = rollout.promote(
        store,
        settings.models,
        candidate,
        lambda: decision_basis(store, settings.models, candidate, decision.at),
        decision,
        override=override,
    )
    how = f", in spite of the verdict {deployment.verdict_state}" if deployment.overridden else ""
    _say(deployment, how)


@click.command(short_help="Make the previous live model live again.")
@click.option("--to", metavar="NAME@VERSION", help="Any model that was ever live; default: the previous one.")
@click.option("--reason", required=True, help="The reason, for the records.")
def rollback(to: str | None, reason: str) -> None:
    """Make the previous live model live again, whatever its verdict.

    A second rollback goes further back, to the model before that one, and never forth to a model that was
    rolled back from. Refuses (exit 1) when there is no earlier model. With --to it is safe to repeat.

    \b
    umbra rollback --reason "complaints from Somerset"
    umbra rollback --to linear@1 --reason "back to where we were in October"
    """
    settings, decision = Settings.from_environment(), _decision(reason)
    recipes.register(settings.recipe_modules)
    target = None if to is None else ModelRef.parse(to)
    _say(rollout.rollback(open_store(settings.store), settings.models, decision, target), "")


@click.command(short_help="List which models were live, since when, by whom and why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deployments(as_json: bool) -> None:
    """List all deployments, the newest last: who decided, why, on what verdict and artifact.

    \b
    umbra deployments
    umbra deployments --json | jq '.[-1].live'
    """
    with open_store(Settings.from_environment().store).reading() as connection:
        history = stored.history(connection)
    if as_json:
        terminal.print_json([deployment.view() for deployment in history])
        return
    columns = ("Since (UTC)", "Kind", "Live", "Verdict", "By", "Reason", "Artifact", "Policy")
    table = terminal.table(columns, map(_row, history))
    terminal.show(table if history else "No deployment yet. `umbra prepare` makes the first one.")


def _decision(reason: str | None) -> Decision:
    return Decision(operator_name(), reason or _BY_VERDICT, datetime.now(UTC))


def _say(deployment: Deployment, how: str) -> None:
    terminal.say(
        f"{deployment.live} is live{how} (deployment {deployment.id}); every API process answers with it "
        "within two seconds. The previous live model is a candidate now."
    )


def _row(deployment: Deployment) -> tuple[str, ...]:
    verdict = f"{deployment.verdict_state or '-'}{' (overridden)' if deployment.overridden else ''}"
    hashes = deployment.artifact_digest, deployment.policy_sha256
    return (
        f"{deployment.since:%Y-%m-%d %H:%M:%S}",
        deployment.kind.value,
        str(deployment.live),
        verdict,
        deployment.by,
        deployment.reason,
        *((digest or "-")[:_HASH_CHARACTERS] for digest in hashes),
    )
