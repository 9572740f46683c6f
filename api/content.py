"""Content negotiation: what a body is, and what the answer should be."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from api.errors import NotAcceptable, UnsupportedContent

JSON = "application/json"
CSV = "text/csv"
_CHARSETS = frozenset({"utf-8", "utf8"})
_ANYTHING = frozenset({"", "*/*"})


def of_body(environ: dict[str, Any]) -> str:
    """JSON or CSV, as the request declares its body; raises UnsupportedContent."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "")
    if encoding and encoding.strip().lower() != "identity":
        raise UnsupportedContent(f"Content-Encoding {encoding[:80]!r}: expected none; send the body as it is")
    declared = environ.get("CONTENT_TYPE", "")
    return JSON if declared == JSON else _parsed(declared)


def _parsed(declared: str) -> str:
    kind, options = parse_options_header(declared)
    kind = kind.lower()
    if kind not in (JSON, CSV):
        raise UnsupportedContent(f"Content-Type {declared[:80]!r}: expected {JSON} or {CSV}")
    charset = options.get("charset", "utf-8")
    if charset.lower() not in _CHARSETS:
        raise UnsupportedContent(f"charset {charset[:80]!r}: expected utf-8")
    return kind


def of_answer(environ: dict[str, Any], body: str) -> str:
    """JSON or CSV, as the client prefers; the kind of its body when it has no preference."""
    accept = environ.get("HTTP_ACCEPT", "")
    if accept in _ANYTHING or accept == body:
        return body
    other = CSV if body == JSON else JSON
    best = parse_accept_header(accept, MIMEAccept).best_match([body, other])
    if best is None:
        raise NotAcceptable(f"Accept {accept[:80]!r}: an answer is {JSON} or {CSV}")
    return best
