"""A candidate's three pages: what each needs, and what it says while that is not there."""

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
    """One of the pages. Without its `document` it says what is `lacking`, and what to do."""

    name: str
    document: DocumentKind
    kinds: tuple[DocumentKind, ...]
    lacking: str
    remedy: str
    fill: Callable[[StreamDocuments, str | None], dict[str, Any]]


def shown(
    tab: Tab, candidate: str, dossier: StreamDocuments | None, asked: str | None = None
) -> dict[str, Any]:
    """What the tab's template is given; `asked` is the field somebody wants to see."""
    document = None if dossier is None else dossier.documents.get(tab.document)
    return {
        "candidate": candidate,
        "tab": tab.name,
        "lacking": tab.lacking,
        "remedy": tab.remedy,
        "stream": dossier.stream if dossier else None,
        "is_over": dossier is not None and dossier.is_over,
        "judged_by": PolicySummary.of(dossier.stream.terms.policy).label if dossier else None,
        "changes": dossier.changes if dossier else (),
        "verdict": verdict_of(dossier).body,
        "document": document,
        **(tab.fill(dossier, asked) if dossier is not None and document is not None else {}),
    }


def _comparison(dossier: StreamDocuments, _asked: str | None) -> dict[str, Any]:
    return comparison.shown(comparison_of(dossier).body)


def _evidence(dossier: StreamDocuments, _asked: str | None) -> dict[str, Any]:
    verdict, timeline, compared = verdict_of(dossier), timeline_of(dossier), comparison_of(dossier)
    return evidence.shown(verdict.body, timeline.body, compared.body, dossier.stream.terms.margin)


def _drift(dossier: StreamDocuments, asked: str | None) -> dict[str, Any]:
    return drift.shown(drift_of(dossier).body, asked)


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
