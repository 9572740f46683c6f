"""The audit: what clients were told against what the store holds, house by house."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from harness.load import Asker
from harness.stack import Stack
from sqlalchemy import select

from model_package import artifact
from model_package.reference import ModelRef
from shadow.store import open_store
from shadow.store.database.tables import candidates, captures, observations


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation as the store has it."""

    state: str
    dollars: float | None
    reason: str | None


def stored(stack: Stack) -> dict[str, Any]:
    """Every capture in the store, by id."""
    with open_store(stack.settings.store).reading() as connection:
        return {str(row.id): row for row in connection.execute(select(captures))}


def observed(stack: Stack, model: str) -> dict[str, Seen]:
    """Every observation of a candidate, by capture."""
    ref = ModelRef.parse(model)
    query = (
        select(observations)
        .join(candidates, candidates.c.id == observations.c.candidate_id)
        .where(candidates.c.name == ref.name, candidates.c.version == ref.version)
    )
    with open_store(stack.settings.store).reading() as connection:
        rows = connection.execute(query).all()
    seen = {str(row.capture_id): Seen(row.state, row.prediction_dollars, row.reason) for row in rows}
    assert len(seen) == len(rows), f"{model} has looked at some captures twice"
    return seen


def audit(stack: Stack, askers: Sequence[Asker], *, complete: Collection[str] = ("gbm@1",)) -> None:
    """After draining: each answered house is stored once, as it was answered, and nothing else is.

    The candidates in `complete` have scored every one of them, as their artifact does here and now.
    """
    found = stored(stack)
    acknowledged = check_captures(found, askers)
    missing = acknowledged - found.keys()
    assert not missing, (
        f"{len(missing)} of {len(acknowledged)} acknowledged houses are not in the store, the first "
        f"{min(missing)}; counted as dropped: {stack.status().store}"
    )
    check_ledger(stack)
    for model in complete:
        check_scored(stack, model, found)


def check_captures(found: dict[str, Any], askers: Iterable[Asker]) -> set[str]:
    """Every stored house is as it was answered, or belongs to a request whose answer was lost on the way."""
    assert [words for asker in askers for words in asker.refused] == [], "good requests were refused"
    answers = [answer for asker in askers for answer in asker.answers]
    told = {
        name: (answer.request_id, index, answer.dollars[index], answer.rows[index])
        for answer in answers
        for index, name in enumerate(answer.ids)
    }
    assert len(told) == sum(len(answer.ids) for answer in answers), "an id was given twice"
    halves = Counter[str]()
    lost = {name: rows for asker in askers for name, rows in asker.lost.items()}
    for name, row in found.items():
        kept = (row.request_id, row.row_index, row.prediction_dollars, row.inputs)
        if name in told:
            assert kept == told[name], f"{name} was answered {told[name]} and stored as {kept}"
        else:
            assert row.request_id in lost, f"nobody asked for {kept}"
            assert row.inputs == lost[row.request_id][row.row_index]
            halves[row.request_id] += 1
    torn = {name: count for name, count in halves.items() if count != len(lost[name])}
    assert not torn, f"requests stored in part: {torn}"
    return told.keys() | set()


def check_ledger(stack: Stack) -> dict[str, Any]:
    """`umbra status --json` balances and exits 0; gives what it says."""
    result = stack.run("status", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    facts: dict[str, Any] = json.loads(result.stdout)
    assert facts["balanced"] is True
    assert all(candidate["balanced"] for candidate in facts["candidates"])
    return facts


def check_scored(stack: Stack, model: str, found: dict[str, Any]) -> None:
    """A candidate has scored every capture once, each with the price of that very house."""
    seen = observed(stack, model)
    assert seen.keys() == found.keys(), f"{model}: {len(seen)} observations of {len(found)} captures"
    names = list(found)
    prices = predict(stack.settings.models, model, [found[name].inputs for name in names])
    wrong = [name for name, price in zip(names, prices, strict=True) if seen[name].dollars != price]
    assert not wrong, f"{model}: {len(wrong)} observations differ, the first {seen[wrong[0]]}"


def predict(models: Path, model: str, rows: Sequence[Any]) -> list[float]:
    """What a model says of houses, asked here."""
    ref = ModelRef.parse(model)
    prices: list[float] = artifact.load(artifact.directory_of(models, ref)).predict(rows).tolist()
    return prices


def check_losses(stack: Stack, askers: Sequence[Asker]) -> dict[str, int]:
    """After draining: what is missing in the store is what is counted as dropped; gives the counts."""
    found = stored(stack)
    acknowledged = check_captures(found, askers)
    facts = check_ledger(stack)
    dropped: dict[str, int] = facts["intake"]["dropped"]
    missing = {UUID(name) for name in acknowledged - found.keys()}
    assert sum(dropped.values()) == len(missing), f"{len(missing)} houses are missing, counted: {dropped}"
    return dropped
