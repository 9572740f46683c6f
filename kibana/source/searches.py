"""The lines worth finding again, each under a name."""

from __future__ import annotations

from kibana.source.saved import Search

REQUEST = 'message.keyword: "request"'
CAPTURED = 'message.keyword: "house_captured"'
COMPARED = 'message.keyword: "house_compared"'
FAILED = 'message.keyword: "observation_failed"'
SLOW_NANOSECONDS = 50_000_000
"""The objective for a request, 50 ms."""

_HOUSE = (
    "umbra.candidate",
    "umbra.live_price_dollars",
    "umbra.candidate_price_dollars",
    "umbra.difference_dollars",
    "umbra.difference_ratio",
    "trace.id",
    "umbra.capture_id",
)

ERRORS = Search(
    "umbra-errors",
    "Umbra: errors",
    "Everything that API and worker wrote as an error, with what they say about it.",
    "log.level: (error or critical)",
    ("event.dataset", "message", "error.type", "error.message", "umbra.reason", "umbra.role", "trace.id"),
)
SLOW_REQUESTS = Search(
    "umbra-slow-requests",
    "Umbra: slow requests",
    "Requests that took 50 ms or more, slowest first.",
    f"{REQUEST} and event.duration >= {SLOW_NANOSECONDS}",
    (
        "event.duration",
        "event.action",
        "http.response.status_code",
        "umbra.rows",
        "umbra.capture",
        "trace.id",
    ),
    ("event.duration", "desc"),
)
REFUSED_INPUTS = Search(
    "umbra-refused-inputs",
    "Umbra: refused inputs",
    "Requests that were refused, by what was wrong: the kind of problem and the fields of the house.",
    f"{REQUEST} and umbra.problem: * and http.response.status_code < 500",
    ("http.response.status_code", "umbra.problem", "umbra.refused_fields", "url.path", "trace.id"),
)
CANDIDATE_FAILURES = Search(
    "umbra-candidate-failures",
    "Umbra: candidate failures",
    "Houses that a candidate failed on, and lanes that stand still.",
    f'{FAILED} or (message.keyword: "lane_state" and log.level: error)',
    (
        "message",
        "umbra.candidate",
        "umbra.reason",
        "umbra.detail",
        "umbra.state",
        "umbra.because",
        "trace.id",
    ),
)
ONE_REQUEST = Search(
    "umbra-one-request",
    "Umbra: one request by id",
    "All lines about a request, from its answer to its outcome: put its X-Request-ID for the star.",
    "trace.id: *",
    (
        "event.dataset",
        "message",
        "trace.id",
        "http.response.status_code",
        "umbra.row_index",
        "umbra.candidate",
        "umbra.live_price_dollars",
        "umbra.candidate_price_dollars",
        "umbra.outcome",
        "umbra.reason",
    ),
)
OUTCOMES = Search(
    "umbra-outcomes",
    "Umbra: outcomes",
    "Reports of sold and withdrawn houses, and each house under the request that asked about it.",
    'message.keyword: "outcomes_stored" or message.keyword: "house_outcome"',
    (
        "message",
        "umbra.outcome",
        "umbra.capture_id",
        "umbra.capture_ids",
        "umbra.rows",
        "umbra.report",
        "trace.id",
    ),
)
FAR_ABOVE = Search(
    "umbra-far-above-live",
    "Umbra: candidate far above live",
    "The houses that candidates price highest above the live model, the furthest first.",
    f"{COMPARED} and umbra.difference_ratio > 0",
    _HOUSE,
    ("umbra.difference_ratio", "desc"),
)
FAR_BELOW = Search(
    "umbra-far-below-live",
    "Umbra: candidate far below live",
    "The houses that candidates price lowest below the live model, the furthest first.",
    f"{COMPARED} and umbra.difference_ratio < 0",
    _HOUSE,
    ("umbra.difference_ratio", "asc"),
)

SEARCHES = (
    ERRORS,
    SLOW_REQUESTS,
    REFUSED_INPUTS,
    CANDIDATE_FAILURES,
    ONE_REQUEST,
    OUTCOMES,
    FAR_ABOVE,
    FAR_BELOW,
)
