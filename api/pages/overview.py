"""The overview: live model, candidates with their verdicts, traffic, ledger, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.pages.alerts import OverviewAlert, of_live, of_rollout, of_system
from api.pages.charts import ChartAxis, ChartSeries, PageChart
from api.pages.documents import EvidenceDocument, verdict_of
from api.pages.formatting import decimal
from api.pages.queries import RolloutState, SystemStatus
from shadow.policy_summary import PolicySummary
from shadow.records import Candidate, Deployment, Purpose
from shadow.status import StoreState
from shadow.store.ledger import Account
from shadow.verdict.shapes import RuleEntry, VerdictDocument

_GOALS = ("entities", "days", "coverage")
_RATE_MINUTES = 5
_WITH_REASONS = ("failed", "dropped")
_QUIET = "Nothing is broken, late, drifting or in the way of a candidate that Umbra knows of."


@dataclass(frozen=True, slots=True)
class CandidateCard:
    """A candidate as the overview shows it."""

    candidate: Candidate
    document: EvidenceDocument[VerdictDocument]

    @property
    def state(self) -> str | None:
        """Its verdict."""
        return self.document.body.state or None

    @property
    def judged(self) -> bool:
        """Whether there is a verdict."""
        return self.document.computed_at is not None

    @property
    def line(self) -> str:
        """How it is scored."""
        sees = "every house" if self.candidate.sample == 1 else f"{self.candidate.sample:.0%} of the houses"
        return (
            f"{self.candidate.state.value}, sees {sees}, added {self.candidate.added_at:%Y-%m-%d %H:%M} UTC, "
            f"judged by the policy {PolicySummary.of(self.candidate.policy).label}"
        )

    @property
    def loss_live(self) -> float | None:
        """Mean loss of the live model, log units."""
        return self.document.body.losses.live

    @property
    def loss_candidate(self) -> float | None:
        """Mean loss of the candidate, log units."""
        return self.document.body.losses.candidate

    @property
    def reasons(self) -> Sequence[str]:
        """Why the verdict is what it is."""
        return self.document.body.reasons

    @property
    def missing(self) -> Sequence[str]:
        """What is in the way."""
        return [] if self.state == "promote" else self.reasons

    @property
    def goals(self) -> list[tuple[RuleEntry, float]]:
        """How far it has come with what takes time."""
        return [(rule, _reached(rule)) for rule in self.document.body.rules if rule.rule in _GOALS]

    @property
    def remedy(self) -> str:
        """What to do while there is no verdict."""
        if self.candidate.state.value == "paused":
            return f"It is paused: umbra candidates resume {self.candidate.model} goes on."
        return "Not judged yet: the worker opens its stream and judges it within a minute, if it runs."


def _reached(rule: RuleEntry) -> float:
    """Return the share of the threshold that the value has reached."""
    return rule.value / rule.threshold if rule.value is not None and rule.threshold else 0.0


def context(
    rollout: RolloutState | None,
    system: SystemStatus | None,
    served: Deployment | None,
    wanted: str,
    now: datetime,
) -> dict[str, Any]:
    """Give the context of the template; `rollout` None: the store is away, `system` None: not counted yet."""
    live = served or (rollout.deployment if rollout else None)
    return {
        "live": live,
        "is_demo": rollout is not None and rollout.purpose is Purpose.DEMO,
        "cards": _cards(rollout),
        "alerts": list(_alerts(rollout, system, served, wanted, now)),
        "quiet": _QUIET if system is not None else "Traffic and ledger have yet to be counted, though.",
        "uncounted": "The store is away."
        if rollout is None
        else "Still being counted: look again in a moment.",
        **(_system(system) if system is not None else {}),
    }


def _cards(rollout: RolloutState | None) -> list[CandidateCard]:
    if rollout is None:
        return []
    verdicts = {stream.stream.terms.candidate_id: verdict_of(stream) for stream in rollout.streams}
    return [
        CandidateCard(candidate, verdicts.get(candidate.id, verdict_of(None)))
        for candidate in rollout.candidates
    ]


def _alerts(
    rollout: RolloutState | None,
    system: SystemStatus | None,
    served: Deployment | None,
    wanted: str,
    now: datetime,
) -> Iterable[OverviewAlert]:
    if served is not None:
        yield from of_live(str(served.live), wanted)
    if rollout is not None:
        yield from of_rollout(rollout, now)
    if system is not None:
        yield from of_system(system)


def _system(system: SystemStatus) -> dict[str, Any]:
    store, status = system.status.store, system.status
    minutes = [(f"{moment:%H:%M}", houses) for moment, houses in system.arrivals]
    complete = [houses for _, houses in minutes[-1 - _RATE_MINUTES : -1]]
    return {
        "is_counted": True,
        "traffic": _traffic(minutes),
        "arrivals": minutes[::-1],
        "rate": decimal(sum(complete) / 60 / _RATE_MINUTES, 1),
        "journal": status.journal,
        "intake": store.intake if store else None,
        "dropped": sum(store.intake.dropped.values()) if store else None,
        "outcomes": store.outcomes if store else None,
        "processes": [
            {"role": process.role, "since": process.since, "state": _state(process.facts)}
            for process in status.processes
        ],
        **_ledger(store),
    }


def _state(facts: Mapping[str, Any]) -> str:
    return " ".join(str(facts[name]) for name in ("candidate", "state", "url") if facts.get(name))


def _traffic(minutes: list[tuple[str, int]]) -> PageChart:
    return PageChart(
        "traffic-by-minute",
        "Houses answered",
        "By minute, over the last hour.",
        ChartAxis("Time (UTC)", labels=[minute for minute, _ in minutes]),
        ChartAxis("Houses a minute"),
        (ChartSeries("Houses", "live", "bar", [houses for _, houses in minutes]),),
    )


def _ledger(store: StoreState | None) -> dict[str, Any]:
    accounts = store.accounts if store else ()
    columns = [_column(account) for account in accounts]
    states = list(dict.fromkeys(state for column in columns for state in column))
    return {
        "accounts": [{"name": str(account.candidate.model)} for account in accounts],
        "ledger": [(state, [column.get(state, 0) for column in columns]) for state in states],
        "balance": bool(store and store.balances),
    }


def _column(account: Account) -> dict[str, int]:
    return {"eligible": account.eligible, **_states(account), "missing": account.missing}


def _states(account: Account) -> dict[str, int]:
    """Count rows by state; a state with reasons has one line for each of them."""
    lines: dict[str, int] = {}
    for state, rows in account.by_state().items():
        if state in _WITH_REASONS:
            lines |= {f"{state}: {reason}": count for reason, count in account.reasons(state).items()}
        else:
            lines[state.replace("_", " ")] = rows
    return lines
