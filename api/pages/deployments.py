"""Deployments: who was live, who decided it and why; and the forms to decide anew."""

from __future__ import annotations

from typing import Any

from api.pages.charts import embedded
from api.pages.documents import verdict_of
from api.pages.queries import RolloutState
from shadow.records import CandidateState, Deployment
from shadow.rollout.decision import REASON_CHARACTERS

_MOST = 100


def shown(history: list[Deployment], found: RolloutState) -> dict[str, Any]:
    """What the template and the script are given; `history` is the newest first."""
    verdicts = {
        stream.stream.terms.candidate_id: verdict_of(stream).body.state or None for stream in found.dossiers
    }
    live = found.deployment
    active = [one for one in found.candidates if one.state is CandidateState.ACTIVE]
    promotable = [{"model": str(one.model), "state": verdicts.get(one.id)} for one in active]
    earlier = dict.fromkeys(str(one.live) for one in history if live is None or one.live != live.live)
    return {
        "live": live,
        "history": history[:_MOST],
        "more": max(0, len(history) - _MOST),
        "promotable": promotable,
        "earlier": list(earlier),
        "reason_characters": REASON_CHARACTERS,
        "data": embedded({"live": None if live is None else str(live.live), "candidates": promotable}),
    }
