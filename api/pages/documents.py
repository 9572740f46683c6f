"""Documents: what the evidence process published about a stream, read into the declared shapes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from monitoring.statistics import drift
from shadow.evidence.documents.shapes import ComparisonDocument, DriftDocument, TimelineDocument
from shadow.json_shapes import from_json
from shadow.store.streams.documents import DocumentKind, StreamDocuments
from shadow.verdict.shapes import VerdictDocument

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class EvidenceDocument(Generic[Shape]):
    """A document and when it was computed; None: not yet, and the body has its defaults."""

    body: Shape
    computed_at: datetime | None = None


class PsiEntry(Protocol):
    """An entry that says how far something moved."""

    @property
    def psi(self) -> float | None:
        """The population stability index; None: not known."""

    @property
    def floor(self) -> float | None:
        """What the index would be by chance alone; None: not known."""

    @property
    def state(self) -> int | None:
        """0 in order, 1 yellow, 2 red; None: not known."""


def verdict_of(stream: StreamDocuments | None) -> EvidenceDocument[VerdictDocument]:
    """Read the verdict of a stream."""
    return _read(VerdictDocument, stream, "verdict")


def timeline_of(stream: StreamDocuments | None) -> EvidenceDocument[TimelineDocument]:
    """Read the evidence over time of a stream."""
    return _read(TimelineDocument, stream, "evidence")


def comparison_of(stream: StreamDocuments | None) -> EvidenceDocument[ComparisonDocument]:
    """Read the comparison of a stream."""
    return _read(ComparisonDocument, stream, "comparison")


def drift_of(stream: StreamDocuments | None) -> EvidenceDocument[DriftDocument]:
    """Read the drift of a stream."""
    return _read(DriftDocument, stream, "drift")


def is_undecided(entry: PsiEntry) -> bool:
    """Whether the state is in order only because there are too few rows to tell."""
    if entry.state != drift.NONE or entry.psi is None or entry.floor is None:
        return False
    return drift.is_undecided(entry.psi, entry.floor)


def _read(shape: type[Shape], stream: StreamDocuments | None, kind: DocumentKind) -> EvidenceDocument[Shape]:
    stored = None if stream is None else stream.documents.get(kind)
    if stored is None:
        return EvidenceDocument(shape())
    return EvidenceDocument(from_json(shape, stored.body), stored.computed_at)
