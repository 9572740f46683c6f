"""Every process that serves or works writes its lines as the settings have it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitoring import logs
from shadow.processes.log_setup import configure_logs
from shadow.settings import Settings
from shadow.version import umbra_version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    logs.configure("umbra.test", "WARNING", tmp_path / "after")


@pytest.mark.usefixtures("_as_before")
def test_a_line_says_which_version_of_which_service_wrote_it(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    configure_logs(
        "umbra.api", settings(log_dir=tmp_path / "logs", log_stdout="false", masked_fields="lot_area")
    )
    logs.event(logging.getLogger("tests"), "something", detail="of a house")
    assert logs.flush()
    (file,) = (tmp_path / "logs").iterdir()
    line = json.loads(file.read_text())
    assert line["service"] == {"name": "umbra.api", "version": umbra_version()}
    assert "umbra" not in line


def test_only_log_setup_and_the_command_configure_logs() -> None:
    sources = [path for folder in ("umbra", "api", "shadow") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in sources if "logs.configure(" in path.read_text()}
    assert found == {"shadow/processes/log_setup.py", "umbra/command.py"}


def run(*command: str, data: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    nowhere = {"UMBRA_LOG_STDOUT": "false", "UMBRA_DATA_DIR": str(data), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=kept | nowhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("module", ["api.server", "shadow.worker"])
def test_lines_that_would_go_nowhere_stop_the_start(module: str, tmp_path: Path) -> None:
    done = run(module, data=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "umbra: UMBRA_LOG_STDOUT=false: every line would be lost; set UMBRA_LOG_DIR\n"


def test_a_command_that_writes_no_lines_does_not_ask_where_they_go(tmp_path: Path) -> None:
    done = run("umbra", "status", data=tmp_path)
    assert done.stdout.startswith("No process of ")
    assert done.stderr == ""
