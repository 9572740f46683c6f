"""`umbra promote`, `umbra rollback`, `umbra deployments`: decide who is live, and look at who decided."""

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
@click.option("--override", is_flag=True, help="In spite of the verdict; needs --reason, and is recorded.")
@click.option("--reason", help="Why, for the records.")
def promote(model: str, override: bool, reason: str | None) -> None:
    """Make the candidate MODEL (NAME@VERSION) the live model.

    Refused unless its verdict is PROMOTE at this moment. Every API process answers with it within two
    seconds; the model that was live becomes a candidate, so that the way back stays warm and judged. Exits
    1 when refused.

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


@click.command(short_help="Make live again what was live before.")
@click.option("--to", metavar="NAME@VERSION", help="Any model that was ever live; else the one before.")
@click.option("--reason", required=True, help="Why, for the records.")
def rollback(to: str | None, reason: str) -> None:
    """Make live again what was live before. No verdict is asked.

    Rolling back again goes further back, to what was live before the model that is live then, and never forth
    to what was rolled back from; with nothing before it, it is refused (exit 1). With --to it is safe to
    repeat.

    \b
    umbra rollback --reason "complaints from Somerset"
    umbra rollback --to linear@1 --reason "back to where we were in October"
    """
    settings, decision = Settings.from_environment(), _decision(reason)
    recipes.register(settings.recipe_modules)
    target = None if to is None else ModelRef.parse(to)
    _say(rollout.rollback(open_store(settings.store), settings.models, decision, target), "")


@click.command(short_help="Who was live, since when, by whom and why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deployments(as_json: bool) -> None:
    """List every deployment there ever was, the newest last: who decided, why, on what verdict and artifact.

    \b
    umbra deployments
    umbra deployments --json | jq '.[-1].live'
    """
    with open_store(Settings.from_environment().store).reading() as connection:
        history = stored.history(connection)
    if as_json:
        terminal.say_json([deployment.view() for deployment in history])
        return
    columns = ("Since (UTC)", "Kind", "Live", "Verdict", "By", "Reason", "Artifact", "Policy")
    table = terminal.table(columns, map(_row, history))
    terminal.show(table if history else "No deployment yet. `umbra prepare` makes the first one.")


def _decision(reason: str | None) -> Decision:
    return Decision(operator_name(), reason or _BY_VERDICT, datetime.now(UTC))


def _say(deployment: Deployment, how: str) -> None:
    terminal.say(
        f"{deployment.live} is live{how} (deployment {deployment.id}); every API process answers with it "
        "within two seconds. What was live is a candidate now."
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
