"""Between Umbra and PostgreSQL there may be PgBouncer, of a session or of each transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from needed import program
from ports import free_port
from sqlalchemy.engine import make_url

from model_package.reference import ModelRef
from shadow import processes
from shadow.store import Store, StoreUnavailable, candidates, open_store
from shadow.store.schema import migrate

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(params=["session", "transaction"])
def pooled(request: pytest.FixtureRequest, store_url: str) -> Iterator[Store]:
    """A store that is reached through PgBouncer."""
    binary, port, url = program("pgbouncer"), free_port(), make_url(store_url)
    directory = Path(tempfile.mkdtemp(prefix="umbra-pooler-"))
    users = directory / "users"
    users.write_text('"umbra" ""\n')
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n{url.database} = host={url.host} port={url.port} dbname={url.database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = {request.param}\ndefault_pool_size = 4\n"
    )
    for path in (directory, *directory.iterdir()):
        path.chmod(0o755)  # it refuses to run as root
    pooler = subprocess.Popen(
        [binary, "-q", configuration], user="nobody" if os.getuid() == 0 else None, stderr=subprocess.DEVNULL
    )
    store = open_store(url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False))
    assert processes.wait_until(lambda: _answers(store), 20, Event())
    yield store
    store.close()
    pooler.terminate()
    pooler.wait()
    shutil.rmtree(directory)


def _answers(store: Store) -> bool:
    try:
        with store.inspecting():
            return True
    except StoreUnavailable:
        return False


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_store_behind_a_pooler_is_prepared_written_and_read(pooled: Store) -> None:
    migrate(pooled)
    with pooled.writing() as connection:
        candidates.add(connection, ModelRef("gbm", "1"), 1.0, None, NOW)
    (candidate,) = pooled.candidates()
    assert candidate.added_at == NOW
    assert candidate.added_at.utcoffset() == NOW.utcoffset()
