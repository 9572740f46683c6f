"""Service: is it up, is it right, is it quick, and how near is it to its limits."""

from __future__ import annotations

from grafana.source import dashboard, limits
from grafana.source.dashboard import Dashboard
from grafana.source.grid import Section
from grafana.source.panels import Heatmap, Query, Stat, TimeSeries
from grafana.source.promql import API, JOB, buckets, count, mean, newest, or_zero, quantile, rate
from grafana.source.style import BAD, CANDIDATE_COLOR, GOOD, LIVE_COLOR, LIVE_SCHEME, WARN, Look
from grafana.source.table import Column, Table

REQUESTS = "umbra_requests_total"
DURATION = "umbra_request_duration_seconds"
PREDICTIONS = f'{API}, route="/v1/predictions"'
ROUTED = f'{API}, route=~"$route"'
FAILED = 'status=~"5.."'

# What processes were busy with a second, by the clock: sampled requests in flight would miss most of it.
BUSY_SHARE = f"{rate(f'{DURATION}_sum', API)} / sum(umbra_live_model_info{{{API}}})"
BUSY_SHARE_BY_INSTANCE = (
    f"{rate(f'{DURATION}_sum', API, 'instance')} / sum by (instance) (umbra_live_model_info{{{API}}})"
)
FAILED_SHARE_BY_ROUTE = (
    f"({rate(REQUESTS, f'{ROUTED}, {FAILED}', 'route')} or 0 * {rate(REQUESTS, ROUTED, 'route')})"
    f" / ({rate(REQUESTS, ROUTED, 'route')} > 0)"
)

AT_A_GLANCE = Section(
    "At a glance",
    (
        Stat(
            title="Up",
            unit="percentunit",
            scale=limits.ALL,
            spark=False,
            decimals=0,
            shows="Share of the API's and the worker's metrics ports that Prometheus reaches.",
            normal="100 %.",
            act="See which one is down under *Per instance*, then its container's log.",
            queries=[Query(f"avg(up{{{JOB}}})", "up", instant=True)],
        ),
        Stat(
            title="Alerts firing",
            unit="short",
            scale=limits.ALERTS,
            spark=False,
            decimals=0,
            shows="Umbra's alerts that fire now.",
            normal="0.",
            act="Open Alertmanager: each alert names its runbook in docs/monitoring.md.",
            queries=[
                Query(
                    'count(ALERTS{alertname=~"Umbra.*", severity!="none", alertstate="firing"}) or vector(0)',
                    "alerts",
                    instant=True,
                )
            ],
        ),
        Stat(
            title="Available",
            unit="percentunit",
            scale=limits.AVAILABLE,
            spark=False,
            decimals=3,
            shows="Share of requests that were not answered with a 5xx, over the time shown.",
            normal="99.9 % or more.",
            act="Look at *Errors by route*, then search the logs for `request_failed`.",
            queries=[
                Query(
                    f"1 - {or_zero(count(REQUESTS, f'{API}, {FAILED}'))} / {count(REQUESTS, API)}",
                    "available",
                    instant=True,
                )
            ],
        ),
        Stat(
            title="Requests",
            unit="reqps",
            shows="Requests a second, on all routes.",
            normal="Follows the hour of the day; never 0 while clients are connected.",
            act="At 0: is the API up, and does the proxy in front of it reach it?",
            queries=[Query(rate(REQUESTS, API), "requests")],
        ),
        Stat(
            title="Prediction p99",
            unit="s",
            scale=limits.QUICK,
            decimals=1,
            shows="99 of 100 requests for predictions were answered within this time.",
            normal="Below 25 ms; the objective is 50 ms.",
            act="Compare *Prediction durations* with *Busy processes*: slow and busy asks for more processes.",
            queries=[Query(quantile(0.99, DURATION, PREDICTIONS), "p99")],
        ),
        Stat(
            title="Busy processes",
            unit="percentunit",
            scale=limits.BUSY,
            decimals=0,
            shows="Share of the API processes' time that goes into answers; each gives one at a time.",
            normal="Below 70 %.",
            act="Raise `UMBRA_API_WORKERS` while there are CPUs, else add an API host.",
            queries=[Query(BUSY_SHARE, "busy")],
        ),
        Stat(
            title="Refused",
            unit="percentunit",
            scale=limits.REFUSED,
            spark=False,
            decimals=1,
            shows="Share of requests that were refused as wrong, over the time shown.",
            normal="A few percent: people make mistakes.",
            act="See *Refused by problem*; Kibana's *Refused inputs* names the fields.",
            queries=[
                Query(
                    f"{or_zero(count('umbra_requests_refused_total', API))} / {count(REQUESTS, API)}",
                    "refused",
                    instant=True,
                )
            ],
        ),
        Stat(
            title="Captures dropped",
            unit="short",
            scale=limits.NONE_ALLOWED,
            spark=False,
            decimals=0,
            shows="Answered houses that the journal could not take, over the time shown: no candidate sees them.",
            normal="0.",
            act="The reason is under *Saturation*; what to do about it in docs/operations.md.",
            queries=[Query(count("umbra_captures_dropped_total", API), "dropped", instant=True)],
        ),
    ),
)

