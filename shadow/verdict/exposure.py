"""The rules of exposure: before so much was seen, nothing is decided in the candidate's favour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from shadow.verdict.findings import Findings
from shadow.verdict.rules import Effect, Result, Rule, at_least

_WEEK = 7


def rules(found: Findings) -> Iterator[Rule]:
    """Every rule whose failing means that it is too early; before the first house none of them has failed."""
    for rule in _minima(found):
        is_open = not found.reading.houses and rule.result is Result.FAIL
        yield replace(rule, result=Result.UNKNOWN) if is_open else rule
    yield _schema(found)


def _minima(found: Findings) -> Iterator[Rule]:
    least, houses, days = found.facts.policy.min, found.reading.houses, len(found.full_days)
    yield at_least(
        "entities",
        "Houses judged",
        houses,
        least.entities,
        "houses",
        Effect.INSUFFICIENT,
        f"{houses:,} of {least.entities:,} {found.noun}",
    )
    yield at_least(
        "days",
        "Days judged",
        days,
        least.days,
        "days",
        Effect.INSUFFICIENT,
        f"{days} of {least.days} days with {found.noun}",
    )
    yield _weekdays(found)
    yield _coverage(found)
    yield _per_segment(found)


def _weekdays(found: Findings) -> Rule:
    seen, least = Counter(day % _WEEK for day in found.full_days), found.facts.policy.min.weekdays
    fewest = min(seen[weekday] for weekday in range(_WEEK))
    words = f"the rarest day of the week was seen {fewest} of {least} times"
    return at_least("weekdays", "Every day of the week", fewest, least, "times", Effect.INSUFFICIENT, words)


def _coverage(found: Findings) -> Rule:
    wanted = found.facts.policy.min.coverage
    if found.by_certificate:
        return Rule(
            "coverage",
            "Outcomes known",
            coverage(found),
            wanted,
            "share",
            Result.PASS,
            Effect.INSUFFICIENT,
            "the certificate needs no outcomes",
        )
    share = coverage(found)
    words = "no mature day has a house" if share is None else f"{share:.1%} of the houses of mature days"
    return at_least("coverage", "Outcomes known", share, wanted, "share", Effect.INSUFFICIENT, words)


def coverage(found: Findings) -> float | None:
    """The share of the houses of mature days whose outcome is known; withdrawn ones are no part of it."""
    mature = found.mature
    expected = mature.pairs - mature.withdrawn
    return mature.sold / expected if expected else None


def _per_segment(found: Findings) -> Rule:
    least = found.facts.policy.min.per_segment
    required = [segment for segment in found.segments if segment.required]
    rule = ("per_segment", "Houses judged per segment")
    if not required:
        nothing = found.reading.houses == 0 and found.segments
        result = Result.UNKNOWN if nothing else Result.PASS
        words = "no house yet" if nothing else "no segment has to be shown"
        return Rule(*rule, None, least, "houses", result, Effect.INSUFFICIENT, words)
    fewest = min(required, key=lambda segment: segment.reading.houses)
    words = f"{fewest.reading.houses:,} of {least:,} {found.noun} in {fewest.name}"
    return at_least(*rule, fewest.reading.houses, least, "houses", Effect.INSUFFICIENT, words)


def _schema(found: Findings) -> Rule:
    then, now = found.facts.schema_digest, found.facts.schema_now
    result = Result.UNKNOWN if now is None else Result.PASS if now == then else Result.FAIL
    words = {
        Result.PASS: "the fields of a house are those the stream began with",
        Result.FAIL: "the fields of a house have changed since the stream began: begin a new one",
        Result.UNKNOWN: "which fields a house has now is not known",
    }
    return Rule("schema", "Fields unchanged", None, None, "", result, Effect.INSUFFICIENT, words[result])
