"""One evidence cycle reads what it needs about a stream once: drift windows, artifacts, policy, candidate."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from season import DAY, NOW, Season
from sqlalchemy import event

from shadow.evidence.cycle import EvidenceCycle
from shadow.policy import Policy

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
_opened: list[Path] = []
_is_hooked: list[bool] = []


@pytest.fixture
def cycle(season: Season) -> EvidenceCycle:
    """A cycle that has run before: what a process reads once has been read."""
    warm = EvidenceCycle(season.store, season.settings, threading.Event())
    assert warm.run(NOW - DAY) == 1
    return warm


@contextmanager
def queries_of(season: Season) -> Iterator[Counter[str]]:
    """Count the queries that the store runs meanwhile, by their text and parameters."""
    queries: Counter[str] = Counter()

    def count(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            queries[f"{statement} {parameters!r}"] += 1

    event.listen(season.store._engine, "before_cursor_execute", count)
    yield queries
    event.remove(season.store._engine, "before_cursor_execute", count)


@contextmanager
def files_opened() -> Iterator[list[Path]]:
    """List the files that the process opens meanwhile."""
    if not _is_hooked:  # an audit hook stays for good
        sys.addaudithook(lambda name, args: _opened.append(Path(str(args[0]))) if name == "open" else None)
        _is_hooked.append(True)
    _opened.clear()
    yield _opened


@contextmanager
def calls_of(function: object) -> Iterator[list[FrameType]]:
    """List the calls of a function meanwhile."""
    calls: list[FrameType] = []
    code = function.__func__.__code__  # type: ignore[attr-defined]
    sys.setprofile(
        lambda frame, what, _: calls.append(frame) if what == "call" and frame.f_code is code else None
    )
    yield calls
    sys.setprofile(None)


def test_a_cycle_measures_each_drift_window_once(season: Season, cycle: EvidenceCycle) -> None:
    with queries_of(season) as queries:
        assert cycle.run(NOW) == 1
    windows = {query: times for query, times in queries.items() if "FROM field_counts" in query}
    assert windows
    assert set(windows.values()) == {1}


def test_a_cycle_asks_for_the_candidate_once(season: Season, cycle: EvidenceCycle) -> None:
    with queries_of(season) as queries:
        assert cycle.run(NOW) == 1
    by_id = [times for query, times in queries.items() if "WHERE candidates.id = ?" in query]
    assert by_id == [1]


def test_a_cycle_reads_the_manifest_of_each_artifact_once(season: Season, cycle: EvidenceCycle) -> None:
    with files_opened() as opened:
        assert cycle.run(NOW) == 1
        of_models = [path.relative_to(season.models) for path in opened if season.models in path.parents]
    assert Counter(map(str, of_models)) == {"linear/1/manifest.json": 1, "gbm/1/manifest.json": 1}


def test_a_cycle_parses_the_policy_once(season: Season, cycle: EvidenceCycle) -> None:
    with calls_of(Policy.parse) as calls:
        assert cycle.run(NOW) == 1
    assert len(calls) == 1