WINDOWS = ("5m", "1h", "6h", "3d")


def burn(recorded: str, budget: float) -> list[Query]:
    """Return how many times faster than allowed a budget is spent, over each window."""
    return [Query(f"{recorded}:ratio_rate{window}{{{JOB}}} / {budget:g}", window) for window in WINDOWS]


OBJECTIVES = Section(
    "Objectives",
    (
        TimeSeries(
            title="Burn rate: availability",
            unit="none",
            width=8,
            limits=True,
            scale=limits.BURN,
            decimals=1,
            shows="How many times faster than allowed the error budget is spent: 0.1 % of predictions, over 30 "
            "days, may "
            "be answered with a 5xx. All API instances together.",
            normal="Below 1. At 1 the budget lasts exactly 30 days, at 14.4 two days.",
            act="UmbraAvailabilityBurn pages when 1h and 5m (14.4) or 6h and 30m (6) agree; its runbook says "
            "what to do.",
            queries=burn("job:umbra_predictions_failed", limits.AVAILABILITY_BUDGET),
        ),
        TimeSeries(
            title="Burn rate: latency",
            unit="none",
            width=8,
            limits=True,
            scale=limits.BURN,
            decimals=1,
            shows="The same for latency: 1 % of predictions, over 30 days, may take longer than 50 ms.",
            normal="Below 1.",
            act="UmbraLatencyBurn and its runbook; *Prediction durations* below shows since when.",
            queries=burn("job:umbra_predictions_slow", limits.LATENCY_BUDGET),
        ),
        Table(
            title="Alerts",
            unit="short",
            width=8,
            sorted_by="Severity",
            empty="none",
            shows="Umbra's alerts that are pending (their condition holds) or firing (it has held long enough).",
            normal="Empty.",
            act="Look it up by its name in docs/monitoring.md; silence it in Alertmanager while you work on it.",
            columns=(
                Column("Severity", label="severity"),
                Column("Alert", label="alertname"),
                Column("State", label="alertstate"),
                Column("Candidate", label="candidate"),
                Column("Instance", label="instance"),
                Column(
                    "",
                    expr="max by (severity, alertname, alertstate, candidate, instance)"
                    ' (ALERTS{alertname=~"Umbra.*", severity!="none"})',
                ),
            ),
        ),
    ),
)

RATE_AND_ERRORS = Section(
    "Rate and errors",
    (
        TimeSeries(
            title="Requests by route",
            unit="reqps",
            table=True,
            shows="Requests a second, by the route that answered.",
            normal="/v1/predictions carries nearly all of it.",
            act="A route that jumps: look for its client in the logs by `url.path`.",
            queries=[Query(f"{rate(REQUESTS, ROUTED, 'route')} > 0", "{{route}}")],
        ),
        TimeSeries(
            title="Requests by status",
            unit="reqps",
            table=True,
            stacked=True,
            looks=(
                Look("/^2/", color=GOOD),
                Look("/^3/", color=LIVE_COLOR),
                Look("/^4/", color=WARN),
                Look("/^5/", color=BAD),
            ),
            shows="Requests a second, by HTTP status.",
            normal="Green; some yellow (refused inputs); no red.",
            act="Red: *Errors by route* says where, the log event `request_failed` why.",
            queries=[Query(f"{rate(REQUESTS, ROUTED, 'status')} > 0", "{{status}}")],
        ),
        TimeSeries(
            title="Errors by route",
            unit="percentunit",
            table=True,
            limits=True,
            scale=limits.ERRORS,
            shows="Share of each route's requests that were answered with a 5xx.",
            normal="0.",
            act="503 `no-live-model`: `umbra prepare` was never run. 500: the log event `request_failed` has "
            "the trace.",
            queries=[Query(FAILED_SHARE_BY_ROUTE, "{{route}}")],
        ),
        TimeSeries(
            title="Refused by problem",
            unit="reqps",
            table=True,
            stacked=True,
            bars=True,
            shows="Refused requests a second, by the problem named in the answer.",
            normal="A thin, steady band, mostly `invalid-rows`.",
            act="A step after a client's release: tell its owners, the answers name row, field and what was "
            "expected.",
            queries=[Query(f"{rate('umbra_requests_refused_total', API, 'problem')} > 0", "{{problem}}")],
        ),
    ),
)

