"""Drift: whether the houses of a window are still like the training data of a model.

From counts only: the reference is a field of an artifact's profile, the window the sum of counts by bin label
over some days. An alert needs an effect, a floor for the sample size, and persistence. Method, limits and
sources: docs/statistics.md, "Drift"; error rates: "Windows without drift" there.

Bin labels of a window: for a numeric field "0" to "k", the bins of the profile's `fine_edges`, "missing" and
"nonfinite" (which add up to n), and beside those "below" and "above", out of the reference's range. For a
categorical one its values, "__other__", "__missing__" and "__unseen__".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from monitoring.statistics import distances

MINIMUM_HOUSES = 500
"""The least houses of a window; with fewer `state` is None."""
NONE, YELLOW, RED = 0, 1, 2
YELLOW_PSI, RED_PSI = 0.10, 0.25
"""Conventions of credit scoring, not science."""
RED_UNSEEN = 0.05
RED_MISSING_RISE = 0.10
WINDOWS, WINDOWS_TO_ALERT = 3, 2
RED_SHARE_OF_FIELDS = 0.20
IMPORTANT_FIELDS = 5
_OUTSIDE = ("below", "above")
_NO_NUMBER = ("missing", "nonfinite")
_MISSING = {"numeric": "missing", "categorical": "__missing__"}
_UNSEEN = "__unseen__"


class UnknownBin(ValueError):
    """A window was counted into a bin that its reference does not have."""

    def __init__(self, label: str, expected: Collection[str]) -> None:
        super().__init__(
            f"bin {label!r} is none of the reference's ({', '.join(expected)}): count the window again, "
            "with the profile of the artifact that it is compared with"
        )


class UnfitReference(ValueError):
    """A profile whose coarse bins are not made of its fine ones."""

    def __init__(self, edge: float) -> None:
        super().__init__(f"edge {edge:g} is none of the reference's fine edges: save the artifact anew")


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """The drift of a field. Shares of 1; `js` 0 to 1; `w1_sd` in standard deviations of the reference.

    None: not defined for a categorical field or a window without houses; `state`: fewer than 500 houses.
    `missing_change` is positive when more is missing than in the reference.
    """

    houses: int
    psi: float | None
    floor: float | None
    js: float | None
    ks: float | None
    w1_sd: float | None
    missing: float | None
    missing_change: float | None
    unseen: float | None
    out_of_range: float | None
    state: int | None


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of the PSI, and how many houses of the reference and of the window are in each."""

    labels: tuple[str, ...]
    reference: tuple[int, ...]
    window: tuple[int, ...]

    def shares(self, label: str) -> tuple[float, float]:
        """Return the share of a bin in the reference and in the window; 0 if no bin has that label."""
        if label not in self.labels:
            return 0.0, 0.0
        position = self.labels.index(label)
        return self.reference[position] / max(sum(self.reference), 1), self.window[position] / sum(
            self.window
        )


def field_drift(reference: Mapping[str, Any], counts: Mapping[str, int], fields: int) -> FieldDrift:
    """Measure the drift of a field from its reference to a window; `fields`: the number watched (F).

    Raises UnknownBin, UnfitReference.
    """
    merged = bins(reference, counts)
    houses = sum(merged.window)
    if not houses:
        return FieldDrift(0, *[None] * 10)
    psi = float(distances.psi(merged.reference, merged.window))
    floor = float(distances.psi_floor(merged.reference, merged.window, fields))
    before, missing = merged.shares(_MISSING[reference["kind"]])
    _, unseen = merged.shares(_UNSEEN) if reference["kind"] == "categorical" else (0.0, 0.0)
    ks, w1_sd = _ks_and_w1(reference, counts)
    return FieldDrift(
        houses=houses,
        psi=psi,
        floor=floor,
        js=float(distances.js_distance(merged.reference, merged.window)),
        ks=ks,
        w1_sd=w1_sd,
        missing=missing,
        missing_change=missing - before,
        unseen=unseen,
        out_of_range=sum(counts.get(side, 0) for side in _OUTSIDE) / houses,
        state=state(psi, floor, unseen, missing - before) if houses >= MINIMUM_HOUSES else None,
    )


def state(psi: float, floor: float, unseen: float = 0.0, missing_change: float = 0.0) -> int:
    """Classify one window as RED, YELLOW or NONE: an effect has to be large and more than chance.

    Red: PSI > max(0.25, floor), more than 5 % unseen or 10 percentage points more missing. Yellow:
    PSI > max(0.10, floor). Simulated without drift, 79 fields: any alarm in less than 2 % of windows.
    Source: docs/statistics.md, "Drift".

    >>> state(psi=0.3, floor=0.12), state(psi=0.11, floor=0.12), state(0.0, 0.12, missing_change=0.4)
    (2, 0, 2)
    """
    if psi > max(RED_PSI, floor) or unseen > RED_UNSEEN or missing_change > RED_MISSING_RISE:
        return RED
    return YELLOW if psi > max(YELLOW_PSI, floor) else NONE


