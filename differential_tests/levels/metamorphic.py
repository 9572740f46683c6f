"""D5: metamorphic relations that one side has to satisfy at any price."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log
from typing import Any

from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.levels.prices import PRICE
from differential_tests.levels.significance import exceeds
from differential_tests.questions import Question
from differential_tests.recording.strategies import in_requests, one_by_one
from differential_tests.relations import (
    ALWAYS,
    BUDGETED,
    REFUSED,
    Budget,
    RefusalRelation,
    Relation,
    budgets,
    increasing_in,
)
from differential_tests.run_file import SideAnswer
from differential_tests.sides import Side
from differential_tests.sides.mapping import value_at
from model_package.schema import Row

BODIES, REFUSED_OF = 100, 20
"""Houses that are sent as bodies, and that are spoiled in every way: each is a request of its own."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A relation that one house breaks, and by how much in log units."""

    size: float
    finding: Finding


def relations(
    side: Side,
    houses: Sequence[Question],
    *,
    monotone: Collection[str] = (),
    agreed: Mapping[str, Budget] | None = None,
    dataset: str = "",
) -> list[Check]:
    """Check every relation on these houses; the artifact's card declares `monotone`."""
    agreed = budgets() if agreed is None else agreed
    exact = [*ALWAYS, *(increasing_in(name) for name in monotone)]
    budgeted = [relation for relation in BUDGETED if relation.field not in monotone]
    return [
        check_possible(side, houses, dataset),
        *(check_relation(side, houses, relation, Budget(), dataset) for relation in exact),
        *(
            check_relation(side, houses, relation, agreed.get(relation.name, Budget()), dataset)
            for relation in budgeted
        ),
        *(check_refusal(side, houses[:REFUSED_OF], refusal, dataset) for refusal in REFUSED),
    ]


def check_possible(side: Side, houses: Sequence[Question], dataset: str = "") -> Check:
    """Check that every answer is a finite number above 0."""
    started = time.monotonic()
    answers = in_requests(side, houses)
    findings = tuple(
        Finding(
            FindingKind.RELATION,
            answer.id,
            PRICE,
            None,
            price_or_code(answer),
            segment=answer.segment,
            detail=_POSSIBLE,
        )
        for answer in answers
        if not 0 < price(answer) < inf
    )
    seconds = time.monotonic() - started
    return Check(Level.D5, "possible", dataset, len(answers), findings=findings, seconds=seconds)


_POSSIBLE = "expected a finite number of dollars above 0"


def check_relation(
    side: Side, houses: Sequence[Question], relation: Relation, budget: Budget, dataset: str = ""
) -> Check:
    """Check a relation on every house it applies to, within its budget."""
    started = time.monotonic()
    asked_pairs = pairs(houses[:BODIES] if relation.content_type else houses, relation)
    if not asked_pairs:
        return Check(
            Level.D5,
            relation.name,
            dataset,
            0,
            error=f"{relation.statement}: it speaks of none of the houses",
        )
    broken = violations(side, asked_pairs, relation)
    noticed = sum(violation.size > budget.unnoticed for violation in broken)
    worst = max((violation.size for violation in broken), default=0.0)
    return Check(
        Level.D5,
        relation.name,
        dataset,
        len(asked_pairs),
        findings=(
            *_over_budget(noticed, len(asked_pairs), relation, budget),
            *_worst_findings(broken, budget),
        ),
        facts={
            "relation": relation.statement,
            "broken by": f"{noticed / len(asked_pairs):.2%} of the houses, at most {worst:.4g} (log)",
            "budget": f"{budget.share:.2%}, {budget.worst:.4g}" if budget.share else "none",
        },
        seconds=time.monotonic() - started,
    )


def check_refusal(
    side: Side, houses: Sequence[Question], refusal: RefusalRelation, dataset: str = ""
) -> Check:
    """Check that each house, spoiled in one way, is refused."""
    started = time.monotonic()
    spoiled = [_changed_question(house, "spoiled", refusal.changed(_row(house))) for house in houses]
    answers = one_by_one(side, [question for question in spoiled if question is not None])
    findings = tuple(not_refused(answer, refusal) for answer in answers if not has_error_code(answer))
    seconds = time.monotonic() - started
    return Check(Level.D5, refusal.name, dataset, len(answers), findings=findings, seconds=seconds)