DURATIONS = Section(
    "Duration",
    (
        TimeSeries(
            title="Prediction durations",
            unit="s",
            table=True,
            limits=True,
            scale=limits.QUICK,
            looks=(Look("p50", color=LIVE_COLOR), Look("p90", color=CANDIDATE_COLOR), Look("p99", color=BAD)),
            shows="Time from the parsed request to the finished answer of /v1/predictions.",
            normal="p50 below 5 ms, p99 below 25 ms; long lists take longer.",
            act="Only p99 high: large requests or a slow journal disk (late captures). All high: busy processes.",
            queries=[Query(quantile(q, DURATION, PREDICTIONS), f"p{q * 100:g}") for q in (0.5, 0.9, 0.99)],
        ),
        Heatmap(
            title="Prediction durations, all of them",
            unit="s",
            scheme=LIVE_SCHEME,
            shows="How many requests for predictions took how long.",
            normal="One dark band; a second one above it is large requests.",
            act="A band that splits or climbs: compare with *Houses per request* and *Busy processes*.",
            queries=[Query(buckets(DURATION, PREDICTIONS), "{{le}}", format="heatmap")],
        ),
        TimeSeries(
            title="p99 by route",
            unit="s",
            table=True,
            logarithmic=True,
            minimum=None,
            shows="99 of 100 requests to each route were answered within this time.",
            normal="Milliseconds; routes that read the store are slower.",
            act="GET /v1/predictions/<identifier> and /v1/deployment wait for the store: look at *Shadow "
            "pipeline*.",
            queries=[Query(f"{quantile(0.99, DURATION, ROUTED, 'route')} > 0", "{{route}}")],
        ),
        TimeSeries(
            title="Where a prediction's time goes",
            unit="s",
            table=True,
            logarithmic=True,
            minimum=None,
            looks=(Look("whole request", color=LIVE_COLOR), Look("live model alone", color=GOOD)),
            shows="Medians: of the whole request, and of the live model's part in it.",
            normal="The model is a small part; the rest is reading, checking, writing the journal.",
            act="The model's line climbs: compare the deployed models in *Live and shadow*.",
            queries=[
                Query(quantile(0.5, DURATION, PREDICTIONS), "whole request"),
                Query(
                    quantile(0.5, "umbra_prediction_duration_seconds", f'{API}, role="live"'),
                    "live model alone",
                ),
            ],
        ),
    ),
)

