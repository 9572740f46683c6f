"""One command writes the passwords, and never loses one."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import make_env
import pytest

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


# -- files that are written in other ways


@pytest.mark.parametrize(
    "line",
    [
        "export {key}=kept",
        "{key} = kept",
        "  {key}=kept",
        "export\t{key} =kept # mine",
        "{key}: kept",
        '{key}="kept"',
        "{key}='kept'",
        "{key}=other\n{key}=kept",
        "\ufeff{key}=kept",
    ],
)
def test_a_password_is_found_wherever_docker_compose_finds_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_text(line.format(key="POSTGRES_PASSWORD") + "\n", encoding="utf-8")
    done = run("--file", str(path))
    assert done.returncode == 0, done.stderr
    assert "POSTGRES_PASSWORD" not in done.stdout
    text = make_env.text_of(path)
    assert text.startswith(line.format(key="POSTGRES_PASSWORD").removeprefix("\ufeff"))
    assert make_env.value(text, "POSTGRES_PASSWORD") == "kept"
    if shutil.which("docker"):
        assert compose_takes(path, tmp_path) == "kept"


def compose_takes(env_file: Path, folder: Path) -> str:
    """The password, as docker compose itself understands the file."""
    probe = folder / "probe.yml"
    probe.write_text("services: {a: {image: b, environment: {P: '${POSTGRES_PASSWORD}'}}}\n")
    command = [
        "docker",
        "compose",
        "--env-file",
        str(env_file),
        "-f",
        str(probe),
        "config",
        "--format",
        "json",
    ]
    kept = {name: value for name, value in os.environ.items() if name not in make_env.KEYS}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=kept)
    if done.returncode:
        pytest.skip("needs Docker's Compose plugin")
    return str(json.loads(done.stdout)["services"]["a"]["environment"]["P"])


def test_force_replaces_a_line_however_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("export POSTGRES_PASSWORD = kept\nexport OTHER=1\n")
    assert run("--file", str(path), "--force").returncode == 0
    assert "kept" not in path.read_text()
    assert "export OTHER=1\n" in path.read_text()


@pytest.mark.parametrize("key", sorted(make_env.KEYS))
@pytest.mark.parametrize("special", ["a@b", "a/b", "a:b", "a$b", "a%b", "a#b", "a b"])
def test_a_password_that_would_break_the_stores_url_is_refused_without_being_told(
    tmp_path: Path, key: str, special: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{key}={special}\n")
    with pytest.raises(make_env.Unusable) as caught:
        make_env.prepared(path, afresh=False)
    assert key in str(caught.value)
    assert "letters, digits, _ . ~ -" in str(caught.value)
    assert special not in str(caught.value).replace(str(path), "")
    assert path.read_text() == f"{key}={special}\n"


def test_a_complete_file_that_others_could_read_is_closed_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    run("--file", str(path))
    path.chmod(0o644)
    assert "now by you alone" in run("--file", str(path)).stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "nothing was changed" in run("--file", str(path)).stdout


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_link_stays_a_link_and_what_it_points_at_is_written(tmp_path: Path, force: list[str]) -> None:
    (tmp_path / "kept").mkdir()
    link, target = tmp_path / ".env", tmp_path / "kept" / "secrets"
    target.write_text("OTHER=1\n")
    link.symlink_to("kept/secrets")
    assert run("--file", str(link), *force).returncode == 0
    assert link.is_symlink()
    assert values(target).keys() == make_env.KEYS.keys() | {"OTHER"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("folder", "cannot be read: Is a directory"),
        ("none/.env", "make the folder"),
        ("text/.env", "cannot be read: Not a directory"),
        ("binary", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_taken_is_told_in_one_line(tmp_path: Path, name: str, wrong: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("A=1\n")
    (tmp_path / "binary").write_bytes(b"POSTGRES_PASSWORD=\xff\n")
    before = sorted(tmp_path.rglob("*"))
    done = run("--file", str(tmp_path / name))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"make_env.py: {tmp_path / name} ")
    assert wrong in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_ordinary_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(make_env.Unusable, match="is no ordinary file"):
        make_env.write(pipe, "A=1\n")
    assert pipe.is_fifo()


@pytest.mark.parametrize("script", ["make_env.py", "check_stack.py"])
def test_a_reader_who_goes_away_is_no_traceback(tmp_path: Path, script: str) -> None:
    path = tmp_path / ".env"
    reads, writes = os.pipe()
    os.close(reads)
    option = "--file" if script == "make_env.py" else "--env-file"
    command = [sys.executable, str(ROOT / "deploy" / script), option, str(path)]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")
    assert path.exists() == (script == "make_env.py")
