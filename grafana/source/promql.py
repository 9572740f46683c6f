"""The few shapes of PromQL that the panels are made of. `matchers` stand between the braces of a selector.

Counters are only ever looked at through rate or increase: over $__rate_interval for a course, over $__range
(the time shown) for one number.
"""

from __future__ import annotations

JOB = 'job=~"$job"'
API = f'{JOB}, instance=~"$api_instance"'
WORKER = f'{JOB}, instance=~"$worker_instance"'
CANDIDATE = f'{JOB}, candidate=~"$candidate"'


def rate(counter: str, matchers: str, by: str = "") -> str:
    """How often a second, added up by these labels."""
    return f"sum{_by(by)} (rate({counter}{{{matchers}}}[$__rate_interval]))"


def count(counter: str, matchers: str, by: str = "") -> str:
    """How many in the time shown, added up by these labels."""
    return f"sum{_by(by)} (increase({counter}{{{matchers}}}[$__range]))"


def quantile(share: float, histogram: str, matchers: str, by: str = "") -> str:
    """The value that this share lies below, by these labels."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', matchers, labels)})"


def buckets(histogram: str, matchers: str) -> str:
    """How many fell into each bucket, for a heatmap."""
    return f"sum by (le) (increase({histogram}_bucket{{{matchers}}}[$__rate_interval]))"


def mean(histogram: str, matchers: str, by: str = "") -> str:
    """The mean of what was observed."""
    return f"{rate(f'{histogram}_sum', matchers, by)} / {rate(f'{histogram}_count', matchers, by)}"


def newest(gauge: str, matchers: str, by: str = "") -> str:
    """A gauge that several processes tell alike, told once by these labels."""
    return f"max{_by(by)} ({gauge}{{{matchers}}})"


def or_zero(expr: str) -> str:
    """A number where there is none: a counter that was never needed has no series yet."""
    return f"({expr} or vector(0))"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
