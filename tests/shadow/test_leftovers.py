"""Of journal files that nobody reads any more, prune removes the old ones and no others."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadow.journal import leftovers
from shadow.store import open_store
from shadow.store.schema import migrate
from umbra.command import main

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REMOVED = ("1-a.refused", "stored/2-a.journal")
LEFT = ("3-a.journal", "young.refused", "stored/young.journal")


@pytest.fixture
def journal_dir(tmp_path: Path) -> Path:
    """Files of a hundred days ago; those called young are of now."""
    directory = tmp_path / "journal"
    (directory / "stored").mkdir(parents=True)
    for name in (*REMOVED, *LEFT):
        (directory / name).write_text("rows")
        age = timedelta() if "young" in name else timedelta(days=100)
        written = (datetime.now(UTC) - age).timestamp()
        os.utime(directory / name, (written, written))
    return directory


def left(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_old_files_that_nobody_reads_go_and_all_others_stay(journal_dir: Path) -> None:
    gone = leftovers.remove_older(journal_dir, datetime.now(UTC) - timedelta(days=90))
    assert {str(path.relative_to(journal_dir)) for path in gone} == set(REMOVED)
    assert left(journal_dir) == set(LEFT)


def test_a_data_directory_without_a_journal_has_none(tmp_path: Path) -> None:
    assert leftovers.remove_older(tmp_path / "journal", NOW) == []


def test_the_command_counts_them_and_removes_them(journal_dir: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'umbra.db'}")
    migrate(store)
    store.close()
    for arguments, remaining in ((["--dry-run"], {*REMOVED, *LEFT}), ([], set(LEFT))):
        command = ["prune", "--older-than", "90d", *arguments]
        result = CliRunner().invoke(main, command, env={"UMBRA_DATA_DIR": str(tmp_path)})
        assert result.exit_code == 0, result.output
        assert "2 journal files" in result.stdout
        assert left(journal_dir) == remaining
