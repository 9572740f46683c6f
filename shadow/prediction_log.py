"""The log lines about single captures: stored, compared, their outcomes; off the live path."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self
from uuid import UUID

from monitoring import logs
from monitoring.logs.fields import MAX_LISTED, Kind
from shadow.records import Capture, NewObservation, Outcome, PendingCapture
from shadow.settings import Settings
from shadow.store.captures import sample_key

_log = logging.getLogger("umbra.houses")


@dataclass(frozen=True, slots=True)
class PredictionLog:
    """Writes log lines about single captures, of a sample of them.

    `share` is the sampled share of all captures; the id decides, so that a capture has all its lines or none.
    `inputs` says whether the lines hold the inputs of a row; `masked` fields never appear.
    """

    share: float = 0.0
    inputs: bool = False
    masked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Make the log that the settings declare."""
        return cls(settings.log_houses_share, settings.log_inputs, frozenset(settings.masked_fields))

    def log_captures(self, captures: Iterable[Capture]) -> None:
        """Log the sampled captures, which are in the store now."""
        for capture in captures:
            if self._is_sampled(capture.id):
                logs.event(
                    _log,
                    "house_captured",
                    trace={"id": capture.request_id},
                    capture_id=str(capture.id),
                    row_index=capture.row_index,
                    captured_at=capture.captured_at,
                    live_model=str(capture.live),
                    live_price_dollars=capture.prediction_dollars,
                    **self._inputs(capture),
                )

    def log_comparisons(
        self, candidate: str, captures: Sequence[PendingCapture], observations: Sequence[NewObservation]
    ) -> None:
        """Log the sampled captures that a candidate has scored: `observations[i]` is about `captures[i]`."""
        for capture, observation in zip(captures, observations, strict=False):
            dollars = observation.prediction_dollars
            if dollars is not None and self._is_sampled(capture.id):
                logs.event(
                    _log,
                    "house_compared",
                    trace={"id": capture.request_id},
                    capture_id=str(capture.id),
                    candidate=candidate,
                    candidate_price_dollars=dollars,
                    live_model=capture.live,
                    live_price_dollars=capture.live_dollars,
                    difference_dollars=dollars - capture.live_dollars,
                    difference_ratio=capture.difference_ratio(dollars),
                )

    def log_outcomes(self, outcomes: Sequence[Outcome], request_ids: Mapping[UUID, str]) -> None:
        """Log outcomes that are in the store now: a line per report, and one per sampled capture.

        `request_ids` has the request that each sampled capture came with; its line bears that id. No line
        holds a price or a source.
        """
        for report, reported in groupby(outcomes, key=lambda outcome: outcome.request_id):
            capture_ids = [str(outcome.capture_id) for outcome in reported]
            logs.event(
                _log,
                "outcomes_stored",
                trace={"id": report},
                rows=len(capture_ids),
                capture_ids=capture_ids[:MAX_LISTED],
            )
        for outcome in outcomes:
            if outcome.capture_id in request_ids:
                logs.event(
                    _log,
                    "house_outcome",
                    trace={"id": request_ids[outcome.capture_id]},
                    capture_id=str(outcome.capture_id),
                    outcome=outcome.state.value,
                    report=outcome.request_id,
                )

    def sampled(self, capture_ids: Iterable[UUID]) -> list[UUID]:
        """Return those of these captures that the log has lines about."""
        return [capture_id for capture_id in capture_ids if self._is_sampled(capture_id)]

    def _is_sampled(self, capture_id: UUID) -> bool:
        return self.share > 0 and sample_key(capture_id) < self.share

    def _inputs(self, capture: Capture) -> dict[str, Any]:
        if not self.inputs:
            return {}
        return {"inputs": {name: value for name, value in capture.inputs.items() if name not in self.masked}}


NO_PREDICTION_LOG = PredictionLog()
"""A log that samples no capture."""


def input_kinds() -> dict[str, Kind]:
    """Return the kind that each input field has in a log line."""
    # Only tools call this: the schema takes 16 MB that ingest has no other use for.
    from model_package.schema import FIELDS  # noqa: PLC0415

    return {field.name: "keyword" if field.kind == "category" else "double" for field in FIELDS}
