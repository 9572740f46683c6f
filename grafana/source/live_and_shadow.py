"""Live and shadow: what the live model answers, what candidates would have, and how far they are apart."""

from __future__ import annotations

from collections.abc import Callable

from grafana.source import dashboard, limits
from grafana.source.dashboard import Dashboard
from grafana.source.grid import Section
from grafana.source.panels import BarGauge, Heatmap, Query, Stat, TimeSeries
from grafana.source.promql import CANDIDATE, JOB, buckets, count, quantile, rate
from grafana.source.style import (
    CANDIDATE_COLOR,
    CANDIDATE_SCHEME,
    LIVE_AND_CANDIDATE,
    LIVE_COLOR,
    LIVE_SCHEME,
    PLAIN,
    Look,
)
from grafana.source.table import Column, Table

PRICE = "umbra_prediction_price_dollars"
DIFFERENCE = "umbra_candidate_difference_ratio"
ALONE = "umbra_prediction_duration_seconds"
PREDICTIONS = "umbra_predictions_total"
OF_LIVE = f'{JOB}, role="live"'
OF_CANDIDATES = f'{JOB}, role="candidate"'
UP_TO = "Price up to"


def agreement(within: float, over: Callable[[str, str, str], str]) -> str:
    """Return the share of a candidate's houses within this distance of the live price; `over` is rate or count."""
    upper, lower, total = (
        over(f"{DIFFERENCE}_bucket", f'{CANDIDATE}, le="{edge}"', "candidate")
        for edge in (within, -within, "+Inf")
    )
    return f"({upper} - {lower}) / {total}"


def share_in_bucket(role: str, window: str) -> str:
    """Return the share of houses in each occupied bucket, by upper edge; see prometheus/rules/prices.yml."""
    share = f'role_window_le:umbra_prices_within:ratio{{role="{role}", window="{window}"}}'
    return f"sum by (le) ({share}) and on (le) role_le:umbra_prices_occupied:increase"


def cumulative_share(matchers: str) -> str:
    """Return the share of houses at or below each edge of the price histogram."""
    return f"{rate(f'{PRICE}_bucket', matchers, 'le')} / scalar({rate(f'{PRICE}_count', matchers)})"


# The mean is not asked for: a sum of what may be negative can fall, and Prometheus takes that for a restart.
MEDIAN_DIFFERENCE = f"histogram_quantile(0.5, {count(f'{DIFFERENCE}_bucket', CANDIDATE, 'le, candidate')})"
BOTH = (("live", OF_LIVE), ("candidates", OF_CANDIDATES))
QUANTILE_LOOKS = (
    *LIVE_AND_CANDIDATE,
    Look("/p50$/", width=2),
    Look("/p10$/", dashed=True),
    Look("/p90$/", dashed=True),
)

AT_A_GLANCE = Section(
    "At a glance",
    (
        Stat(
            title="Live model",
            unit="short",
            names=True,
            spark=False,
            width=4,
            shows="The model that answers now; two while a promotion is under way.",
            normal="One name.",
            act="Two for longer than seconds: *Processes by live model* in *Service*.",
            queries=[
                Query(f"sum by (model) (umbra_live_model_info{{{JOB}}}) > 0", "{{model}}", instant=True)
            ],
        ),
        Stat(
            title="Candidates",
            unit="percentunit",
            spark=False,
            width=4,
            decimals=0,
            shows="The models being scored in shadow, and the share of captures each is to score.",
            normal="At least one name.",
            act="None: `umbra candidates add NAME@VERSION`.",
            queries=[
                Query(
                    f"max by (candidate) (umbra_candidate_sample_ratio{{{CANDIDATE}}})",
                    "{{candidate}}",
                    instant=True,
                )
            ],
        ),
        Stat(
            title="Median price",
            unit="currencyUSD",
            spark=False,
            width=4,
            decimals=0,
            looks=LIVE_AND_CANDIDATE,
            shows="The median of the prices answered, and of those the candidates would have answered.",
            normal="Close to each other; a bucket is 17 % wide either side.",
            act="Far apart: see *Difference per house*; more than one candidate: theirs are taken together.",
            queries=[Query(quantile(0.5, PRICE, matchers), who) for who, matchers in BOTH],
        ),
        Stat(
            title="Within 5 %",
            unit="percentunit",
            scale=limits.AGREE,
            spark=False,
            width=4,
            decimals=0,
            shows="Share of houses, over the time shown, whose candidate price is within 5 % of the live one.",
            normal="Depends on the models; what matters is that it does not fall.",
            act="A fall without a deployment: the inputs changed, see *Evidence*, drift.",
            queries=[Query(agreement(0.05, count), "{{candidate}}", instant=True)],
        ),
        Stat(
            title="Median difference",
            unit="percentunit",
            scale=limits.ABOUT_ZERO,
            spark=False,
            width=4,
            decimals=1,
            shows="Median of candidate / live - 1, over the time shown: below 0 the candidate asks for less.",
            normal="Within 5 % of 0.",
            act="A candidate that is off on the whole is biased, or the live model is: outcomes decide "
            "(*Evidence*).",
            queries=[Query(MEDIAN_DIFFERENCE, "{{candidate}}", instant=True)],
        ),
        Stat(
            title="Houses priced",
            unit="cps",
            width=4,
            looks=LIVE_AND_CANDIDATE,
            shows="Houses a second: answered live, and scored by candidates.",
            normal="Candidates follow live within seconds, times how many there are and their sample.",
            act="Candidates at 0 while live is not: *Shadow pipeline*.",
            queries=[Query(rate(PREDICTIONS, matchers), who) for who, matchers in BOTH],
        ),
    ),
)

