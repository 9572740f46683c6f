"""The log lines about single houses: captured, compared, what became of them; off the live path."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self
from uuid import UUID

from monitoring import logs
from monitoring.logs.fields import LISTED_MOST, Kind
from shadow.records import Capture, NewObservation, Outcome, PendingCapture
from shadow.settings import Settings
from shadow.store.captures import sample_key

_log = logging.getLogger("umbra.houses")


@dataclass(frozen=True, slots=True)
class HouseLines:
    """Which houses have lines, and what these may say.

    `share`: of all houses, by their id, so that a house has all its lines or none. `inputs`: whether they say
    what was asked; `masked` fields are never said.
    """

    share: float = 0.0
    inputs: bool = False
    masked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings have it."""
        return cls(settings.log_houses_share, settings.log_inputs, frozenset(settings.masked_fields))

    def captured(self, houses: Iterable[Capture]) -> None:
        """Tell of houses that are in the store now."""
        for house in houses:
            if self._has_lines(house.id):
                logs.event(
                    _log,
                    "house_captured",
                    trace={"id": house.request_id},
                    capture_id=str(house.id),
                    row_index=house.row_index,
                    captured_at=house.captured_at,
                    live_model=str(house.live),
                    live_price_dollars=house.prediction_dollars,
                    **self._inputs(house),
                )

    def compared(
        self, candidate: str, houses: Sequence[PendingCapture], answers: Sequence[NewObservation]
    ) -> None:
        """Tell of houses that a candidate has priced: `answers[i]` is about `houses[i]`."""
        for house, answer in zip(houses, answers, strict=False):
            if answer.prediction_dollars is not None and self._has_lines(house.id):
                logs.event(
                    _log,
                    "house_compared",
                    trace={"id": house.request_id},
                    capture_id=str(house.id),
                    candidate=candidate,
                    candidate_price_dollars=answer.prediction_dollars,
                    live_model=house.live,
                    live_price_dollars=house.live_dollars,
                    difference_dollars=answer.prediction_dollars - house.live_dollars,
                    difference_ratio=house.difference_ratio(answer.prediction_dollars),
                )

    def reported(self, outcomes: Sequence[Outcome], asked: Mapping[UUID, str]) -> None:
        """Tell of outcomes that are in the store now: of each report, and of houses that have lines.

        `asked` gives the request that asked about a house, under which its line stands. Neither price nor
        source is told.
        """
        for report, told in groupby(outcomes, key=lambda outcome: outcome.request_id):
            names = [str(outcome.capture_id) for outcome in told]
            logs.event(
                _log,
                "outcomes_stored",
                trace={"id": report},
                rows=len(names),
                capture_ids=names[:LISTED_MOST],
            )
        for outcome in outcomes:
            if outcome.capture_id in asked:
                logs.event(
                    _log,
                    "house_outcome",
                    trace={"id": asked[outcome.capture_id]},
                    capture_id=str(outcome.capture_id),
                    outcome=outcome.state.value,
                    report=outcome.request_id,
                )

    def with_lines(self, names: Iterable[UUID]) -> list[UUID]:
        """Those of these houses that have lines."""
        return [name for name in names if self._has_lines(name)]

    def _has_lines(self, capture_id: UUID) -> bool:
        return self.share > 0 and sample_key(capture_id) < self.share

    def _inputs(self, house: Capture) -> dict[str, Any]:
        if not self.inputs:
            return {}
        return {"inputs": {name: value for name, value in house.inputs.items() if name not in self.masked}}


NO_LINES = HouseLines()
"""No house has lines."""


def input_kinds() -> dict[str, Kind]:
    """What kind of field of a line each field of a house is."""
    # Only tools ask: the schema takes 16 MB that ingest has no other use for.
    from model_package.schema import FIELDS  # noqa: PLC0415

    return {field.name: "keyword" if field.kind == "category" else "double" for field in FIELDS}
