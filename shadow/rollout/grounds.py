"""Grounds: what the evidence says of a candidate at the moment of a decision."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from shadow.records import ModelRef
from shadow.rollout.decision import Judgement
from shadow.store import Store


def judgement(store: Store, models: Path, candidate: ModelRef, now: datetime) -> Judgement | None:  # noqa: ARG001
    """Judge the candidate now; None when no evidence about it has been gathered yet."""
    return None
