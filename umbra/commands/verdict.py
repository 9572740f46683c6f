"""`umbra verdict`: what the evidence says of a candidate, rule by rule."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table

from model_package.reference import ModelRef
from monitoring import terminal
from monitoring.terminal import styled
from shadow.evidence.facts import judge
from shadow.policy_summary import PolicySummary
from shadow.records import VerdictState
from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.streams import NotJudged, documents
from shadow.store.streams.documents import DocumentKind
from umbra.moment import MOMENT

_EXIT_NOT_PROMOTE = 3
_VERDICT: tuple[DocumentKind, ...] = ("verdict",)
_OVER = styled("Over: the candidate was removed or another model is live. It stood as follows.", "bold")
_STATE_STYLES = {"promote": "bold green", "reject": "bold red", "blocked": "bold red"}
_RESULT_STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


@click.command(short_help="What the evidence says of a candidate, rule by rule.")
@click.argument("candidate")
@click.option("--json", "as_json", is_flag=True, help="Print the whole verdict as JSON.")
@click.option("--as-of", type=MOMENT, help="What it was then, from what had been recorded by then.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 unless the verdict is promote.")
def verdict(candidate: str, as_json: bool, as_of: datetime | None, exit_code: bool) -> None:
    """Judge CANDIDATE (NAME@VERSION) by its policy and what is known now.

    States: promote, continue, reject, blocked, insufficient, expired. Exits with 0 when there is a verdict,
    whichever it is; with --exit-code only for promote. Of what is no candidate any more it shows where it
    stood.

    \b
    umbra verdict gbm@2
    umbra verdict gbm@2 --json | jq -r '.reasons[]'
    umbra verdict gbm@2 --as-of 2026-11-01
    umbra verdict gbm@2 --exit-code && echo promote it
    """
    settings = Settings.from_environment()
    model = ModelRef.parse(candidate)
    store = open_store(settings.store)
    try:
        told, is_over = _told(store, settings, model, as_of)
    finally:
        store.close()
    if as_json:
        terminal.say_json(told | {"over": is_over})
    else:
        terminal.show(Group(*([_OVER] if is_over else []), render(told)))
    advises = told["state"] == VerdictState.PROMOTE and not is_over
    sys.exit(0 if advises or not exit_code else _EXIT_NOT_PROMOTE)


def _told(
    store: Store, settings: Settings, model: ModelRef, moment: datetime | None
) -> tuple[dict[str, Any], bool]:
    """Judge now, or read what was said last of a stream that is over; the flag says which."""
    try:
        return judge(store, settings.models, model, datetime.now(UTC), moment).as_json(), False
    except NotJudged:
        with store.reading() as connection:
            dossier = documents.of_newest_stream(connection, model, _VERDICT, settings.masked_fields)
        if moment is not None or dossier is None or not dossier.is_over or not dossier.documents:
            raise
        return dict(dossier.documents["verdict"].body), True


def render(told: dict[str, Any]) -> RenderableType:
    """A verdict's document as people read it."""
    state = styled(told["state"].upper(), _STATE_STYLES.get(told["state"], "bold yellow"))
    head = styled(f"{told['candidate']} against {told['live']}: ").append_text(state)
    head.append_text(styled(f" since {told['since'][:19]} UTC"))
    judged_by = styled(f"judged by the policy {_pace(told['policy'])}")
    parts: list[RenderableType] = [head, judged_by, *(f"  - {reason}" for reason in told["reasons"]), ""]
    if told["rollback"] is not None:
        parts += [*_rollback(told["rollback"]), ""]
    parts += [_rules(told["rules"]), ""]
    if told["segments"]:
        parts += [_segments(told["segments"]), ""]
    return Group(*parts, *_facts(told))


def _pace(policy: dict[str, Any]) -> str:
    return PolicySummary(policy["name"], policy["day_seconds"]).label


def _rollback(rollback: dict[str, Any]) -> list[RenderableType]:
    if not rollback["alarm"]:
        return [styled("Watched since the promotion: no reason to roll back.", "green")]
    because = (f"  - {reason}" for reason in rollback["because"])
    return [styled("ROLL BACK: `umbra rollback`", "bold red"), *because]


def _rules(rules: list[dict[str, Any]]) -> Table:
    rows = []
    for rule in rules:
        result = styled(rule["result"], _RESULT_STYLES[rule["result"]])
        numbers = (_number(rule["value"]), _number(rule["threshold"]))
        rows.append((rule["title"], *numbers, rule["unit"], result, rule["detail"]))
    return terminal.table(("Rule", "Value", "Threshold", "Unit", "Result", ""), rows)


def _segments(segments: list[dict[str, Any]]) -> Table:
    rows = []
    for one in segments:
        counts = (f"{one['pairs']:,}", f"{one['sold']:,}")
        rows.append((one["segment"], *counts, _number(one["mean"]), _number(one["ln_e"]), one["result"]))
    return terminal.table(("Segment", "Pairs", "Sold", "Mean", "ln E", ""), rows)


def _facts(told: dict[str, Any]) -> list[str]:
    """What the numbers rest on, and what is likely needed still."""
    counts, mark, difference = told["counts"], told["watermark"], told["difference"]
    preview, policy_ = told["preliminary"], told["policy"]
    return [
        f"Difference    {_number(difference['mean'])} log units, between {_number(difference['lower'])} and "
        f"{_number(difference['upper'])} (positive: the candidate is better; margin {policy_['margin']:.5f})",
        f"Mature days   {counts['days']} up to {mark['date'] or 'none yet'}: {counts['sold']:,} sold, "
        f"{counts['unsold']:,} not yet, {counts['withdrawn']:,} withdrawn",
        f"Needed        {told['needed'].get('words') or _needed(told['needed'])}",
        f"Not excluded  {_not_excluded(told)}",
        f"Tipping point {_tipping(told['tipping_point'])}",
        f"Preliminary   {preview['sold']:,} sold on days not mature yet, mean {_number(preview['mean'])}",
        f"Policy        {policy_['name']} {policy_['sha256'][:12]}, alpha {policy_['alpha']:.4g}",
    ]


def _needed(needed: dict[str, Any]) -> str:
    """Of a document that 0.1.0 left, which has no words of its own."""
    if needed["houses_50"] is None:
        return "not foreseeable"
    days = "unknown" if needed["days"] is None else f"about {needed['days']:,}"
    return f"{needed['houses_50']:,} more houses (half of cases) to {needed['houses_90']:,}; days: {days}"


def _not_excluded(told: dict[str, Any]) -> str:
    if not told["counts"]["days"]:
        return "nothing yet: no mature day has a sold house"
    return f"bad days in {told['bad_day_rate_not_excluded']:.1%} of days"


def _tipping(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%} of the missing outcomes at their worst"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4f}"
