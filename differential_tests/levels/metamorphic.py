"""D5: relations that have to hold of one side, whatever the price: no second side is needed."""

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
    """A relation that does not hold of one house, and by how much in log units."""

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
    """Every relation on these houses, a check for each; `monotone` is what the artifact's card declares."""
    agreed = budgets() if agreed is None else agreed
    exact = [*ALWAYS, *(increasing_in(name) for name in monotone)]
    budgeted = [one for one in BUDGETED if one.field not in monotone]
    return [
        check_possible(side, houses, dataset),
        *(check_relation(side, houses, one, Budget(), dataset) for one in exact),
        *(check_relation(side, houses, one, agreed.get(one.name, Budget()), dataset) for one in budgeted),
        *(check_refusal(side, houses[:REFUSED_OF], one, dataset) for one in REFUSED),
    ]


def check_possible(side: Side, houses: Sequence[Question], dataset: str = "") -> Check:
    """Every answer is a finite number above 0."""
    started = time.monotonic()
    answers = in_requests(side, houses)
    findings = tuple(
        Finding(
            FindingKind.RELATION,
            one.id,
            PRICE,
            None,
            price_or_code(one),
            segment=one.segment,
            detail=_POSSIBLE,
        )
        for one in answers
        if not 0 < price(one) < inf
    )
    seconds = time.monotonic() - started
    return Check(Level.D5, "possible", dataset, len(answers), findings=findings, seconds=seconds)


_POSSIBLE = "expected a finite number of dollars above 0"


def check_relation(
    side: Side, houses: Sequence[Question], one: Relation, budget: Budget, dataset: str = ""
) -> Check:
    """One relation on every house that it speaks of, within its budget."""
    started = time.monotonic()
    asking = pairs(houses[:BODIES] if one.content_type else houses, one)
    if not asking:
        return Check(
            Level.D5, one.name, dataset, 0, error=f"{one.statement}: it speaks of none of the houses"
        )
    found = violations(side, asking, one)
    noticed = sum(violation.size > budget.unnoticed for violation in found)
    worst = max((violation.size for violation in found), default=0.0)
    return Check(
        Level.D5,
        one.name,
        dataset,
        len(asking),
        findings=(*_over(noticed, len(asking), one, budget), *_beyond(found, budget)),
        facts={
            "relation": one.statement,
            "broken by": f"{noticed / len(asking):.2%} of the houses, at most {worst:.4g} (log)",
            "budget": f"{budget.share:.2%}, {budget.worst:.4g}" if budget.share else "none",
        },
        seconds=time.monotonic() - started,
    )


def check_refusal(side: Side, houses: Sequence[Question], one: RefusalRelation, dataset: str = "") -> Check:
    """One way to spoil a house, on each of them."""
    started = time.monotonic()
    spoiled = [_asked(house, "spoiled", one.changed(_row(house))) for house in houses]
    answers = one_by_one(side, [question for question in spoiled if question is not None])
    findings = tuple(not_refused(answer, one) for answer in answers if not has_error_code(answer))
    seconds = time.monotonic() - started
    return Check(Level.D5, one.name, dataset, len(answers), findings=findings, seconds=seconds)


def not_refused(answer: SideAnswer, one: RefusalRelation) -> Finding:
    """What came instead of a refusal."""
    return Finding(
        FindingKind.RELATION,
        answer.id,
        PRICE,
        one.statement,
        price_or_code(answer),
        segment=answer.segment,
        detail=one.statement,
    )


def has_error_code(answer: SideAnswer) -> bool:
    """Whether it is a refusal with a code; a fault of the side itself (500) is none."""
    return not answer.failure and bool(answer.code) and answer.status < 500


def violations(side: Side, asking: Sequence[tuple[Question, Question]], one: Relation) -> list[Violation]:
    """The houses, each with its changed one, of which the relation does not hold."""
    befores = in_requests(side, [before for before, _ in asking])
    afters = in_requests(side, [after for _, after in asking])
    judged = (judge(before, after, one) for before, after in zip(befores, afters, strict=True))
    return [violation for violation in judged if violation is not None]


def judge(before: SideAnswer, after: SideAnswer, one: Relation) -> Violation | None:
    """What two answers say of a relation."""
    asked, changed = price(before), price(after)
    size = one.violation(log_ratio(asked, changed))
    if not size:
        return None
    difference = changed - asked if isfinite(changed) and isfinite(asked) else None
    percent = None if difference is None else 100 * abs(difference) / max(abs(changed), abs(asked))
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
            one.statement,
        ),
    )


def log_ratio(asked: float, changed: float) -> float:
    """ln(changed / asked); NaN where either is no amount."""
    return log(changed / asked) if 0 < asked < inf and 0 < changed < inf else float("nan")


def price(answer: SideAnswer) -> float:
    """Dollars; NaN where there is no number."""
    found = price_or_code(answer)
    return float(found) if isinstance(found, int | float) else float("nan")


def price_or_code(answer: SideAnswer) -> Any:
    """The price, or what came in its place, in words."""
    if answer.failure or answer.code:
        return answer.failure or answer.code
    # A body has a list of answers, of one house here.
    value = answer.value[0] if isinstance(answer.value, list) and len(answer.value) == 1 else answer.value
    try:
        return value_at(PRICE, value)
    except LookupError:
        return value


def pairs(houses: Iterable[Question], one: Relation) -> list[tuple[Question, Question]]:
    """The houses that a relation speaks of, each with the changed one."""
    found = ((house, _asked(house, "ordinary", one.start(_row(house)))) for house in houses)
    both = [
        (start, _asked(house, "ordinary", one.changed(_row(start)), one.content_type))
        for house, start in found
        if start is not None
    ]
    return [(start, changed) for start, changed in both if changed is not None]


def _row(house: Question) -> Row:
    if house.row is None:
        raise ValueError(f"question {house.id}: expected one with a row, to change it")
    return dict(house.row)


def _asked(house: Question, kind: str, changed: Row | str | None, content_type: str = "") -> Question | None:
    if changed is None:
        return None
    if isinstance(changed, str):
        return Question(house.id, kind, house.segment, body=changed, content_type=content_type)
    return Question(house.id, kind, house.segment, row=changed)


def _over(noticed: int, houses: int, one: Relation, budget: Budget) -> list[Finding]:
    if not budget.share or not exceeds(noticed, houses, budget.share):
        return []
    detail = f"{one.statement}: broken by {noticed} of {houses} houses, {budget.share:.2%} are allowed"
    return [Finding(FindingKind.BUDGET, "all", PRICE, budget.share, noticed / houses, detail=detail)]


def _beyond(found: Iterable[Violation], budget: Budget) -> list[Finding]:
    """The worst first."""
    beyond = sorted((one for one in found if one.size > budget.worst), key=lambda one: -one.size)
    return [one.finding for one in beyond]
