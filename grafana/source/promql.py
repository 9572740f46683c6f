"""The few shapes of PromQL that the panels are made of. `matchers` stand between the braces of a selector.

Read counters through rate or increase only: over $__rate_interval for a series, over $__range (the time
range shown) for one number.
"""

from __future__ import annotations

JOB = 'job=~"$job"'
API = f'{JOB}, instance=~"$api_instance"'
WORKER = f'{JOB}, instance=~"$worker_instance"'
CANDIDATE = f'{JOB}, candidate=~"$candidate"'


def rate(counter: str, matchers: str, by: str = "") -> str:
    """Return the rate per second, added up by these labels."""
    return f"sum{_by(by)} (rate({counter}{{{matchers}}}[$__rate_interval]))"


def count(counter: str, matchers: str, by: str = "") -> str:
    """Return the increase over the time range shown, added up by these labels."""
    return f"sum{_by(by)} (increase({counter}{{{matchers}}}[$__range]))"


def quantile(share: float, histogram: str, matchers: str, by: str = "") -> str:
    """Return the value that this share of observations lies below, by these labels."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', matchers, labels)})"


def buckets(histogram: str, matchers: str) -> str:
    """Return the increase of each bucket, for a heatmap."""
    return f"sum by (le) (increase({histogram}_bucket{{{matchers}}}[$__rate_interval]))"


def mean(histogram: str, matchers: str, by: str = "") -> str:
    """Return the mean of the observations."""
    return f"{rate(f'{histogram}_sum', matchers, by)} / {rate(f'{histogram}_count', matchers, by)}"


def newest(gauge: str, matchers: str, by: str = "") -> str:
    """Return a gauge that several processes report alike, once for these labels."""
    return f"max{_by(by)} ({gauge}{{{matchers}}})"


def or_zero(expr: str) -> str:
    """Return 0 where there is no series: a counter that was never incremented has none yet."""
    return f"({expr} or vector(0))"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
