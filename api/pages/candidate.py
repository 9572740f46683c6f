"""A candidate's three pages: the documents each needs, and its text while they are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.pages import comparison, drift, evidence
from api.pages.documents import comparison_of, drift_of, timeline_of, verdict_of
from shadow.policy_summary import PolicySummary
from shadow.store.streams.documents import DocumentKind, StreamDocuments


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the pages. Without its `document` it shows what is `lacking` and the remedy."""

    name: str
    document: DocumentKind
    kinds: tuple[DocumentKind, ...]
    lacking: str
    remedy: str
    fill: Callable[[StreamDocuments, str | None], dict[str, Any]]


def context(
    tab: Tab, candidate: str, stream: StreamDocuments | None, chosen_field: str | None = None
) -> dict[str, Any]:
    """Give the context of the tab's template; `chosen_field` is the field to draw."""
    document = None if stream is None else stream.documents.get(tab.document)
    return {
        "candidate": candidate,
        "tab": tab.name,
        "lacking": tab.lacking,
        "remedy": tab.remedy,
        "stream": stream.stream if stream else None,
        "is_over": stream is not None and stream.is_over,
        "judged_by": PolicySummary.of(stream.stream.terms.policy).label if stream else None,
        "changes": stream.changes if stream else (),
        "verdict": verdict_of(stream).body,
        "document": document,
        **(tab.fill(stream, chosen_field) if stream is not None and document is not None else {}),
    }


def _comparison(stream: StreamDocuments, _chosen_field: str | None) -> dict[str, Any]:
    return comparison.context(comparison_of(stream).body)


def _evidence(stream: StreamDocuments, _chosen_field: str | None) -> dict[str, Any]:
    verdict, timeline, compared = verdict_of(stream), timeline_of(stream), comparison_of(stream)
    return evidence.context(verdict.body, timeline.body, compared.body, stream.stream.terms.margin)


def _drift(stream: StreamDocuments, chosen_field: str | None) -> dict[str, Any]:
    return drift.context(drift_of(stream).body, chosen_field)


COMPARISON = Tab(
    "Comparison",
    "comparison",
    ("verdict", "comparison"),
    "No houses have been compared yet.",
    "The worker compares once the candidate has scored a house; umbra status says whether it runs.",
    _comparison,
)
EVIDENCE = Tab(
    "Evidence",
    "verdict",
    ("verdict", "evidence", "comparison"),
    "There is no verdict yet.",
    "The worker judges every candidate within a minute; umbra status says whether it runs.",
    _evidence,
)
DRIFT = Tab(
    "Drift",
    "drift",
    ("verdict", "drift"),
    "Drift is not known yet.",
    "The worker counts houses as they come; umbra status says whether it runs.",
    _drift,
)
TABS: Mapping[str, Tab] = {
    "/candidates/<identifier>": COMPARISON,
    "/candidates/<identifier>/evidence": EVIDENCE,
    "/candidates/<identifier>/drift": DRIFT,
}
