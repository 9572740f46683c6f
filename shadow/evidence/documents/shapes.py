"""The shapes of the documents about a stream that pages, reports and gauges read beside its verdict.

None: there is no such number (yet). States: 0 in order, 1 yellow, 2 red, None too few rows to tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PricedPoint:
    """One pair of predictions with its outcome, US dollars."""

    id: str = ""
    live: float | None = None
    candidate: float | None = None
    sold: float | None = None


@dataclass(frozen=True, slots=True)
class WorstPair:
    """A pair whose predictions are far apart, with the row's inputs; `gap` is |ln(candidate / live)|."""

    id: str = ""
    live: float | None = None
    candidate: float | None = None
    sold: float | None = None
    captured_at: str = ""
    gap: float | None = None
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgreementLimits:
    """Bland-Altman limits of agreement with their standard error, log units."""

    lower: float | None = None
    upper: float | None = None
    se: float | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many sampled pairs have ln(candidate / live) between two edges."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentAgreement:
    """The agreement in one segment, and the mean difference of its sold rows."""

    segment: str = ""
    pairs: int | None = None
    bias: float | None = None
    mad: float | None = None
    beyond_10: float | None = None
    sold: int | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class DayAgreement:
    """The agreement on one day, and the mean difference of its sold rows."""

    date: str = ""
    pairs: int | None = None
    bias: float | None = None
    mad: float | None = None
    beyond_10: float | None = None
    sold: int | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Distance:
    """The PSI of two distributions, beside the value that chance reaches."""

    psi: float | None = None
    floor: float | None = None
    state: int | None = None


@dataclass(frozen=True, slots=True)
class FieldDistance:
    """The distance of one field between sold and unsold rows."""

    field: str = ""
    psi: float | None = None
    floor: float | None = None
    state: int | None = None


@dataclass(frozen=True, slots=True)
class SelectionBias:
    """Whether rows with a known outcome are like those without; `gap`: of ln(candidate / live)."""

    sold: int | None = None
    unsold: int | None = None
    gap: Distance = Distance()
    fields: tuple[FieldDistance, ...] = ()
    state: int | None = None


@dataclass(frozen=True, slots=True)
class ComparisonDocument:
    """How far candidate and live model are apart; see monitoring.statistics.comparison.Agreement."""

    pairs: int | None = None
    mean_abs_dollars: float | None = None
    bias: float | None = None
    mad: float | None = None
    max: float | None = None
    beyond_5: float | None = None
    beyond_10: float | None = None
    beyond_20: float | None = None
    absurd: float | None = None
    limits: AgreementLimits | None = None
    slope: float | None = None
    concordance: float | None = None
    pearson: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    spearman: float | None = None
    histogram: Histogram = Histogram()
    points: tuple[PricedPoint, ...] = ()
    segments: tuple[SegmentAgreement, ...] = ()
    days: tuple[DayAgreement, ...] = ()
    worst: tuple[WorstPair, ...] = ()
    selection: SelectionBias = SelectionBias()


@dataclass(frozen=True, slots=True)
class TimelineDay:
    """Both keys, the interval and the mean difference after one mature day; `day_mean`: of that day alone."""

    date: str = ""
    sold: int | None = None
    ln_e: float | None = None
    harm_ln_e: float | None = None
    mean: float | None = None
    day_mean: float | None = None
    lower: float | None = None
    upper: float | None = None
    key_b: float | None = None


@dataclass(frozen=True, slots=True)
class TimelineDocument:
    """The evidence over time; `threshold` is what ln E has to reach."""

    threshold: float | None = None
    days: tuple[TimelineDay, ...] = ()


@dataclass(frozen=True, slots=True)
class BinShare:
    """The share of rows in one bin."""

    bin: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class PredictionDrift:
    """How far one model's predictions moved, with both distributions; see statistics.drift.FieldDrift."""

    houses: int | None = None
    psi: float | None = None
    floor: float | None = None
    js: float | None = None
    ks: float | None = None
    w1_sd: float | None = None
    missing: float | None = None
    missing_change: float | None = None
    unseen: float | None = None
    out_of_range: float | None = None
    state: int | None = None
    psi_by_window: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    reference: tuple[BinShare, ...] = ()
    window: tuple[BinShare, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldDriftEntry:
    """How far one field moved; `importance`: its rank among those the live model rests on most."""

    field: str = ""
    importance: int | None = None
    houses: int | None = None
    psi: float | None = None
    floor: float | None = None
    js: float | None = None
    ks: float | None = None
    w1_sd: float | None = None
    missing: float | None = None
    missing_change: float | None = None
    unseen: float | None = None
    out_of_range: float | None = None
    state: int | None = None
    psi_by_window: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    reference: tuple[BinShare, ...] = ()
    window: tuple[BinShare, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowEntry:
    """The days of one window, `to` exclusive, and the rows answered in it."""

    houses: int | None = None
    from_: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class PredictionDrifts:
    """The drift of both models' predictions; None: the profile has no distribution of them."""

    live: PredictionDrift | None = None
    candidate: PredictionDrift | None = None


@dataclass(frozen=True, slots=True)
class SkewEntry:
    """One day's re-scored sample of a model; `beyond`: rows whose prediction differs from the one served."""

    model: str = ""
    date: str = ""
    houses: int | None = None
    worst_log_ratio: float | None = None
    beyond: int | None = None
    state: int | None = None


@dataclass(frozen=True, slots=True)
class DriftDocument:
    """The drift of every field and of both models' predictions, and the training-serving skew."""

    state: int | None = None
    enough: bool | None = None
    windows: Mapping[str, WindowEntry] = dataclasses.field(default_factory=dict)
    fields: tuple[FieldDriftEntry, ...] = ()
    predictions: PredictionDrifts = PredictionDrifts()
    skew: tuple[SkewEntry, ...] = ()
