"""What hangs is waited for only so long, and what is known is told."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from shadow import status
from shadow.bounded import Answer, NotAnswered
from shadow.processes.heartbeat import Announcement
from shadow.settings import Settings
from shadow.store import Store

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_an_answer_is_given_or_raised_or_not_waited_for() -> None:
    never = threading.Event()

    def fail() -> None:
        raise TimeoutError("its own")

    assert Answer(lambda: 5).within(30, "it") == 5
    with pytest.raises(TimeoutError, match="its own"):
        Answer(fail).within(30, "it")
    with pytest.raises(NotAnswered, match=r"the disk did not answer within 0\.01 seconds"):
        Answer(never.wait).within(0.01, "the disk")
    never.set()


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_status_tells_what_is_known_while_the_store_hangs(store: Store, tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"UMBRA_DATA_DIR": str(tmp_path / "data"), "UMBRA_STORE_URL": store.url}
    )
    worker = Announcement(settings.run_dir, "worker", NOW)
    holder = create_engine(make_url(store.url).set(drivername="postgresql+psycopg2"))
    with holder.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE candidates, deployments, sources")
        found = status.gather(settings, NOW, store_seconds=0.5)
    holder.dispose()
    worker.withdraw()
    assert found.trouble == "the store did not answer within 0.5 seconds"
    assert [process.role for process in found.processes] == ["worker"]
    assert not found.in_order
