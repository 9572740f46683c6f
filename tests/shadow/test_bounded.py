"""What hangs is waited for only so long, and what is known is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from shadow import status
from shadow.bounded import NotAnswered, Refreshed, call_within
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from shadow.store import Store

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_bounded_call_returns_or_raises_or_is_not_waited_for() -> None:
    never = threading.Event()

    def fail() -> None:
        raise TimeoutError("its own")

    assert call_within(30, "it", lambda: 5) == 5
    with pytest.raises(TimeoutError, match="its own"):
        call_within(30, "it", fail)
    with pytest.raises(NotAnswered, match=r"the disk did not answer within 0\.01 seconds"):
        call_within(0.01, "the disk", never.wait)
    never.set()


def test_a_failed_refresh_keeps_the_last_value_and_reports_equal_errors_once() -> None:
    results: Iterator[int | Exception] = iter([KeyError("a"), KeyError("b"), 5, OSError("c"), KeyError("d")])
    reported: list[Exception] = []

    def query() -> int:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    refreshed = Refreshed(query, report=reported.append)
    assert refreshed.value is None
    seen = []
    for _ in range(5):
        refreshed.refresh()
        seen.append((refreshed.value, type(refreshed.error)))
    none = type(None)
    assert seen == [(None, KeyError), (None, KeyError), (5, none), (5, OSError), (5, KeyError)]
    assert [str(error) for error in reported] == ["'a'", "c", "'d'"]


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_status_tells_what_is_known_while_the_store_hangs(store: Store, tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"UMBRA_DATA_DIR": str(tmp_path / "data"), "UMBRA_STORE_URL": store.url}
    )
    worker = Heartbeat(settings.run_dir, "worker", NOW)
    holder = create_engine(make_url(store.url).set(drivername="postgresql+psycopg2"))
    with holder.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE candidates, deployments, sources")
        found = status.gather(settings, NOW, store_seconds=0.5)
    holder.dispose()
    worker.close()
    assert found.store_error == "the store did not answer within 0.5 seconds"
    assert [process.role for process in found.processes] == ["worker"]
    assert not found.is_healthy