def is_undecided(psi: float, floor: float) -> bool:
    """Return whether a large effect is within the reach of chance: there are too few houses to decide.

    >>> is_undecided(psi=0.237, floor=0.46), is_undecided(psi=0.08, floor=0.46), is_undecided(0.3, 0.1)
    (True, False, False)
    """
    return YELLOW_PSI < psi <= floor


def persistent(states: Sequence[int | None]) -> int | None:
    """Return the state to alert: what 2 of the last 3 windows (oldest first) reached; None: unknown.

    >>> persistent([2, 0, 2]), persistent([2, 2, 0, 1, 0]), persistent([2]), persistent([None, None])
    (2, 0, 0, None)
    """
    known = sorted(state for state in states[-WINDOWS:] if state is not None)
    if not known:
        return None
    return known[-WINDOWS_TO_ALERT] if len(known) >= WINDOWS_TO_ALERT else NONE


def dataset_state(
    fields: Mapping[str, int | None], by_importance: Sequence[str], predictions: Sequence[int | None]
) -> int | None:
    """Combine the states of all fields and of both models' predictions; None: nothing is known.

    Red: 20 % of the fields, any of the five most important (`by_importance`, those first) or a prediction is
    red. Yellow: anything is yellow or red.

    >>> dataset_state({"rooms": 2, "street": 0, **{str(n): 0 for n in range(9)}}, ["street", "rooms"], [0, 0])
    2
    """
    known = [state for state in fields.values() if state is not None]
    important = [fields.get(name) for name in by_importance[:IMPORTANT_FIELDS]]
    if RED in [*important, *predictions] or (known and known.count(RED) >= RED_SHARE_OF_FIELDS * len(known)):
        return RED
    states = known + [state for state in predictions if state is not None]
    return min(max(states), YELLOW) if states else None


def bins(reference: Mapping[str, Any], counts: Mapping[str, int]) -> Bins:
    """Make the bins of the PSI: of a categorical field as counted, of a numeric one merged from fine ones."""
    if reference["kind"] == "categorical":
        return _categorical(reference["counts"], counts)
    coarse = _coarse_of_fine(reference)
    window = [0] * len(reference["counts"])
    for position, houses in zip(coarse, _fine_counts(reference, counts), strict=True):
        window[position] += houses
    return Bins(
        labels=(*_ranges(reference["edges"]), *_NO_NUMBER),
        reference=(*reference["counts"], *(reference[label] for label in _NO_NUMBER)),
        window=(*window, *(counts.get(label, 0) for label in _NO_NUMBER)),
    )


def _categorical(reference: Mapping[str, int], counts: Mapping[str, int]) -> Bins:
    _check(counts, reference)
    return Bins(
        tuple(reference), tuple(reference.values()), tuple(counts.get(category, 0) for category in reference)
    )


def _fine_counts(reference: Mapping[str, Any], counts: Mapping[str, int]) -> list[int]:
    """Return the houses of a window in each fine bin."""
    labels = [str(position) for position in range(len(reference["fine_counts"]))]
    _check(counts, [*labels, *_NO_NUMBER, *_OUTSIDE])
    return [counts.get(label, 0) for label in labels]


def _check(counts: Mapping[str, int], expected: Collection[str]) -> None:
    for label in counts:
        if label not in expected:
            raise UnknownBin(label, expected)


def _coarse_of_fine(reference: Mapping[str, Any]) -> list[int]:
    """Return the coarse bin of each fine one, by the values of edges: equal quantiles are one edge."""
    edges, fine = np.asarray(reference["edges"]), np.asarray(reference["fine_edges"])
    unknown_edges = edges[~np.isin(edges, fine)]
    if len(unknown_edges):
        raise UnfitReference(float(unknown_edges[0]))
    return [0, *np.searchsorted(edges, fine, side="right").tolist()]


def _ranges(edges: Sequence[float]) -> list[str]:
    """Label the bins: bin i holds edges[i - 1] <= x < edges[i]; the outer ones are open."""
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"from {edges[-1]:g}"]


def _ks_and_w1(reference: Mapping[str, Any], counts: Mapping[str, int]) -> tuple[float | None, float | None]:
    """Return KS and W1 / sd on the fine bins of a numeric field; None without numbers on both sides."""
    if reference["kind"] == "categorical":
        return None, None
    window = _fine_counts(reference, counts)
    if not sum(window) or not sum(reference["fine_counts"]):
        return None, None
    points = [reference["min"], *reference["fine_edges"], reference["max"]]
    moved = float(distances.w1(reference["fine_counts"], window, points))
    return float(distances.ks(reference["fine_counts"], window)), moved / reference["sd"]
