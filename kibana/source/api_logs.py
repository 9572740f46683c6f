"""The dashboard *API logs*: what was asked of the API, how it was answered, what went wrong."""

from __future__ import annotations

from kibana.source.lens import Chart, count, largest, over_time, percentile, values
from kibana.source.saved import LINKS, Dashboard, number
from kibana.source.searches import ERRORS, REFUSED_INPUTS, REQUEST, SLOW_REQUESTS

_DURATION = "event.duration"
_MEDIAN = percentile("median", _DURATION, 50)
_P95 = percentile("95th percentile", _DURATION, 95)
_P99 = percentile("99th percentile", _DURATION, 99)
_REFUSED = "http.response.status_code >= 400 and http.response.status_code < 500"
_BY_STATUS = values("status", "http.response.status_code", ordered=True)

_FIGURES = [
    number("Requests", "Requests answered, whatever the answer.", REQUEST, count("requests")),
    number(
        "Refused",
        "Answered with a status from 400 to 499: the client's fault.",
        REQUEST,
        count("refused", _REFUSED),
    ),
    number(
        "Failed",
        "Answered with a status from 500 on: our fault. None is good.",
        REQUEST,
        count("failed", "http.response.status_code >= 500"),
    ),
    number("95th percentile", "Duration that 95 of 100 requests stay below.", REQUEST, _P95),
]
_OVER_TIME = [
    Chart(
        "Requests by status",
        "Requests over time, by the status of their answer.",
        "bar_stacked",
        REQUEST,
        [count("requests")],
        [over_time(), _BY_STATUS],
    ),
    Chart(
        "Duration",
        "From the parsed request to the finished answer, over time.",
        "line",
        REQUEST,
        [_MEDIAN, _P95, _P99],
        [over_time()],
    ),
]
_REASONS = [
    Chart(
        "Refused by problem",
        "Refused requests by the kind of problem they were told.",
        "bar_horizontal",
        f"{REQUEST} and umbra.problem: *",
        [count("requests")],
        [values("problem", "umbra.problem")],
    ),
    Chart(
        "Refused by field",
        "Requests with an invalid house, by the fields that were wrong.",
        "bar_horizontal",
        f"{REQUEST} and umbra.refused_fields: *",
        [count("requests")],
        [values("field", "umbra.refused_fields", 20)],
    ),
    Chart(
        "What became of captures",
        "Priced requests by their capture: written or late, else dropped.",
        "bar_horizontal",
        f"{REQUEST} and umbra.capture: *",
        [count("requests")],
        [values("capture", "umbra.capture")],
    ),
]
_LINES = [
    Chart(
        "Routes",
        "Requests by what was asked for.",
        "table",
        REQUEST,
        [count("requests"), _MEDIAN, _P95, largest("longest", _DURATION)],
        [values("asked for", "event.action", 20)],
    ),
    Chart(
        "Lines by level",
        "Lines of API and worker over time, by level.",
        "bar_stacked",
        "",
        [count("lines")],
        [over_time(), values("level", "log.level")],
    ),
    Chart(
        "Lines by event",
        "Lines of API and worker, by event.",
        "table",
        "",
        [count("lines")],
        [values("event", "message.keyword", 30), values("written by", "event.dataset")],
    ),
]

API_LOGS = Dashboard(
    "umbra-api-logs",
    "Umbra: API logs",
    "What was asked of the API, how it was answered, and what went wrong.",
    [
        (3, [LINKS]),
        (6, _FIGURES),
        (12, _OVER_TIME),
        (12, _REASONS),
        (12, _LINES),
        (14, [ERRORS]),
        (14, [REFUSED_INPUTS]),
        (14, [SLOW_REQUESTS]),
    ],
)
