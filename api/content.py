"""Content: what a body is, all of its bytes, and what the answer should be (RFC 9110, leniently read)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gunicorn.http.errors import ParseException
from werkzeug.http import parse_options_header

from api.errors import BodyTooLarge, UnreadableBody, UnsupportedContent

JSON = "application/json"
CSV = "text/csv"
HTML = "text/html"
_PAGES = frozenset({HTML, "application/xhtml+xml"})
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_ANYTHING = frozenset({"", "*/*"})
# A parameter's quoted text, which may hold what looks like a separator; that of a quality stays.
_QUOTED = re.compile(r'(\bq\s*=\s*"[^"]*"?)|"(?:[^"\\]|\\.)*"?', re.IGNORECASE)
_QUALITY = re.compile(r"\s*q\s*=\s*\"?\s*(\d*\.?\d*)", re.IGNORECASE)
# Past these many nobody reads what else a client would take: an answer in the kind of its body is right, too.
_RANGES_MOST = 64


def of_body(environ: dict[str, Any]) -> str:
    """JSON or CSV, as the request declares its body; raises UnsupportedContent."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "")
    if encoding and encoding.strip().lower() != "identity":
        raise UnsupportedContent(f"Content-Encoding {encoding[:80]!r}: expected none; send the body as it is")
    declared = environ.get("CONTENT_TYPE", "")
    return JSON if declared == JSON else _parsed(declared)


def _parsed(declared: str) -> str:
    kind, options = parse_options_header(declared)
    kind = _without_suffix(kind.lower())
    if kind not in (JSON, CSV):
        raise UnsupportedContent(f"Content-Type {declared[:80]!r}: expected {JSON} or {CSV}")
    charset = options.get("charset", "utf-8").strip(" '\"")
    if charset.lower() not in _CHARSETS:
        raise UnsupportedContent(f"charset {charset[:80]!r}: expected utf-8")
    return kind


def _without_suffix(kind: str) -> str:
    """JSON for a kind that is written as JSON, such as application/ld+json (RFC 6839)."""
    return JSON if kind.startswith("application/") and kind.endswith("+json") else kind


def read(environ: dict[str, Any], max_bytes: int) -> bytes:
    """Read the whole body or nothing: a body cut short must not become a shorter list of houses.

    (werkzeug gives what came, cut at the limit.) Raises BodyTooLarge or UnreadableBody.
    """
    declared = environ.get("CONTENT_LENGTH", "")
    if not declared:
        return _read_chunked(environ, max_bytes)
    if not (declared.isascii() and declared.isdigit()):
        raise UnreadableBody(f"Content-Length {declared[:80]!r}: expected a number of bytes")
    # More digits than any limit has are not worth converting.
    length = int(declared) if len(declared) < 20 else max_bytes + 1
    if length > max_bytes:
        raise BodyTooLarge(f"a body of {declared[:20]} bytes: expected at most {max_bytes}")
    body = _read(environ, length)
    if len(body) != length:
        raise UnreadableBody(f"the body ended after {len(body)} of {length} bytes")
    return body


def _read_chunked(environ: dict[str, Any], max_bytes: int) -> bytes:
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = _read(environ, max_bytes + 1)
    if len(body) > max_bytes:
        raise BodyTooLarge(f"a body of more than {max_bytes} bytes: expected at most that many")
    return body


def _read(environ: dict[str, Any], length: int) -> bytes:
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ParseException) as fault:
        raise UnreadableBody(f"the body could not be read to its end: {str(fault)[:80]}") from fault
    return body


def of_answer(environ: dict[str, Any], body: str) -> str:
    """JSON or CSV, as the client prefers; the kind of its body when it has no preference, or wants neither.

    (An answer in a kind that was not asked for is allowed, RFC 9110, 12.4.1, and serves a client better than
    a refusal.)
    """
    accept = environ.get("HTTP_ACCEPT", "")
    if accept in _ANYTHING or accept == body:
        return body
    return preferred(accept, [body, CSV if body == JSON else JSON]) or body


def prefers_page(environ: dict[str, Any]) -> bool:
    """Whether the client would rather read a page than JSON: only who names HTML does, as browsers do."""
    accept = environ.get("HTTP_ACCEPT", "")
    return "html" in accept.lower() and preferred(accept, [JSON, HTML]) == HTML


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """Choose the kind of `offered` that an Accept header prefers; None: none of them.

    Parameters do not count. Of kinds that are wanted as much as each other, one that is named goes before one
    that a wildcard covers, and otherwise the first.
    """
    wishes = dict.fromkeys(offered, (0, 0.0))
    for media_range, quality in _ranges(accept):
        for kind, wish in wishes.items():
            closeness = _closeness(media_range, kind)
            # The closest range decides about a kind (RFC 9110, 12.5.1), of equally close ones the best.
            wishes[kind] = max(wish, (closeness, quality)) if closeness else wish
    best = max(wishes, key=lambda kind: (wishes[kind][1], wishes[kind][0]))
    return best if wishes[best][1] > 0 else None


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each media range of the header, in lower case, with its quality from 0 to 1."""
    if '"' in accept:
        accept = _QUOTED.sub(r"\1", accept)
    for text in accept.split(",", _RANGES_MOST)[:_RANGES_MOST]:
        media_range, *parameters = text.split(";")
        if media_range := media_range.strip().lower():
            yield media_range, _quality(parameters)


def _quality(parameters: Sequence[str]) -> float:
    """Read the value of `q=0.5`, however it is written (`Q = .5`); 1 if it is missing or no number."""
    matches = (_QUALITY.match(parameter) for parameter in parameters)
    written = next((match[1] for match in matches if match), "")
    return 1.0 if written in ("", ".") else min(float(written), 1.0)


def _closeness(media_range: str, kind: str) -> int:
    """How closely a media range names a kind, from 4 (itself) to 1 (anything); 0: not at all."""
    if media_range == kind or (kind == HTML and media_range in _PAGES):
        return 4
    if _without_suffix(media_range) == kind:
        return 3
    if media_range == kind.partition("/")[0] + "/*":
        return 2
    return 1 if media_range in ("*/*", "*") else 0