PRICES = Section(
    "Prices",
    (
        Heatmap(
            title="Live prices",
            unit="currencyUSD",
            scheme=LIVE_SCHEME,
            height=9,
            shows="How many houses the live model priced how high.",
            normal="One steady cloud: the houses that are asked about.",
            act="It moves without a deployment: other houses are asked about, or inputs changed their meaning.",
            queries=[Query(buckets(PRICE, OF_LIVE), "{{le}}", format="heatmap")],
        ),
        Heatmap(
            title="Candidate prices",
            unit="currencyUSD",
            scheme=CANDIDATE_SCHEME,
            height=9,
            shows="The same for the candidates' prices, all candidates together.",
            normal="The same cloud at the same height.",
            act="A cloud elsewhere: compare the quantiles below; a line at the edge: the candidate hits a bound.",
            queries=[Query(buckets(PRICE, OF_CANDIDATES), "{{le}}", format="heatmap")],
        ),
        TimeSeries(
            title="Price quantiles",
            unit="currencyUSD",
            table=True,
            height=9,
            looks=QUANTILE_LOOKS,
            decimals=0,
            minimum=None,
            shows="p10, p50 and p90 of the prices: live in blue, candidates in orange.",
            normal="Pairs of lines that run together.",
            act="Only p90 (or p10) parts: the models disagree on dear (or cheap) houses; see the bands.",
            queries=[
                Query(quantile(q, PRICE, matchers), f"{who} p{q * 100:g}")
                for q in (0.1, 0.5, 0.9)
                for who, matchers in BOTH
            ],
        ),
        Table(
            title="Share of houses in each bucket",
            unit="percentunit",
            height=9,
            decimals=1,
            sorted_by=UP_TO,
            numbers=("le",),
            minimum=0,
            maximum=0.5,
            shows="The distributions laid over each other: the share of the last hour's houses in each bucket "
            "of prices, "
            "live, candidates, and live in the week before. Buckets without a house are left out.",
            normal="Bars of equal length in each line.",
            act="A bucket that one of them avoids or crowds: compare its houses one by one in Kibana.",
            columns=(
                Column(UP_TO, label="le"),
                Column("Live", expr=share_in_bucket("live", "last_hour")),
                Column("Candidates", expr=share_in_bucket("candidate", "last_hour")),
                Column("Live, week before", expr=share_in_bucket("live", "week_before")),
            ),
            looks=(
                Look(UP_TO, unit="currencyUSD", decimals=0),
                Look("Live", cell="gauge", color=LIVE_COLOR),
                Look("Candidates", cell="gauge", color=CANDIDATE_COLOR),
            ),
        ),
        TimeSeries(
            title="Distance of live and candidates",
            unit="percentunit",
            limits=True,
            scale=limits.APART,
            shows="The largest difference between the shares of houses that live and candidates price below any "
            "edge "
            "of the histogram (Kolmogorov and Smirnov's distance). 0: alike; 100 %: no overlap.",
            normal="Below 10 %.",
            act="*Difference per house* shows which way; a jump at a purple mark is that deployment's doing.",
            queries=[
                Query(
                    f"max(abs({cumulative_share(OF_LIVE)} - {cumulative_share(OF_CANDIDATES)}))", "distance"
                )
            ],
        ),
        TimeSeries(
            title="Shift against the week before",
            unit="none",
            limits=True,
            scale=limits.APART,
            decimals=2,
            looks=LIVE_AND_CANDIDATE,
            empty="needs 500 houses in the last hour and in the week before it",
            shows="Population stability index of the last hour's prices against the week before, by role. Empty "
            "until "
            "both hold 500 houses.",
            normal="Below 0.1; from 0.25 on it is a large shift (the alert UmbraLivePriceShift).",
            act="Other houses are asked for (*Evidence*, drift), or a deployment changed the live model.",
            queries=[Query("role:umbra_prices:psi", "{{role}}")],
        ),
    ),
)

