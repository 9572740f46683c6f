"""The rules of proof: the candidate is shown not to be worse, overall and in segments, nor to be worse."""

from __future__ import annotations

from collections.abc import Iterator

from shadow.verdict.facts import together
from shadow.verdict.findings import Findings, Segment, Shown
from shadow.verdict.keys import DaysKey, HousesKey
from shadow.verdict.rules import Effect, Result, Rule


def rules(found: Findings) -> Iterator[Rule]:
    """Every rule about which of the two models is better."""
    prefix = "certificate_" if found.by_certificate else "key_"
    about = "Certificate" if found.by_certificate else "Not worse"
    yield houses_rule(found, f"{prefix}houses", f"{about}, by houses", found.keys.houses)
    yield days_rule(f"{prefix}days", f"{about}, by days", found.keys.days)
    yield _fresh(found)
    yield _segments(found)
    yield from _harm(found)
    yield _segment_harm(found)


def houses_rule(found: Findings, rule: str, title: str, key: HousesKey) -> Rule:
    """The key on houses has to be turned."""
    result = Result.PASS if key.turned else Result.FAIL if found.reading.houses else Result.UNKNOWN
    words = (
        f"ln E is {key.ln_e:.2f}; it takes {key.threshold:.2f}, over {found.reading.houses:,} {found.noun}"
    )
    return Rule(rule, title, key.ln_e, key.threshold, "ln E", result, Effect.CONTINUE, words)


def days_rule(rule: str, title: str, key: DaysKey) -> Rule:
    """The key on days has to be turned."""
    result = Result.PASS if key.turned else Result.UNKNOWN if key.lower is None else Result.FAIL
    bound = "none" if key.lower is None else f"{key.lower:.4f}"
    words = f"lower bound of the day sums: {bound}; above 0 from day {key.needed_days} on, after {key.days}"
    return Rule(rule, title, key.lower, 0.0, "log units a day", result, Effect.CONTINUE, words)


def _fresh(found: Findings) -> Rule:
    """The newest days must not look worse: a change of lately is soon outvoted in sums over all days."""
    window, margin = found.facts.policy.fresh_days, found.facts.margin
    newest = max((day for day, _ in found.days), default=0)
    mean = found.read(together(tuple(one for one in found.days if one[0] > newest - window))).mean
    result = Result.UNKNOWN if mean is None else Result.PASS if mean > -margin else Result.FAIL
    shown = "no house" if mean is None else f"mean difference {mean:+.4f}"
    words = f"{shown} in the last {window} days; above {-margin:.4f} is expected"
    return Rule("fresh", "The last days too", mean, -margin, "log units", result, Effect.CONTINUE, words)


def _segments(found: Findings) -> Rule:
    required = [segment for segment in found.segments if segment.required]
    shown = [segment for segment in required if segment.shown is Shown.SHOWN]
    missing = ", ".join(segment.name for segment in required if segment not in shown)
    nothing = found.reading.houses == 0 and bool(found.segments)
    result = Result.UNKNOWN if nothing else Result.PASS if not missing else Result.FAIL
    words = f"{len(shown)} of {len(required)} shown" + (f"; not yet: {missing}" if missing else "")
    return Rule(
        "segments",
        "Not worse in segments",
        len(shown),
        len(required),
        "segments",
        result,
        Effect.CONTINUE,
        words,
    )


def _harm(found: Findings) -> Iterator[Rule]:
    """Either key of harm holds the candidate up; both reject it."""
    houses, days = found.harm.houses, found.harm.days
    effect = Effect.REJECT if found.harm.turned else Effect.BLOCKED
    seen = found.by_certificate or bool(found.mature.sold)
    words = f"ln E of being worse is {houses.ln_e:.2f}; {houses.threshold:.2f} would prove it"
    yield Rule(
        "harm_houses",
        "Not proved worse, by houses",
        houses.ln_e,
        houses.threshold,
        "ln E",
        _harm_result(seen, houses.turned),
        effect,
        words,
    )
    bound = "none" if days.lower is None else f"{days.lower:.4f}"
    words = f"lower bound of how much worse the day sums are: {bound}; above 0 would prove it"
    yield Rule(
        "harm_days",
        "Not proved worse, by days",
        days.lower,
        0.0,
        "log units a day",
        _harm_result(seen, days.turned),
        effect,
        words,
    )


def _harm_result(seen: bool, turned: bool) -> Result:
    return Result.FAIL if turned else Result.PASS if seen else Result.UNKNOWN


def _segment_harm(found: Findings) -> Rule:
    harmed = [segment for segment in found.segments if segment.shown is Shown.HARMED]
    worst = max(found.segments, key=lambda segment: segment.harm.ln_e, default=None)
    seen = found.by_certificate or bool(found.mature.sold)
    result = _harm_result(seen, bool(harmed))
    return Rule(
        "segment_harm",
        "Not proved worse in any segment",
        None if worst is None else worst.harm.ln_e,
        None if worst is None else worst.harm.threshold,
        "ln E",
        result,
        Effect.BLOCKED,
        _harm_words(harmed, worst),
    )


def _harm_words(harmed: list[Segment], worst: Segment | None) -> str:
    if worst is None:
        return "the policy declares no segments"
    if harmed:
        return "proved worse in " + ", ".join(segment.name for segment in harmed)
    return f"nearest to it is {worst.name}: ln E {worst.harm.ln_e:.2f} of {worst.harm.threshold:.2f}"
