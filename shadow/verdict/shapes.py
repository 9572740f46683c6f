"""The shape of a verdict's document, which the command line, the API, the pages and the gauges read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule; see rules.Rule."""

    rule: str = ""
    title: str = ""
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    result: str = ""
    effect: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RollbackEntry:
    """Whether to roll back; see watch.RollbackAdvice."""

    alarm: bool = False
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """The policy that judged, and what follows from it for this stream."""

    name: str = ""
    sha256: str = ""
    day_seconds: int = 86_400
    alpha: float | None = None
    margin: float | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class WatermarkEntry:
    """Which days are mature; see evidence.Watermark."""

    day: int | None = None
    date: str | None = None
    maturity_seconds: float | None = None
    delays_seen: int | None = None


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The rows of mature days, by outcome."""

    pairs: int | None = None
    sold: int | None = None
    withdrawn: int | None = None
    unsold: int | None = None
    days: int | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """The mean loss of each model on sold rows, log units."""

    live: float | None = None
    candidate: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference with its confidence sequence, log units; positive: the candidate is better."""

    mean: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class RowsKeyEntry:
    """The betting test on rows."""

    ln_e: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class DaysKeyEntry:
    """The confidence sequence on days."""

    lower: float | None = None
    threshold: float | None = None
    days: int | None = None
    needed_days: int | None = None


@dataclass(frozen=True, slots=True)
class CertificateKeys:
    """Both keys of the certificate, which needs no outcomes."""

    rows: RowsKeyEntry = RowsKeyEntry()
    days: DaysKeyEntry = DaysKeyEntry()


@dataclass(frozen=True, slots=True)
class KeyEntries:
    """Every key: of not being worse, of harm, and of the certificate."""

    rows: RowsKeyEntry = RowsKeyEntry()
    days: DaysKeyEntry = DaysKeyEntry()
    harm_rows: RowsKeyEntry = RowsKeyEntry()
    harm_days: DaysKeyEntry = DaysKeyEntry()
    certificate: CertificateKeys = CertificateKeys()


@dataclass(frozen=True, slots=True)
class NeededEntry:
    """How much more a promotion is likely to take; `words` in a sentence. None: not foreseeable."""

    houses_50: int | None = None
    houses_90: int | None = None
    days: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Preliminary:
    """The outcomes of days that are not mature: a preview, which decides nothing."""

    sold: int | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment; `result` is an analysis.SegmentResult."""

    segment: str = ""
    pairs: int | None = None
    sold: int | None = None
    mean: float | None = None
    ln_e: float | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class VerdictDocument:
    """A verdict with all that it rests on. None: there is no such number (yet)."""

    state: str = ""
    since: str = ""
    rules: tuple[RuleEntry, ...] = ()
    reasons: tuple[str, ...] = ()
    rollback: RollbackEntry | None = None
    candidate: str = ""
    live: str = ""
    stream: int | None = None
    evaluated_at: str = ""
    policy: PolicyEntry = PolicyEntry()
    watermark: WatermarkEntry = WatermarkEntry()
    counts: RowCounts = RowCounts()
    losses: Losses = Losses()
    difference: Difference = Difference()
    keys: KeyEntries = KeyEntries()
    needed: NeededEntry = NeededEntry()
    bad_day_rate_not_excluded: float | None = None
    tipping_point: float | None = None
    preliminary: Preliminary = Preliminary()
    segments: tuple[SegmentEntry, ...] = ()
