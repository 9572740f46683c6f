"""D5 with houses from hypothesis: exact relations, and the worst disagreement of two models.

The same examples each time (`derandomize`); a house that breaks a relation is made as plain as it can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings, strategies, target
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from differential_tests.findings import Check, Finding, Level
from differential_tests.levels.metamorphic import has_error_code, judge, log_ratio, not_refused, pairs, price
from differential_tests.questions import Question
from differential_tests.recording.strategies import one_by_one
from differential_tests.relations import ALWAYS, REFUSED, Relation, increasing_in
from differential_tests.relations.houses import house
from differential_tests.sides import Side
from model_package.schema import Row

EXAMPLES = 200
MOST_HOUSES = 5


class Broken(AssertionError):
    """A relation that these houses break."""

    def __init__(self, finding: Finding, houses: Sequence[Row]) -> None:
        super().__init__(finding.detail)
        self.finding, self.houses = finding, houses


@dataclass(slots=True)
class SearchResult:
    """A check, and the houses that broke it, for a corpus."""

    check: Check
    houses: list[Question] = field(default_factory=list)


def search_relations(
    side: Side, ordinary: Sequence[Row], *, monotone: Collection[str] = (), examples: int = EXAMPLES
) -> SearchResult:
    """Search for a house that breaks an exact relation or a refusal."""
    exact = [*ALWAYS, *(increasing_in(name) for name in monotone)]

    def holds(row: Row) -> None:
        for finding in _broken_relations(side, row, exact):
            raise Broken(finding, [row])

    return _search("any house", house(ordinary), holds, examples)


def search_company(side: Side, ordinary: Sequence[Row], *, examples: int = EXAMPLES) -> SearchResult:
    """Search for a request in which an answer depends on more than its own house."""

    def holds(rows: list[Row]) -> None:
        questions = _questions(rows)
        together = side.ask(questions)
        others = {
            "alone": one_by_one(side, questions),
            "in another order": list(reversed(side.ask(questions[::-1]))),
            "twice": side.ask([*questions, *questions])[len(rows) :],
        }
        for variation, answers in others.items():
            for answer, varied in zip(together, answers, strict=True):
                if violation := judge(
                    answer, varied, Relation(variation, f"asked {variation}, the answer is the same", dict)
                ):
                    raise Broken(violation.finding, rows)

    several = strategies.lists(house(ordinary), min_size=2, max_size=MOST_HOUSES)
    return _search("any company", several, holds, examples)


def search_disagreement(
    live: Side, candidate: Side, ordinary: Sequence[Row], *, examples: int = EXAMPLES
) -> SearchResult:
    """Search for the house on which two models differ most: facts of D4, never a finding."""
    worst: list[tuple[float, Row]] = []

    def climb(row: Row) -> None:
        gap = _gap(row, live, candidate)
        if isfinite(gap):
            target(gap)
            worst[:] = [max([*worst, (gap, row)], key=lambda candidate: candidate[0])]

    result = _search("worst disagreement", house(ordinary), climb, examples, Level.D4)
    if not worst:
        return SearchResult(
            replace(result.check, error="the two models answered none of the houses that were tried")
        )
    (gap, row), *_ = worst
    changed = _difference_text(row, ordinary)
    facts = {"largest |ln ratio|": f"{gap:.4g}", "an ordinary house, but": changed or "nothing"}
    return SearchResult(replace(result.check, facts=facts), [Question("disagreement", "given", row=row)])


def _gap(row: Row, live: Side, candidate: Side) -> float:
    """Return |ln(candidate / live)|; NaN if either gave no price."""
    (live_answer,), (candidate_answer,) = live.ask(_questions([row])), candidate.ask(_questions([row]))
    return abs(log_ratio(price(live_answer), price(candidate_answer)))


def _difference_text(row: Row, ordinary: Sequence[Row]) -> str:
    """Describe how a house differs from the most similar ordinary one."""
    differing = [
        {name: value for name, value in row.items() if value != neighbour.get(name)} for neighbour in ordinary
    ]
    return ", ".join(f"{name} {value}" for name, value in min(differing, key=len).items())


def _broken_relations(side: Side, row: Row, exact: Sequence[Relation]) -> list[Finding]:
    """Return the relations that one house breaks; rows share a request, bodies and refusals do not."""
    asking = [(relation, *pair) for relation in exact for pair in pairs(_questions([row]), relation)]
    befores = side.ask([before for _, before, _ in asking])
    afters = side.ask([after for *_, after in asking])
    answers = zip(asking, befores, afters, strict=True)
    judged = (judge(before, after, relation) for (relation, *_), before, after in answers)
    spoiled = ((refusal, side.ask(_questions([refusal.changed(row)]))[0]) for refusal in REFUSED)
    return [violation.finding for violation in judged if violation] + [
        not_refused(answer, refusal) for refusal, answer in spoiled if not has_error_code(answer)
    ]


def _questions(rows: Sequence[Row]) -> list[Question]:
    return [Question(str(number), "ordinary", row=row) for number, row in enumerate(rows)]


def _search(
    name: str,
    strategy: SearchStrategy[Any],
    holds: Callable[[Any], None],
    examples: int,
    level: Level = Level.D5,
) -> SearchResult:
    """Try examples; a broken relation becomes a finding."""
    started = time.monotonic()
    tried = 0
    seen: list[Broken] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def search(example: Any) -> None:
        nonlocal tried
        tried += 1
        try:
            holds(example)
        except Broken as broken:
            seen.append(broken)
            raise

    broken = _run_search(search, seen)
    findings = (broken.finding,) if broken else ()
    houses = (
        [Question(f"broken: {broken.finding.detail}", "given", row=row) for row in broken.houses]
        if broken
        else []
    )
    seconds = time.monotonic() - started
    return SearchResult(Check(level, name, "", tried, findings=findings, seconds=seconds), houses)


def _run_search(search: Callable[[], None], seen: Sequence[Broken]) -> Broken | None:
    """Run the search and return what broke, even if hypothesis could not reproduce it."""
    try:
        search()
    except Broken as broken:
        return broken
    except Flaky as fault:
        if not seen:
            raise
        return _flaky_finding(seen[-1], fault)
    return seen[-1] if seen else None


def _flaky_finding(broken: Broken, fault: Flaky) -> Broken:
    message = " ".join(str(fault).split()).rpartition(": ")[2]  # what goes before is the whole house
    detail = f"{broken.finding.detail}: broken only now and then; hypothesis: {message}"
    return Broken(replace(broken.finding, detail=detail), broken.houses)
