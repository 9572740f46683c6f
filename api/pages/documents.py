"""Documents: reading what the evidence process wrote, whatever is missing in it or null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.pages.formatting import known
from monitoring.statistics import drift
from shadow.store.streams.documents import DocumentKind, StreamDocuments


@dataclass(frozen=True, slots=True)
class EvidenceDocument:
    """One document and when it was made; None: it has not been made yet."""

    body: Mapping[str, Any] = field(default_factory=dict)
    computed_at: datetime | None = None

    @classmethod
    def of(cls, dossier: StreamDocuments | None, kind: DocumentKind) -> EvidenceDocument:
        """The document of this kind in a dossier."""
        found = dossier.documents.get(kind) if dossier is not None else None
        return cls() if found is None else cls(found.body, found.computed_at)

    def at(self, path: str) -> Any:
        """What stands at `keys.rows.ln_e`; None when anything on the way is missing."""
        found: Any = self.body
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def number(self, path: str) -> float | None:
        """The number there, or None."""
        return known(self.at(path))

    def rows(self, path: str) -> list[Mapping[str, Any]]:
        """The objects of the list there; none when there is no list."""
        found = self.at(path)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []

    def moved(self, path: str) -> list[Mapping[str, Any]]:
        """The objects of the list there, which say how far something moved, and whether that is enough."""
        return [{**row, "is_undecided": _is_undecided(row)} for row in self.rows(path)]

    def is_undecided(self, path: str) -> bool:
        """Whether the object there is called in order only because there are too few houses to tell."""
        found = self.at(path)
        return isinstance(found, Mapping) and _is_undecided(found)

    def texts(self, path: str) -> list[str]:
        """The texts of the list there."""
        found = self.at(path)
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _is_undecided(row: Mapping[str, Any]) -> bool:
    psi, floor = known(row.get("psi")), known(row.get("floor"))
    if row.get("state") != drift.NONE or psi is None or floor is None:
        return False
    return drift.is_undecided(psi, floor)
