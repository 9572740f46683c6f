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


def render(found: StreamDocuments, rendering: Rendering) -> str:
    """The report as HTML."""
    style = rendering.assets["umbra.css"].text
    scripts = [rendering.assets[name].text for name in ("chart.umd.min.js", "charts.js")]
    about = {
        "printed": True,
        "candidate": str(found.stream.candidate),
        "stream": found.stream,
        "changes": found.changes,
        "judged_by": PolicySummary.of(found.stream.terms.policy).label,
        "verdict": verdict_of(found).body,
    }
    return rendering.render(
        "report",
        **about,
        version=umbra_version(),
        documents=[(kind, found.documents[kind]) for kind in KINDS if kind in found.documents],
        parts_shown=list(_parts(found, rendering, about)),
        policy=_policy(style, scripts),
        style=_ours(style),
        scripts=list(map(_ours, scripts)),
    )


def _parts(
    found: StreamDocuments,
    rendering: Rendering,
    about: Mapping[str, Any],
) -> Iterator[tuple[str, str, Markup | None]]:
    """Title, what to say when it is missing, and the part itself."""
    margin = found.stream.terms.margin
    filled = {
        "verdict": lambda: evidence.shown(
            verdict_of(found).body, timeline_of(found).body, comparison_of(found).body, margin
        ),
        "comparison": lambda: comparison.shown(comparison_of(found).body),
        "drift": lambda: drift.shown(drift_of(found).body, None, _FIELDS_DRAWN),
    }
    for tab in (EVIDENCE, COMPARISON, DRIFT):
        there = tab.document in found.documents
        body = (
            rendering.render(f"{tab.name.lower()}_body", **about, **filled[tab.document]()) if there else None
        )
        yield tab.name, tab.lacking, None if body is None else _ours(body)


def _ours(text: str) -> Markup:
    """Text that was made here, and whose foreign parts are escaped."""
    return Markup(text)  # noqa: S704


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Only these very texts may run; nothing may be loaded from anywhere."""
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {allowed}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
