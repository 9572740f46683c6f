"""The dashboard *Live and shadow predictions*: what candidates say of houses the live model answered."""

from __future__ import annotations

from kibana.source.lens import Chart, classes, count, largest, over_time, percentile, smallest, values
from kibana.source.saved import LINKS, Dashboard, number
from kibana.source.searches import CANDIDATE_FAILURES, CAPTURED, COMPARED, FAILED, FAR_ABOVE, FAR_BELOW

_PRICES = [50_000, 75_000, 100_000, 125_000, 150_000, 175_000, 200_000, 250_000, 300_000, 400_000, 500_000]
_RATIOS = [-0.2, -0.1, -0.05, -0.02, -0.01, 0, 0.01, 0.02, 0.05, 0.1, 0.2]
_LIVE = "umbra.live_price_dollars"
_CANDIDATE = "umbra.candidate_price_dollars"
_DIFFERENCE = "umbra.difference_ratio"
_BY_CANDIDATE = values("candidate", "umbra.candidate")
_BY_REASON = values("reason", "umbra.reason")
_SPREAD = [
    percentile("median difference", _DIFFERENCE, 50),
    percentile("5th percentile", _DIFFERENCE, 5),
    percentile("95th percentile", _DIFFERENCE, 95),
]

_FIGURES = [
    number("Compared houses", "Pairs of a live price and a candidate's.", COMPARED, count("pairs")),
    number(
        "Median difference",
        "Candidate over live, minus 1: half the pairs differ by less.",
        COMPARED,
        percentile("median", _DIFFERENCE, 50),
    ),
    number(
        "Failures", "Houses a candidate failed on (ten lines per batch at most).", FAILED, count("failures")
    ),
]
_DISTRIBUTIONS = [
    Chart(
        "Live prices",
        "Distribution of the live price, in the classes of the chart beside.",
        "bar",
        CAPTURED,
        [count("houses")],
        [classes("live price", _LIVE, _PRICES, "${:,.0f}")],
    ),
    Chart(
        "Candidate prices",
        "Distribution of the candidates' prices, in the same classes.",
        "bar",
        COMPARED,
        [count("houses")],
        [classes("candidate price", _CANDIDATE, _PRICES, "${:,.0f}"), _BY_CANDIDATE],
    ),
]
_DIFFERENCES = [
    Chart(
        "Difference",
        "Candidate over live, minus 1: how the pairs are spread.",
        "bar",
        COMPARED,
        [count("pairs")],
        [classes("difference", _DIFFERENCE, _RATIOS, "{:+.0%}"), _BY_CANDIDATE],
    ),
    Chart(
        "Difference over time",
        "Candidate over live, minus 1, by candidate.",
        "line",
        COMPARED,
        _SPREAD,
        [over_time(), _BY_CANDIDATE],
    ),
]
_PAIRS = [
    Chart(
        "Prices over time",
        "Median prices of the same houses.",
        "line",
        COMPARED,
        [percentile("live", _LIVE, 50), percentile("candidate", _CANDIDATE, 50)],
        [over_time()],
    ),
    Chart(
        "Candidates",
        "Each candidate against the live model it was compared with.",
        "table",
        COMPARED,
        [count("pairs"), *_SPREAD, smallest("least", _DIFFERENCE), largest("greatest", _DIFFERENCE)],
        [_BY_CANDIDATE, values("live", "umbra.live_model")],
    ),
]
_FAILURES = [
    Chart(
        "Failures by reason",
        "Houses a candidate failed on, over time.",
        "bar_stacked",
        FAILED,
        [count("houses")],
        [over_time(), _BY_REASON],
    ),
    Chart(
        "Failures by candidate",
        "Which candidate fails, and why.",
        "table",
        FAILED,
        [count("houses")],
        [_BY_CANDIDATE, _BY_REASON],
    ),
]

LIVE_AND_SHADOW = Dashboard(
    "umbra-live-and-shadow",
    "Umbra: live and shadow predictions",
    "What candidates say about the houses that the live model answered.",
    [
        (3, [LINKS]),
        (6, _FIGURES),
        (12, _DISTRIBUTIONS),
        (12, _DIFFERENCES),
        (12, _PAIRS),
        (12, _FAILURES),
        (14, [FAR_ABOVE, FAR_BELOW]),
        (14, [CANDIDATE_FAILURES]),
    ],
)
