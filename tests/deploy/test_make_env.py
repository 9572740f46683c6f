"""One command writes the passwords, and never loses one."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import make_env

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "deploy" / "make_env.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


def test_it_writes_every_secret_for_the_owner_only_and_says_what_is_next(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    done = run("--file", str(path))
    assert done.returncode == 0
    assert "docker compose up" in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = values(path)
    assert found.keys() == make_env.KEYS.keys()
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in found.values())
    assert len(set(found.values())) == len(found)
    assert not any(value in done.stdout + done.stderr for value in found.values())


def test_two_files_share_no_secret(tmp_path: Path) -> None:
    for name in ("one", "other"):
        run("--file", str(tmp_path / name))
    assert set(values(tmp_path / "one").values()).isdisjoint(values(tmp_path / "other").values())


def test_an_existing_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    run("--file", str(path))
    before = path.read_bytes()
    done = run("--file", str(path))
    assert done.returncode == 0
    assert path.read_bytes() == before
    assert "nothing was changed" in done.stdout


def test_missing_secrets_are_added_and_all_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nCOMPOSE_PROFILES=elk\nPOSTGRES_PASSWORD=chosen\nELASTIC_PASSWORD=\n")
    assert run("--file", str(path)).returncode == 0
    found = values(path)
    assert (found["COMPOSE_PROFILES"], found["POSTGRES_PASSWORD"]) == ("elk", "chosen")
    assert path.read_text().startswith("# mine\n")
    assert len(found["ELASTIC_PASSWORD"]) == 48
    assert found.keys() == make_env.KEYS.keys() | {"COMPOSE_PROFILES"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_force_replaces_every_secret_and_warns_of_the_volumes(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    run("--file", str(path))
    before = values(path)
    done = run("--file", str(path), "--force")
    after = values(path)
    assert before.keys() == after.keys()
    assert set(before.values()).isdisjoint(after.values())
    assert "down --volumes" in done.stdout


def test_help_says_what_it_is_for() -> None:
    assert "passwords" in run("--help").stdout