def not_refused(answer: SideAnswer, refusal: RefusalRelation) -> Finding:
    """Report the answer that came instead of a refusal."""
    return Finding(
        FindingKind.RELATION,
        answer.id,
        PRICE,
        refusal.statement,
        price_or_code(answer),
        segment=answer.segment,
        detail=refusal.statement,
    )


def has_error_code(answer: SideAnswer) -> bool:
    """Return whether an answer is a refusal with a code; a server error (500) is none."""
    return not answer.failure and bool(answer.code) and answer.status < 500


def violations(
    side: Side, asked_pairs: Sequence[tuple[Question, Question]], relation: Relation
) -> list[Violation]:
    """Return a violation for each pair of questions that breaks the relation."""
    befores = in_requests(side, [before for before, _ in asked_pairs])
    afters = in_requests(side, [after for _, after in asked_pairs])
    judged = (judge(before, after, relation) for before, after in zip(befores, afters, strict=True))
    return [violation for violation in judged if violation is not None]


def judge(before: SideAnswer, after: SideAnswer, relation: Relation) -> Violation | None:
    """Judge two answers by a relation."""
    original, changed = price(before), price(after)
    size = relation.violation(log_ratio(original, changed))
    if not size:
        return None
    difference = changed - original if isfinite(changed) and isfinite(original) else None
    percent = None if difference is None else 100 * abs(difference) / max(abs(changed), abs(original))
    return Violation(
        size,
        Finding(
            FindingKind.RELATION,
            before.id,
            PRICE,
            price_or_code(before),
            price_or_code(after),
            difference,
            percent,
            before.segment,
            relation.statement,
        ),
    )


def log_ratio(original: float, changed: float) -> float:
    """Return ln(changed / original); NaN if either is no amount."""
    return log(changed / original) if 0 < original < inf and 0 < changed < inf else float("nan")


def price(answer: SideAnswer) -> float:
    """Return the price in dollars; NaN without a number."""
    value = price_or_code(answer)
    return float(value) if isinstance(value, int | float) else float("nan")


def price_or_code(answer: SideAnswer) -> Any:
    """Return the price, or the failure, code or value that came instead."""
    if answer.failure or answer.code:
        return answer.failure or answer.code
    # A body has a list of answers, of one house here.
    value = answer.value[0] if isinstance(answer.value, list) and len(answer.value) == 1 else answer.value
    try:
        return value_at(PRICE, value)
    except LookupError:
        return value


def pairs(houses: Iterable[Question], relation: Relation) -> list[tuple[Question, Question]]:
    """Pair each house that a relation applies to with its changed copy."""
    starts = ((house, _changed_question(house, "ordinary", relation.start(_row(house)))) for house in houses)
    changes = [
        (start, _changed_question(house, "ordinary", relation.changed(_row(start)), relation.content_type))
        for house, start in starts
        if start is not None
    ]
    return [(start, changed) for start, changed in changes if changed is not None]


def _row(house: Question) -> Row:
    if house.row is None:
        raise ValueError(f"question {house.id}: expected one with a row, to change it")
    return dict(house.row)


def _changed_question(
    house: Question, kind: str, changed: Row | str | None, content_type: str = ""
) -> Question | None:
    if changed is None:
        return None
    if isinstance(changed, str):
        return Question(house.id, kind, house.segment, body=changed, content_type=content_type)
    return Question(house.id, kind, house.segment, row=changed)


def _over_budget(noticed: int, houses: int, relation: Relation, budget: Budget) -> list[Finding]:
    if not budget.share or not exceeds(noticed, houses, budget.share):
        return []
    detail = f"{relation.statement}: broken by {noticed} of {houses} houses, {budget.share:.2%} are allowed"
    return [Finding(FindingKind.BUDGET, "all", PRICE, budget.share, noticed / houses, detail=detail)]


def _worst_findings(violations: Iterable[Violation], budget: Budget) -> list[Finding]:
    """Return violations beyond the budget, the worst first."""
    beyond = sorted(
        (violation for violation in violations if violation.size > budget.worst),
        key=lambda violation: -violation.size,
    )
    return [violation.finding for violation in beyond]
