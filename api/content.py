"""Content: what a body is, all of its bytes, and what the answer should be."""

from __future__ import annotations

import time
from typing import Any

from gunicorn.http.errors import ParseException
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from api.errors import BodyTooLarge, NotAcceptable, UnreadableBody, UnsupportedContent

JSON = "application/json"
CSV = "text/csv"
DISCARDED_BYTES = 32 << 20
DISCARDING_SECONDS = 1.0
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


def read(environ: dict[str, Any], max_bytes: int) -> bytes:
    """The whole body or nothing: a body cut short must not become a shorter list of houses.

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
        _discard(environ, length)
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
        _discard(environ, DISCARDED_BYTES)
        raise BodyTooLarge(f"a body of more than {max_bytes} bytes: expected at most that many")
    return body


def _discard(environ: dict[str, Any], length: int) -> None:
    """Take in what is still coming, within reason: a client that cannot finish sending reads no answer."""
    rest, deadline = min(length, DISCARDED_BYTES), time.monotonic() + DISCARDING_SECONDS
    while rest > 0 and time.monotonic() < deadline:
        piece = _read(environ, min(rest, 1 << 16))
        if not piece:
            return
        rest -= len(piece)


def _read(environ: dict[str, Any], length: int) -> bytes:
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ParseException) as fault:
        raise UnreadableBody(f"the body could not be read to its end: {str(fault)[:80]}") from fault
    return body


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
