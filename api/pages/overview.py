"""The overview: who is live, what the candidates have shown, traffic, ledger, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.pages.alerts import OverviewAlert, of_live, of_situation, of_standing
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


def shown(
    found: RolloutState | None,
    standing: SystemStatus | None,
    served: Deployment | None,
    wanted: str,
    now: datetime,
) -> dict[str, Any]:
    """What the template is given; `found` None: the store is away, `standing` None: not counted yet."""
    live = served or (found.deployment if found else None)
    return {
        "live": live,
        "is_demo": found is not None and found.purpose is Purpose.DEMO,
        "cards": _cards(found),
        "alerts": list(_alerts(found, standing, served, wanted, now)),
        "quiet": _QUIET if standing is not None else "Traffic and ledger have yet to be counted, though.",
        "uncounted": "The store is away."
        if found is None
        else "Still being counted: look again in a moment.",
        **(_standing(standing) if standing is not None else {}),
    }


def _cards(found: RolloutState | None) -> list[CandidateCard]:
    if found is None:
        return []
    verdicts = {stream.stream.terms.candidate_id: verdict_of(stream) for stream in found.dossiers}
    return [
        CandidateCard(candidate, verdicts.get(candidate.id, verdict_of(None)))
        for candidate in found.candidates
    ]


def _alerts(
    found: RolloutState | None,
    standing: SystemStatus | None,
    served: Deployment | None,
    wanted: str,
    now: datetime,
) -> Iterable[OverviewAlert]:
    if served is not None:
        yield from of_live(str(served.live), wanted)
    if found is not None:
        yield from of_situation(found, now)
    if standing is not None:
        yield from of_standing(standing)


def _standing(standing: SystemStatus) -> dict[str, Any]:
    books, status = standing.status.store, standing.status
    minutes = [(f"{moment:%H:%M}", houses) for moment, houses in standing.arrivals]
    whole = [houses for _, houses in minutes[-1 - _RATE_MINUTES : -1]]
    return {
        "standing": standing,
        "traffic": _traffic(minutes),
        "arrivals": minutes[::-1],
        "rate": decimal(sum(whole) / 60 / _RATE_MINUTES, 1),
        "journal": status.journal,
        "intake": books.intake if books else None,
        "dropped": sum(books.intake.dropped.values()) if books else None,
        "outcomes": books.outcomes if books else None,
        "processes": [
            {"role": one.role, "since": one.since, "says": _says(one.facts)} for one in status.processes
        ],
        **_ledger(books),
    }


def _says(facts: Mapping[str, Any]) -> str:
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


def _ledger(books: StoreState | None) -> dict[str, Any]:
    accounts = books.accounts if books else ()
    columns = [_column(account) for account in accounts]
    states = list(dict.fromkeys(state for column in columns for state in column))
    return {
        "accounts": [{"name": str(account.candidate.model)} for account in accounts],
        "ledger": [(state, [column.get(state, 0) for column in columns]) for state in states],
        "balance": bool(books and books.balances),
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
