"""Deployments: who decided each and why; forms to promote and to roll back."""

from __future__ import annotations

from typing import Any

from api.pages.charts import embedded
from api.pages.documents import verdict_of
from api.pages.queries import RolloutState
from shadow.records import CandidateState, Deployment
from shadow.rollout.decision import REASON_CHARACTERS

_MOST = 100


def context(history: list[Deployment], rollout: RolloutState) -> dict[str, Any]:
    """Give the context of the template and the script; `history` is the newest first."""
    verdicts = {
        stream.stream.terms.candidate_id: verdict_of(stream).body.state or None for stream in rollout.streams
    }
    live = rollout.deployment
    active = [candidate for candidate in rollout.candidates if candidate.state is CandidateState.ACTIVE]
    promotable = [
        {"model": str(candidate.model), "state": verdicts.get(candidate.id)} for candidate in active
    ]
    earlier = dict.fromkeys(
        str(deployment.live) for deployment in history if live is None or deployment.live != live.live
    )
    return {
        "live": live,
        "history": history[:_MOST],
        "more": max(0, len(history) - _MOST),
        "promotable": promotable,
        "earlier": list(earlier),
        "reason_characters": REASON_CHARACTERS,
        "data": embedded({"live": None if live is None else str(live.live), "candidates": promotable}),
    }
