"""What the tests of compatibility share: stacks of now over what was recorded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INTEGRATION = HERE.parent / "integration"
for folder in (HERE, INTEGRATION, INTEGRATION / "plug_in"):
    sys.path.insert(0, str(folder))

import archives  # noqa: E402 (found only now)
from harness.stack import Stack  # noqa: E402

TOKEN = "a-token-of-the-compatibility-tests"  # noqa: S105 (it is in the recorded requests)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A new stack with the recorded models: linear@1 is live, gbm@1 its candidate."""
    directory = tmp_path_factory.mktemp("fresh")
    old = archives.unpack("sqlite", directory / "old")
    for name in ("linear", "gbm"):
        shutil.copytree(old / "models" / name, directory / "data" / "models" / name)
    settings = {"admin_token": TOKEN, "api_max_rows": 50, "api_max_body_bytes": 100_000}
    with archives.stack(directory, candidate_latency_share=0, **settings) as new:
        new.done("prepare")
        new.up()
        # The API has loaded both once: what it is asked to decide does not wait for a library.
        archives.decide(new, "gbm@1", "promote", "gbm@1", "--override")
        archives.decide(new, "linear@1", "rollback")
        yield new


@pytest.fixture(scope="module")
def old_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The data directory of 0.1.0 on SQLite, taken over by `umbra up`."""
    with archives.taken_over("sqlite", tmp_path_factory.mktemp("sqlite")) as old:
        yield old


@pytest.fixture(scope="module")
def old_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Stack]:
    """The data directory of 0.1.0 whose store was on PostgreSQL, taken over by `umbra up`."""
    with archives.taken_over("postgres", tmp_path_factory.mktemp("postgres"), postgres_url) as old:
        yield old
