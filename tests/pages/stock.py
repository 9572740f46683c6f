"""A data directory as after weeks of traffic: every document in it was made by the real code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from model_package import artifact, profile, recipes
from model_package.reference import ModelRef
from model_package.schema import Row
from model_package.synthetic import synthetic
from monitoring import metrics
from shadow import policy
from shadow.evidence import drift
from shadow.evidence.context import StreamContext
from shadow.evidence.documents.comparison import comparison_document
from shadow.evidence.documents.drift import drift_document
from shadow.evidence.documents.timeline import timeline_document
from shadow.evidence.drift import BinCounter
from shadow.evidence.recording import record
from shadow.evidence.stream_evidence import gather
from shadow.evidence.streams import StreamOpener
from shadow.ingest.mover import Ingest
from shadow.json_shapes import to_json
from shadow.records import Capture, NewObservation, Outcome, OutcomeState, new_capture_ids
from shadow.rollout import first_deployment
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store, candidates, captures, observations, open_store, outcomes, sources
from shadow.store.evidence.refresh import refresh
from shadow.store.schema import migrate
from shadow.store.streams import Stream, documents
from shadow.store.streams.documents import StoredDocument
from shadow.verdict import decide, verdict_json

LIVE, CANDIDATE, NEWCOMER = ModelRef("linear", "1"), ModelRef("gbm", "1"), ModelRef("gbm", "2")
TOKEN = "token-for-the-tests-of-the-pages"  # noqa: S105
DAYS, HOUSES_A_DAY = 45, 24
MARKUP = '<img src=x onerror="window.stung=1"><script>window.stung=1</script>'
"""What somebody may write into a text."""
_SOLD, _DELAY_DAYS = 0.93, 2.0


@dataclass(frozen=True, slots=True)
class Stock:
    """What was put into the store."""

    settings: Settings
    stream: Stream
    capture_ids: Sequence[UUID]


def stock(settings: Settings, now: datetime) -> Stock:
    """Fill an empty data directory: gbm@1 has been in the shadow of linear@1, gbm@2 has just come."""
    rows, prices = _houses()
    recipes.register(settings.recipe_modules)
    for model in (LIVE, CANDIDATE, NEWCOMER):
        _save(settings.models, model.name, rows, prices)
    store = open_store(settings.store)
    migrate(store)
    since = now - timedelta(days=DAYS)
    first_deployment(store, settings.models, LIVE, "ada", since)
    with store.writing() as connection:
        candidates.add(connection, CANDIDATE, 1.0, None, since, policy.default_text())
    ids = _traffic(settings, store, rows, prices, now)
    (stream,) = StreamOpener(store, settings.models).open_missing()
    judge(settings, store, stream, now)
    with store.writing() as connection:
        candidates.add(connection, NEWCOMER, 0.25, None, now)
    store.close()
    return Stock(settings, stream, ids)


def _houses() -> tuple[list[Row], np.ndarray]:
    data = synthetic(DAYS * HOUSES_A_DAY, seed=5)
    return list(data.rows), np.asarray(data.prices)


def _save(models: Path, name: str, rows: list[Row], prices: np.ndarray) -> None:
    random = np.random.default_rng(1)
    guessed = prices * np.exp(random.normal(0, 0.11, len(prices)))
    card = {"metrics": {"rmse_log": 0.13}, "importance": {"living_area": 0.2, "overall_quality": 0.15}}
    files = {
        "card.json": json.dumps(card).encode(),
        "profile.json": json.dumps(profile.build(rows, guessed, (guessed, prices))).encode(),
    }
    artifact.save(models, name, "plain", lambda _: files, lambda _: None)


def _traffic(
    settings: Settings, store: Store, rows: list[Row], prices: np.ndarray, now: datetime
) -> list[UUID]:
    """Houses asked for around the clock, two of them priced far apart; most of them sold some days later."""
    random = np.random.default_rng(7)
    moments = [
        now - timedelta(days=DAYS - (row + 0.5) / HOUSES_A_DAY, seconds=30) for row in range(len(rows))
    ]
    live = prices * np.exp(random.normal(0.01, 0.11, len(rows)))
    candidate = prices * np.exp(random.normal(0, 0.075, len(rows)))
    candidate[100], candidate[700] = 2.6 * live[100], 0.68 * live[700]
    ids = [
        new_capture_ids(1, int(moment.timestamp() * 1000), int(random.integers(1 << 62)))[0]
        for moment in moments
    ]
    taken = [
        Capture(ids[n], moments[n], f"request-{n}", 0, LIVE, float(live[n]), rows[n])
        for n in range(len(rows))
    ]
    answers = [NewObservation(ids[n], float(candidate[n]), latency_seconds=0.004) for n in range(len(rows))]
    reported = list(_outcomes(ids, moments, prices, random, now))
    with store.writing() as connection:
        source = sources.lock(connection, directory_id(settings.data_dir), now)
        last = captures.insert(connection, source, taken)
        sources.advance(connection, source, last, outcomes.insert(connection, source, reported, now))
        (scored,) = candidates.present(connection)
        (cursor,) = candidates.cursors_of(connection, scored)
        observations.store(connection, scored, cursor, answers, last, now)
    return ids


def _outcomes(
    ids: list[UUID], moments: list[datetime], prices: np.ndarray, random: np.random.Generator, now: datetime
) -> Iterator[Outcome]:
    for name, moment, price in zip(ids, moments, prices, strict=True):
        received = moment + timedelta(days=float(random.exponential(_DELAY_DAYS)))
        if random.random() < _SOLD and received < now:
            yield Outcome(name, OutcomeState.SOLD, float(price), received, "registry", received)


def judge(settings: Settings, store: Store, stream: Stream, now: datetime) -> None:
    """What the evidence process leaves after a look, without its replay of the model."""
    refresh(store, stream)
    context = StreamContext.read(settings.models, stream)
    BinCounter(context).update(store)
    measured = drift.measure(store, context, now)
    evidence = gather(store, stream, context.policy, measured.state, now)
    verdict = decide(evidence)
    record(store, verdict)
    bodies = {
        "verdict": verdict_json(verdict),
        "evidence": to_json(timeline_document(evidence)),
        "comparison": to_json(comparison_document(store, context, evidence, settings.masked_fields)),
        "drift": to_json(drift_document(store, context, measured, settings.masked_fields)),
    }
    with store.writing() as connection:
        for kind, body in bodies.items():
            documents.put(connection, stream.id, kind, StoredDocument(now, body))  # type: ignore[arg-type]


def sting(database: Path) -> None:
    """Put markup into every text of every document, except those that say what a thing is."""
    with sqlite3.connect(database) as connection:
        for stream, kind, body in connection.execute(
            "SELECT stream_id, kind, body FROM snapshots"
        ).fetchall():
            stung = json.dumps(_stung(json.loads(body)))
            connection.execute(
                "UPDATE snapshots SET body = ? WHERE stream_id = ? AND kind = ?", (stung, stream, kind)
            )


def _stung(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _stung(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [_stung(value, name) for value in node]
    return node + MARKUP if isinstance(node, str) and name not in ("state", "id") else node


def answer_of(settings: Settings, model: ModelRef, ratio: float) -> int:
    """Move the journal into the store and let a candidate answer what waits, as the worker does."""
    store = open_store(settings.store)
    mover = Ingest(
        store, settings.journal_dir, directory_id(settings.data_dir), 1 << 20, metrics.shadowing(None), now
    )
    while mover.step():
        pass
    with store.writing() as connection:
        scored = next(candidate for candidate in candidates.present(connection) if candidate.model == model)
        (cursor,) = candidates.cursors_of(connection, scored)
        waiting = captures.pending(connection, cursor.source_id, cursor.seq, cursor.last_seq, 1.0)
        answers = [NewObservation(capture.id, ratio * capture.live_dollars) for capture in waiting]
        observations.store(connection, scored, cursor, answers, cursor.last_seq, now())
    store.close()
    return len(answers)


def now() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
