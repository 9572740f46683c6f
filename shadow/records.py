"""The nouns of the shadow: one frozen record each, the same words in columns, metrics, logs and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite, nan
from uuid import UUID

from model_package.reference import ModelRef

Inputs = Mapping[str, float | int | str | None]


@dataclass(frozen=True, slots=True)
class Capture:
    """One answered row: id, time, inputs and live prediction.

    `entity_id` is the client's own id of what the row is about, if the request has one.
    """

    id: UUID
    captured_at: datetime
    request_id: str
    row_index: int
    live: ModelRef
    prediction_dollars: float
    inputs: Inputs
    entity_id: str | None = None


@dataclass(frozen=True, slots=True)
class PendingCapture:
    """A capture that a candidate has yet to score: `inputs_json` is the row, still as JSON text.

    `live` names the model whose prediction `live_dollars` is; `seq` is the capture's number in its source.
    """

    id: UUID
    seq: int
    request_id: str
    live: str
    live_dollars: float
    inputs_json: str

    def difference_ratio(self, dollars: float) -> float | None:
        """Return (dollars - live_dollars) / live_dollars; None when that is not a finite number."""
        ratio = dollars / self.live_dollars - 1 if self.live_dollars > 0 else nan
        return ratio if isfinite(ratio) else None


class ObservationState(StrEnum):
    """Whether a candidate scored a capture or failed to."""

    SCORED = "scored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """One candidate's prediction for one capture, or the reason why there is none.

    `latency_seconds` is the time of a single-row prediction, measured on a small sample only.
    """

    capture_id: UUID
    candidate: ModelRef
    state: ObservationState
    prediction_dollars: float | None
    reason: str | None
    latency_seconds: float | None
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class NewObservation:
    """A candidate's prediction for one capture before it is stored; `reason` and `detail` when it failed.

    `latency_seconds` is the time of a single-row prediction, measured on a small sample only.
    """

    capture_id: UUID
    prediction_dollars: float | None = None
    reason: str | None = None
    detail: str | None = None
    latency_seconds: float | None = None


class OutcomeState(StrEnum):
    """How the house of a capture left the market."""

    SOLD = "sold"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What turned out to be true about one capture, as somebody reported it.

    `price_dollars` is None exactly when the house was withdrawn. `reported_by` is the source that the report
    names. `received_at` is when the report came in, `recorded_at` when it was stored; None: not yet.
    `request_id` is that of the report, as long as it is in the journal; the store does not have it.
    """

    capture_id: UUID
    state: OutcomeState
    price_dollars: float | None
    sold_at: datetime | None
    reported_by: str | None
    received_at: datetime
    recorded_at: datetime | None = None
    request_id: str = field(default="", compare=False)

    def has_same_content(self, other: Outcome) -> bool:
        """Whether both reports have the same content, whenever they came in."""
        return all(getattr(self, name) == getattr(other, name) for name in _CONTENT)


_CONTENT = ("capture_id", "state", "price_dollars", "sold_at", "reported_by")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A capture with everything that is known about it. Of its outcomes the first is in force."""

    capture: Capture
    observations: tuple[Observation, ...]
    outcomes: tuple[Outcome, ...] = ()


class CandidateState(StrEnum):
    """Whether a candidate is being scored."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model being scored in shadow. `sample` is the share of captures it sees, in (0, 1].

    `policy` is the file it is judged by, as it was given; None: the default policy.
    """

    id: int
    model: ModelRef
    sample: float
    state: CandidateState
    replay_from: datetime | None
    added_at: datetime
    policy: str | None = None
    policy_sha256: str | None = None


class DeploymentKind(StrEnum):
    """What made a model the live one."""

    FIRST = "first"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Who is live, since when, and by whose decision. `id` is 0 until the store has given it one.

    `verdict_state` is what the evidence said then, `overridden` whether it was promoted in spite of it. The
    hashes are of the artifact, and of the policy it was judged by; None: made before they were kept.
    """

    live: ModelRef
    since: datetime
    by: str
    reason: str
    id: int = 0
    kind: DeploymentKind = DeploymentKind.FIRST
    verdict_id: int | None = None
    verdict_state: str | None = None
    overridden: bool = False
    artifact_digest: str | None = None
    policy_sha256: str | None = None

    def view(self) -> dict[str, object]:
        """Give everything about it as JSON types, as commands and the API show it."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "live": str(self.live),
            "since": self.since.isoformat(),
            "by": self.by,
            "reason": self.reason,
            "verdict": self.verdict_state,
            "verdict_id": self.verdict_id,
            "overridden": self.overridden,
            "artifact_digest": self.artifact_digest,
            "policy_sha256": self.policy_sha256,
        }


class Purpose(StrEnum):
    """What a data directory and a store are for: a demo's invented houses, or real ones. Never both."""

    DEMO = "demo"
    REAL = "real"


class VerdictState(StrEnum):
    """What the evidence says of a candidate now."""

    PROMOTE = "promote"
    CONTINUE = "continue"
    REJECT = "reject"
    BLOCKED = "blocked"
    INSUFFICIENT = "insufficient"
    EXPIRED = "expired"


def new_capture_ids(count: int, unix_milliseconds: int, random_bits: int) -> list[UUID]:
    """Make `count` consecutive UUIDv7 (RFC 9562, 5.7), so that the houses of one request stay neighbours.

    `random_bits` supplies 74 bits. The top bit of the random tail is cleared, so that counting up
    never carries into the variant field.
    """
    random_a = (random_bits >> 62) & 0xFFF
    random_b = random_bits & ((1 << 61) - 1)
    first = (unix_milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b
    return [UUID(int=first + i) for i in range(count)]


def capture_time(capture_id: UUID) -> datetime:
    """Read the time (UTC, to the millisecond) out of a UUIDv7."""
    return datetime.fromtimestamp((capture_id.int >> 80) / 1000, UTC)
