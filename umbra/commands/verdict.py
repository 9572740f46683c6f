"""`umbra verdict`: the verdict on a candidate, rule by rule."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table

from model_package.reference import ModelRef
from monitoring import terminal
from monitoring.terminal import styled
from shadow.evidence.judgement import judge
from shadow.json_shapes import from_json
from shadow.policy_summary import PolicySummary
from shadow.records import VerdictState
from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.streams import NotJudged, documents
from shadow.store.streams.documents import DocumentKind
from shadow.verdict import verdict_json
from shadow.verdict.shapes import (
    NeededEntry,
    PolicyEntry,
    RollbackEntry,
    RuleEntry,
    SegmentEntry,
    VerdictDocument,
)
from umbra.moment import MOMENT

_EXIT_NOT_PROMOTE = 3
_VERDICT: tuple[DocumentKind, ...] = ("verdict",)
_OVER = styled("Over: the candidate was removed or another model is live. It stood as follows.", "bold")
_STATE_STYLES = {"promote": "bold green", "reject": "bold red", "blocked": "bold red"}
_RESULT_STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


@click.command(short_help="Print the verdict on a candidate, rule by rule.")
@click.argument("candidate")
@click.option("--json", "as_json", is_flag=True, help="Print the whole verdict as JSON.")
@click.option(
    "--as-of", type=MOMENT, help="Judge as of an earlier moment, from what had been recorded by then."
)
@click.option("--exit-code", is_flag=True, help="Exit with 3 unless the verdict is promote.")
def verdict(candidate: str, as_json: bool, as_of: datetime | None, exit_code: bool) -> None:
    """Judge CANDIDATE (NAME@VERSION) by its policy and what is known now.

    States: promote, continue, reject, blocked, insufficient, expired. Exits with 0 when there is a verdict,
    whichever it is; with --exit-code only for promote. Of a model that is no candidate any more it prints
    the last verdict.

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
        body, is_over = _current_or_last(store, settings, model, as_of)
    finally:
        store.close()
    document = from_json(VerdictDocument, body)
    if as_json:
        terminal.print_json(body | {"over": is_over})
    else:
        terminal.show(Group(*([_OVER] if is_over else []), render(document)))
    advises = document.state == VerdictState.PROMOTE and not is_over
    sys.exit(0 if advises or not exit_code else _EXIT_NOT_PROMOTE)


def _current_or_last(
    store: Store, settings: Settings, model: ModelRef, moment: datetime | None
) -> tuple[dict[str, Any], bool]:
    """Judge now, or read the last verdict of a stream that is over; the flag says which."""
    try:
        return verdict_json(judge(store, settings.models, model, datetime.now(UTC), moment)), False
    except NotJudged:
        with store.reading() as connection:
            last = documents.of_newest_stream(connection, model, _VERDICT, settings.masked_fields)
        if moment is not None or last is None or not last.is_over or not last.documents:
            raise
        return dict(last.documents["verdict"].body), True


def render(document: VerdictDocument) -> RenderableType:
    """Lay out a verdict's document for a terminal."""
    state = styled(document.state.upper(), _STATE_STYLES.get(document.state, "bold yellow"))
    head = styled(f"{document.candidate} against {document.live}: ").append_text(state)
    head.append_text(styled(f" since {document.since[:19]} UTC"))
    judged_by = styled(f"judged by the policy {_pace(document.policy)}")
    blocks: list[RenderableType] = [head, judged_by, *_bullets(document.reasons), ""]
    if document.rollback is not None:
        blocks += [*_rollback(document.rollback), ""]
    blocks += [_rules(document.rules), ""]
    if document.segments:
        blocks += [_segments(document.segments), ""]
    return Group(*blocks, *_numbers(document))


def _bullets(reasons: Sequence[str]) -> list[str]:
    return [f"  - {reason}" for reason in reasons]


def _pace(policy: PolicyEntry) -> str:
    return PolicySummary(policy.name, policy.day_seconds).label


def _rollback(advice: RollbackEntry) -> list[RenderableType]:
    if not advice.alarm:
        return [styled("Watched since the promotion: no reason to roll back.", "green")]
    return [styled("ROLL BACK: `umbra rollback`", "bold red"), *_bullets(advice.because)]


def _rules(rules: Sequence[RuleEntry]) -> Table:
    rows = []
    for rule in rules:
        result = styled(rule.result, _RESULT_STYLES[rule.result])
        rows.append(
            (rule.title, _number(rule.value), _number(rule.threshold), rule.unit, result, rule.detail)
        )
    return terminal.table(("Rule", "Value", "Threshold", "Unit", "Result", ""), rows)


def _segments(segments: Sequence[SegmentEntry]) -> Table:
    rows = [
        (
            segment.segment,
            _count(segment.pairs),
            _count(segment.sold),
            _number(segment.mean),
            _number(segment.ln_e),
            segment.result,
        )
        for segment in segments
    ]
    return terminal.table(("Segment", "Pairs", "Sold", "Mean", "ln E", ""), rows)


def _numbers(document: VerdictDocument) -> list[str]:
    """List what the verdict rests on, and what is likely to be needed still."""
    counts, mark, difference = document.counts, document.watermark, document.difference
    preview, policy = document.preliminary, document.policy
    return [
        f"Difference    {_number(difference.mean)} log units, between {_number(difference.lower)} and "
        f"{_number(difference.upper)} (positive: the candidate is better; margin {policy.margin:.5f})",
        f"Mature days   {_count(counts.days)} up to {mark.date or 'none yet'}: {_count(counts.sold)} sold, "
        f"{_count(counts.unsold)} not yet, {_count(counts.withdrawn)} withdrawn",
        f"Needed        {document.needed.words or _needed(document.needed)}",
        f"Not excluded  {_not_excluded(document)}",
        f"Tipping point {_tipping_point(document.tipping_point)}",
        f"Preliminary   {_count(preview.sold)} sold on days not mature yet, mean {_number(preview.mean)}",
        f"Policy        {policy.name} {policy.sha256[:12]}, alpha {policy.alpha:.4g}",
    ]


def _needed(needed: NeededEntry) -> str:
    """Write the sentence of a document of 0.1.0, which has none."""
    if needed.houses_50 is None:
        return "not foreseeable"
    days = "unknown" if needed.days is None else f"about {needed.days:,}"
    return f"{needed.houses_50:,} more houses (half of cases) to {needed.houses_90:,}; days: {days}"


def _not_excluded(document: VerdictDocument) -> str:
    if not document.counts.days:
        return "nothing yet: no mature day has a sold house"
    return f"bad days in {document.bad_day_rate_not_excluded:.1%} of days"


def _tipping_point(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%} of the missing outcomes at their worst"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4f}"
