"""The door to the journal, as the resources see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from model_package.reference import ModelRef
from model_package.schema import Row
from shadow.journal.capture_result import CaptureResult
from shadow.records import Outcome


class CaptureRecorder(Protocol):
    """Records captures and outcomes: never raises, never blocks for long."""

    def record(
        self,
        *,
        request_id: str,
        live: ModelRef,
        capture_ids: Sequence[UUID],
        rows: Sequence[Row],
        dollars: Sequence[float],
        entities: Sequence[str | None] = (),
    ) -> CaptureResult:
        """Put one answered request into the journal."""
        ...

    def record_outcomes(self, request_id: str, outcomes: Sequence[Outcome]) -> CaptureResult:
        """Put outcomes into the journal, all of them or none."""
        ...
