"""The report: all that is known of a candidate in one HTML file, to attach to a decision.

It needs nothing but itself: style, script and numbers are inside, and its policy lets it load nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from markupsafe import Markup

from api.pages import comparison, drift, evidence
from api.pages.candidate import COMPARISON, DRIFT, EVIDENCE
from api.pages.documents import comparison_of, drift_of, timeline_of, verdict_of
from api.pages.rendering import Rendering
from shadow.policy_summary import PolicySummary
from shadow.store.streams.documents import DocumentKind, StreamDocuments
from shadow.version import umbra_version

KINDS: tuple[DocumentKind, ...] = ("verdict", "evidence", "comparison", "drift")
_FIELDS_DRAWN = 8


def render(stream: StreamDocuments, rendering: Rendering) -> str:
    """Render the report as HTML."""
    style = rendering.assets["umbra.css"].text
    scripts = [rendering.assets[name].text for name in ("chart.umd.min.js", "charts.js")]
    about = {
        "printed": True,
        "candidate": str(stream.stream.candidate),
        "stream": stream.stream,
        "changes": stream.changes,
        "judged_by": PolicySummary.of(stream.stream.terms.policy).label,
        "verdict": verdict_of(stream).body,
    }
    return rendering.render(
        "report",
        **about,
        version=umbra_version(),
        documents=[(kind, stream.documents[kind]) for kind in KINDS if kind in stream.documents],
        sections=list(_sections(stream, rendering, about)),
        policy=_policy(style, scripts),
        style=_trusted(style),
        scripts=list(map(_trusted, scripts)),
    )


def _sections(
    stream: StreamDocuments,
    rendering: Rendering,
    about: Mapping[str, Any],
) -> Iterator[tuple[str, str, Markup | None]]:
    """Give title, the text if it is missing, and the body of each section."""
    margin = stream.stream.terms.margin
    filled = {
        "verdict": lambda: evidence.context(
            verdict_of(stream).body, timeline_of(stream).body, comparison_of(stream).body, margin
        ),
        "comparison": lambda: comparison.context(comparison_of(stream).body),
        "drift": lambda: drift.context(drift_of(stream).body, None, _FIELDS_DRAWN),
    }
    for tab in (EVIDENCE, COMPARISON, DRIFT):
        is_present = tab.document in stream.documents
        body = (
            rendering.render(f"{tab.name.lower()}_body", **about, **filled[tab.document]())
            if is_present
            else None
        )
        yield tab.name, tab.lacking, None if body is None else _trusted(body)


def _trusted(text: str) -> Markup:
    """Mark text as safe: it was rendered here, and everything foreign in it is escaped."""
    return Markup(text)  # noqa: S704


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Only these very texts may run; nothing may be loaded from anywhere."""
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {allowed}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
