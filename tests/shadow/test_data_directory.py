"""A data directory is its user's alone: others may not write to it, and no longer read it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shadow import processes
from shadow.processes.data_directory import WritableByOthers, make_private
from shadow.settings import Settings

MakeSettings = Callable[..., Settings]
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def made(settings: MakeSettings) -> Settings:
    """A data directory as Umbra 0.1.0 leaves it under the usual umask."""
    chosen = settings()
    for folder in (
        chosen.data_dir,
        chosen.journal_dir,
        chosen.run_dir,
        chosen.models,
        chosen.data_dir / "logs",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    for file in (chosen.data_dir / "umbra.db", chosen.run_dir / "api-1.json"):
        file.write_text("x", encoding="ascii")
        file.chmod(0o644)
    return chosen


def test_a_directory_that_others_may_look_into_is_closed_with_all_that_is_in_it(
    made: Settings, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x", encoding="ascii")
    victim.chmod(0o644)
    (made.data_dir / "link").symlink_to(victim)
    make_private(made)
    assert mode(made.data_dir) == mode(made.journal_dir) == mode(made.run_dir) == 0o700
    assert mode(made.data_dir / "umbra.db") == mode(made.run_dir / "api-1.json") == 0o600
    assert mode(victim) == 0o644


def test_a_directory_that_its_group_may_read_was_made_so_on_purpose_and_stays(made: Settings) -> None:
    made.data_dir.chmod(0o750)
    make_private(made)
    assert mode(made.data_dir) == 0o750


@pytest.mark.parametrize("folder", [".", "journal", "run", "models", "logs"])
@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o702])
def test_a_directory_that_everybody_may_write_to_is_refused_with_the_remedy(
    made: Settings, folder: str, bits: int
) -> None:
    path = made.data_dir / folder
    path.chmod(bits)
    with pytest.raises(WritableByOthers) as caught:
        make_private(made)
    assert str(caught.value).startswith(
        f"{path}: every user of this machine may write to it (mode {bits:04o})"
    )
    assert f"`chmod 700 {path}`" in str(caught.value)
    assert mode(path) == bits


def test_a_directory_that_another_group_may_write_to_is_refused(made: Settings) -> None:
    if os.getuid() != 0:
        pytest.skip("needs the right to give a directory to another group")
    os.chown(made.journal_dir, -1, NOBODY)
    made.journal_dir.chmod(0o770)
    with pytest.raises(WritableByOthers, match=rf"the group {NOBODY} may write to it \(mode 0770\)"):
        make_private(made)


def test_a_directory_of_the_own_group_may_be_written_to_by_it(made: Settings) -> None:
    os.chown(made.journal_dir, -1, os.getegid())
    made.data_dir.chmod(0o770)
    made.journal_dir.chmod(0o770)
    make_private(made)
    assert mode(made.data_dir) == 0o770


def test_a_volume_lent_to_a_supplementary_group_is_taken(made: Settings) -> None:
    """As Kubernetes does with fsGroup: root's, its group one of ours, writable by it, and open to others."""
    if os.getuid() != 0:
        pytest.skip("needs the right to give a directory away")
    os.chown(made.data_dir, NOBODY, NOBODY)
    made.data_dir.chmod(0o2775)
    groups = os.getgroups()
    os.setgroups([*groups, NOBODY])
    try:
        make_private(made)
    finally:
        os.setgroups(groups)
    assert mode(made.data_dir) == 0o2775


@pytest.mark.parametrize("command", [["up"], ["serve"], ["work"]])
def test_every_command_that_begins_to_serve_refuses_it_in_one_sentence(
    tmp_path: Path, command: list[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    done = subprocess.run(
        processes.python("umbra", *command),
        env=os.environ | {"UMBRA_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"umbra: {data}: every user of this machine may write to it")
    assert list(data.iterdir()) == []
