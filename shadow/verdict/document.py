"""The document of a verdict: what the command line, the API, pages and gauges show of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from monitoring.statistics import sequential
from monitoring.statistics.sums import total
from shadow.verdict import outlook, planning
from shadow.verdict.exposure import coverage
from shadow.verdict.facts import Facts
from shadow.verdict.findings import Findings, Segment
from shadow.verdict.keys import DaysKey, HousesKey, block_sums, sold
from shadow.verdict.rules import Rule, finite

_DAY_SECONDS = 86_400


def document(found: Findings, rules: Sequence[Rule]) -> dict[str, object]:
    """Everything but the state, the rules and the reasons."""
    facts = found.facts
    plan = planning.needed(found)
    return {
        "candidate": str(facts.candidate),
        "live": str(facts.live),
        "stream": facts.stream_id,
        "evaluated_at": facts.now.isoformat(),
        "policy": _policy(facts),
        "watermark": _watermark(facts),
        "counts": _counts(found),
        "losses": _losses(found),
        "difference": _difference(found),
        "keys": _keys(found),
        "needed": {
            "houses_50": plan.houses_50,
            "houses_90": plan.houses_90,
            "days": plan.days,
            "words": outlook.words(found, plan, rules),
        },
        "bad_day_rate_not_excluded": planning.bad_day_rate_not_excluded(found),
        "tipping_point": planning.tipping_point(found),
        "preliminary": _preliminary(facts),
        "segments": [_segment(segment) for segment in found.segments],
    }


def _policy(facts: Facts) -> dict[str, object]:
    policy = facts.policy
    return {
        "name": policy.name,
        "sha256": policy.sha256,
        "day_seconds": policy.day_seconds,
        "alpha": facts.alpha,
        "margin": facts.margin,
        "cap": policy.cap,
    }


def _watermark(facts: Facts) -> dict[str, object]:
    mark = facts.watermark
    return {
        "day": mark.day,
        "date": None if mark.day is None else date_of(mark.day, facts.policy.day_seconds),
        "maturity_seconds": mark.maturity_seconds,
        "delays_seen": mark.delays_seen,
    }


def date_of(day: int, day_seconds: int) -> str:
    """When a day begins: as a date when days are days, else as a time (UTC)."""
    begins = datetime.fromtimestamp(day * day_seconds, UTC)
    return begins.date().isoformat() if day_seconds == _DAY_SECONDS else begins.isoformat()


def _counts(found: Findings) -> dict[str, object]:
    mature = found.mature
    return {
        "pairs": int(mature.pairs),
        "sold": int(mature.sold),
        "withdrawn": int(mature.withdrawn),
        "unsold": int(mature.pairs - mature.sold - mature.withdrawn),
        "days": sum(sums.sold > 0 for _, sums in found.facts.days),
        "coverage": coverage(found),
    }


def _losses(found: Findings) -> dict[str, object]:
    mature = found.mature
    return {
        "live": _mean(mature.loss_live, mature.sold),
        "candidate": _mean(mature.loss_candidate, mature.sold),
    }


def _mean(added: float, houses: float) -> float | None:
    return added / houses if houses else None


def _difference(found: Findings) -> dict[str, object]:
    """The mean difference of sold houses with its two-sided interval, which holds however often one looks.

    The interval is that of the day sums over the mean number of houses a day, less the margin they contain.
    """
    facts, mature = found.facts, found.mature
    blocks = block_sums(facts.days, sold, facts.margin)
    shown: dict[str, object] = {"mean": _mean(mature.d, mature.sold), "lower": None, "upper": None}
    if len(blocks) < 2:
        return shown
    ends = sequential.interval(blocks, facts.alpha, facts.policy.k_star)
    lower, upper = (finite(end * len(blocks) / mature.sold - facts.margin) for end in ends)
    return shown | {"lower": lower, "upper": upper}


def _keys(found: Findings) -> dict[str, object]:
    return {
        "rows": _houses_key(found.outcomes.houses),
        "days": _days_key(found.outcomes.days),
        "harm_rows": _houses_key(found.harm.houses),
        "harm_days": _days_key(found.harm.days),
        "certificate": {
            "rows": _houses_key(found.certificate.houses),
            "days": _days_key(found.certificate.days),
        },
    }


def _houses_key(key: HousesKey) -> dict[str, object]:
    return {"ln_e": finite(key.ln_e), "threshold": key.threshold}


def _days_key(key: DaysKey) -> dict[str, object]:
    return {"lower": finite(key.lower), "threshold": 0.0, "days": key.days, "needed_days": key.needed_days}


def _preliminary(facts: Facts) -> dict[str, object]:
    """What has come of the days that are not mature: a preview, which decides nothing."""
    preview = total([sums for _, sums in facts.preview])
    return {"sold": int(preview.sold), "mean": _mean(preview.d, preview.sold)}


def _segment(segment: Segment) -> dict[str, object]:
    return {
        "segment": segment.name,
        "pairs": segment.pairs,
        "sold": segment.sold,
        "mean": segment.reading.mean,
        "ln_e": finite(segment.key.ln_e),
        "result": segment.shown.value,
    }