SATURATION = Section(
    "Saturation",
    (
        TimeSeries(
            title="Busy processes by instance",
            unit="percentunit",
            width=8,
            limits=True,
            scale=limits.BUSY,
            shows="Share of each API host's process time that goes into answers.",
            normal="Below 70 %, alike on all hosts.",
            act="One host apart from the others: the balancer's weights. All high: more processes or hosts.",
            queries=[Query(BUSY_SHARE_BY_INSTANCE, "{{instance}}")],
        ),
        TimeSeries(
            title="Requests in flight",
            unit="short",
            width=8,
            decimals=0,
            looks=(Look("processes", color=BAD, dashed=True),),
            shows="Most requests being answered at once, as sampled by scrapes, against the processes there are.",
            normal="Below the line of the processes.",
            act="On the line: requests queue in the kernel, and their wait is in no duration here.",
            queries=[
                Query(f"max_over_time(umbra_requests_in_flight{{{API}}}[$__rate_interval])", "{{instance}}"),
                Query(f"sum(umbra_live_model_info{{{API}}})", "processes"),
            ],
        ),
        TimeSeries(
            title="Processes by live model",
            unit="short",
            width=8,
            steps=True,
            stacked=True,
            decimals=0,
            shows="API processes, by the model they answer with.",
            normal="One model, as many processes as were started; two models for seconds during a promotion.",
            act="Two for longer: a process could not load the new model; its log says why.",
            queries=[Query(f"sum by (model) (umbra_live_model_info{{{API}}})", "{{model}}")],
        ),
        TimeSeries(
            title="Houses per request",
            unit="short",
            table=True,
            shows="How many houses one accepted request asks about.",
            normal="Mostly 1.",
            act="Longer lists take longer: durations are to be read together with this.",
            queries=[
                Query(mean("umbra_request_rows", API), "mean"),
                Query(quantile(0.99, "umbra_request_rows", API), "p99"),
            ],
        ),
        TimeSeries(
            title="Captures late, repeated or dropped",
            unit="short",
            table=True,
            stacked=True,
            bars=True,
            looks=(Look("late", color=WARN), Look("/^dropped/", color=BAD)),
            shows="Answered houses a second whose journal entry was late (still written), that a retry asked "
            "again (captured before), or that were dropped, by reason.",
            normal="Empty but for retries. Late ones now and then: the disk took longer than "
            "`UMBRA_JOURNAL_WRITE_SECONDS`.",
            act="full: ingest stands still. disk: make room. stalled: a hung disk. See docs/operations.md.",
            queries=[
                Query(rate("umbra_captures_late_total", API), "late"),
                Query(rate("umbra_captures_repeated_total", API), "repeated"),
                Query(rate("umbra_captures_dropped_total", API, "reason"), "dropped: {{reason}}"),
            ],
        ),
    ),
)

PER_INSTANCE = Section(
    "Per instance",
    (
        Table(
            title="API hosts",
            unit="short",
            height=7,
            sorted_by="Instance",
            shows="Each API host as of now.",
            normal="All alike: same version, same processes, similar load and p99.",
            act="The odd one out is the one to look at, or to take out of the balancer.",
            columns=(
                Column("Instance", label="instance"),
                Column("Processes", expr=f"sum by (instance) (umbra_live_model_info{{{API}}})"),
                Column("Requests", expr=rate(REQUESTS, API, "instance")),
                Column("p99", expr=quantile(0.99, DURATION, PREDICTIONS, "instance")),
                Column("Busy", expr=BUSY_SHARE_BY_INSTANCE),
                Column("Late", expr=count("umbra_captures_late_total", API, "instance")),
                Column("Dropped", expr=count("umbra_captures_dropped_total", API, "instance")),
                Column("Log lines dropped", expr=count("umbra_log_lines_dropped_total", API, "instance")),
                Column("Metrics readable", expr=newest("umbra_metrics_files_readable", API, "instance")),
                Column("Failed switches", expr=count("umbra_switch_failures_total", API, "instance")),
            ),
            looks=(
                Look("Requests", unit="reqps", decimals=1),
                Look("p99", unit="s", decimals=1, cell="color-text", scale=limits.QUICK),
                Look("Busy", unit="percentunit", decimals=0, cell="color-text", scale=limits.BUSY),
                Look("Late", decimals=0),
                Look("Dropped", decimals=0, cell="color-text", scale=limits.NONE_ALLOWED),
                Look("Log lines dropped", decimals=0, cell="color-text", scale=limits.NONE_ALLOWED),
                Look("Metrics readable", cell="color-text", scale=limits.NEEDED),
                Look("Failed switches", decimals=0, cell="color-text", scale=limits.NONE_ALLOWED),
            ),
            width=16,
        ),
        Table(
            title="Targets",
            unit="short",
            height=7,
            width=8,
            sorted_by="Job",
            shows="What Prometheus scrapes of Umbra, and the version that runs there.",
            normal="Everything up, one version.",
            act="Down: the container's log. Two versions for long: an unfinished roll-out.",
            columns=(
                Column("Job", label="job"),
                Column("Instance", label="instance"),
                Column("Version", label="version"),
                Column("Up", expr=f"max by (job, instance) (up{{{JOB}}})"),
                Column("", expr=f"max by (job, instance, version) (umbra_build_info{{{JOB}}})"),
            ),
            looks=(Look("Up", cell="color-text", scale=limits.NEEDED),),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="umbra-service",
    title="Umbra: service",
    folder="operations",
    description="The API as its clients see it: rate, errors, duration, and how near it is to its limits.",
    variables=(dashboard.JOB, dashboard.API_INSTANCE, dashboard.ROUTE),
    sections=(AT_A_GLANCE, OBJECTIVES, RATE_AND_ERRORS, DURATIONS, SATURATION, PER_INSTANCE),
)