AGREEMENT = Section(
    "Agreement, house by house",
    (
        Heatmap(
            title="Difference per house",
            unit="percentunit",
            height=9,
            shows="candidate / live - 1 of every scored house, for the candidates chosen above.",
            normal="A narrow band about 0.",
            act="A band off 0: biased on the whole. Two bands: a kind of house it sees otherwise; find it in "
            "Kibana.",
            queries=[Query(buckets(DIFFERENCE, CANDIDATE), "{{le}}", format="heatmap")],
        ),
        TimeSeries(
            title="Agreement",
            unit="percentunit",
            table=True,
            height=9,
            maximum=1,
            looks=(Look("/within 1 %/", dashed=True), Look("/within 5 %/", width=2)),
            shows="Share of houses whose candidate price is within 1, 5 and 10 % of the live one.",
            normal="Level lines, one above the other.",
            act="They sink together: inputs changed, or a deployment (purple mark) changed the live model.",
            queries=[
                Query(agreement(within, rate), f"{{{{candidate}}}} within {within * 100:g} %")
                for within in (0.01, 0.05, 0.1)
            ],
        ),
        TimeSeries(
            title="Difference quantiles",
            unit="percentunit",
            table=True,
            minimum=None,
            looks=(Look("/p50$/", width=2), Look("/p5$/", dashed=True), Look("/p95$/", dashed=True)),
            shows="p5, p50 and p95 of candidate / live - 1 by candidate.",
            normal="p50 near 0, the others level.",
            act="A widening gap between p5 and p95: the models see some houses ever more differently.",
            queries=[
                Query(quantile(q, DIFFERENCE, CANDIDATE, "candidate"), f"{{{{candidate}}}} p{q * 100:g}")
                for q in (0.05, 0.5, 0.95)
            ],
        ),
        BarGauge(
            title="Agreement by candidate",
            unit="percentunit",
            minimum=0,
            maximum=1,
            decimals=0,
            scale=limits.AGREE,
            shows="Share of each candidate's houses within 10 % of the live price, over the time shown.",
            normal="Green.",
            act="A candidate apart from the others: look at its difference quantiles, then its model card.",
            queries=[Query(agreement(0.1, count), "{{candidate}}", instant=True)],
        ),
    ),
)

LATENCY = Section(
    "Latency side by side",
    (
        TimeSeries(
            title="Time of the model alone",
            unit="s",
            table=True,
            logarithmic=True,
            minimum=None,
            width=8,
            looks=(*LIVE_AND_CANDIDATE, Look("/p99$/", dashed=True)),
            shows="Median and p99 of the time in the model: live per request; candidates per single house, "
            "measured on a "
            "share of them (`UMBRA_CANDIDATE_LATENCY_SHARE`).",
            normal="A candidate may be slower, as long as it would fit into the objective of 50 ms.",
            act="Near 50 ms: promoted, it would break the latency objective. Train a smaller one.",
            queries=[
                Query(quantile(q, ALONE, matchers), f"{who} p{q * 100:g}")
                for q in (0.5, 0.99)
                for who, matchers in BOTH
            ],
        ),
        Heatmap(
            title="Time of the live model",
            unit="s",
            scheme=LIVE_SCHEME,
            width=8,
            shows="How many requests spent how long in the live model.",
            normal="One band; another above it is lists of houses.",
            act="It climbs: compare with *Houses per request* in *Service*.",
            queries=[Query(buckets(ALONE, OF_LIVE), "{{le}}", format="heatmap")],
        ),
        Heatmap(
            title="Time of the candidates",
            unit="s",
            scheme=CANDIDATE_SCHEME,
            width=8,
            shows="How many single houses took candidates how long.",
            normal="One band for each kind of candidate.",
            act="It climbs while live does not: the worker is short of CPU, or the model grew.",
            queries=[Query(buckets(ALONE, OF_CANDIDATES), "{{le}}", format="heatmap")],
        ),
    ),
)

VOLUME = Section(
    "Volume",
    (
        TimeSeries(
            title="Houses priced by role and model",
            unit="cps",
            table=True,
            looks=LIVE_AND_CANDIDATE,
            shows="Houses a second, by role and model.",
            normal="One live model; each candidate follows it at its sample ratio.",
            act="A candidate that stays behind: *Lag* in *Shadow pipeline*.",
            queries=[Query(rate(PREDICTIONS, JOB, "role, model"), "{{role}} {{model}}")],
        ),
        BarGauge(
            title="Houses priced in the time shown",
            unit="short",
            decimals=0,
            minimum=0,
            scale=PLAIN,
            looks=LIVE_AND_CANDIDATE,
            shows="Houses in the time shown, by role and model.",
            normal="Bars in the ratio of the samples.",
            act="A bar that is too short for its sample: *Coverage* in *Shadow pipeline*.",
            queries=[Query(count(PREDICTIONS, JOB, "role, model"), "{{role}} {{model}}", instant=True)],
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="umbra-live-and-shadow",
    title="Umbra: live and shadow",
    folder="models",
    description="The live model's prices beside the candidates': distributions, agreement, latency.",
    variables=(dashboard.JOB, dashboard.CANDIDATE),
    sections=(AT_A_GLANCE, PRICES, AGREEMENT, LATENCY, VOLUME),
)
