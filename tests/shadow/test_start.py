"""Before anything else a process of Umbra is interruptible, private, and blind to the current directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from ports import free_ports

from shadow import processes

BOTH = [signal.SIGINT, signal.SIGTERM]
_never = threading.Event()


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, f"it ended with {process.returncode}"
        _never.wait(0.002)


def ignore() -> None:
    """As a shell without job control starts what it puts into the background."""
    for number in BOTH:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, BOTH)


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`umbra ARGUMENTS` with a data directory and ports of its own, both signals ignored."""
    api, api_metrics, worker_metrics = map(str, free_ports(3))
    own = {
        "UMBRA_DATA_DIR": str(folder / "data"),
        "UMBRA_API_PORT": api,
        "UMBRA_API_METRICS_PORT": api_metrics,
        "UMBRA_WORKER_METRICS_PORT": worker_metrics,
    }
    return subprocess.Popen(
        processes.python("umbra", *arguments),
        env=os.environ | own,
        preexec_fn=ignore,  # noqa: PLW1509 (no thread is at work here)
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def field(pid: int, name: str) -> str:
    """A field of /proc/PID/status; nothing when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), "")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("command", ["up", "serve", "work", "status"])
def test_a_signal_ends_a_command_that_is_still_importing_even_if_it_was_ignored(
    tmp_path: Path, command: str, number: signal.Signals
) -> None:
    process = begun(tmp_path, command)
    bits = sum(1 << (one - 1) for one in BOTH)
    until(lambda: not int(field(process.pid, "SigIgn") or "0", 16) & bits, process)
    process.send_signal(number)
    assert process.wait(20) == -number
    assert "Traceback" not in process.communicate()[1]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_during_the_training_ends_umbra_up_and_the_training(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    process = begun(tmp_path, "up")
    until(lambda: children(process.pid), process)
    (training,) = children(process.pid)
    process.send_signal(number)
    assert process.wait(20) == status
    assert "Traceback" not in process.communicate()[1]
    while field(training, "State") not in ("", "Z (zombie)"):
        _never.wait(0.01)


def test_umbra_up_ends_as_the_training_does_and_leaves_the_sentence_to_it(tmp_path: Path) -> None:
    process = begun(tmp_path, "up", "--data", "nowhere.csv")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert [line for line in said.splitlines() if line.startswith("umbra: ")] == said.splitlines()[-1:]
    assert "nowhere.csv" in said
    assert "Traceback" not in said


OTHERS = ("api", "flask", "gunicorn", "monitoring", "numpy", "orjson", "setproctitle", "sqlalchemy")
FIRST = ("http", "logging", "random", "shadow", "types", "umbra")
"""What Python or `umbra` imports before our first line: an empty entry of PYTHONPATH gets in before us."""


def litter(folder: Path, names: Iterable[str]) -> None:
    """Make modules that end whoever imports them."""
    for name in names:
        package = folder / name / "__init__.py"
        package.parent.mkdir()
        package.write_text(f"raise SystemExit('{name} of the current directory ran')", encoding="utf-8")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A directory with modules that are called as ours, those of the standard library and of others."""
    litter(tmp_path, OTHERS)
    return tmp_path


IMPORTS = """
    import json, os, subprocess, sys
    import api, flask, gunicorn, monitoring, numpy, orjson, sqlalchemy
    print(sys.path, os.environ.get("PYTHONPATH"))
    if len(sys.argv) == 1:
        from shadow import processes
        for name in {first!r}:
            open(name + ".py", "w").write("raise SystemExit('ran')")
        subprocess.run([*processes.python("probe_of_imports"), "the child"], check=True)
"""


@pytest.mark.parametrize("python_path", ["{}", "{}:", ":{}", "::{}"])
def test_nothing_in_the_current_directory_is_imported(hostile: Path, python_path: str) -> None:
    folder = hostile / "elsewhere"
    folder.mkdir()
    (folder / "probe_of_imports.py").write_text(textwrap.dedent(IMPORTS).format(first=FIRST), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "shadow.start", "probe_of_imports"],
        cwd=hostile,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": python_path.format(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine, child = done.stdout.splitlines()
    for paths in (mine, child):
        assert f"'{hostile}'" not in paths
        assert paths.endswith(f"] {folder}")


RECIPE = "import sys\nprint('recipe', sys.path.index(sys.argv[1]) == len(sys.path) - 1, flush=True)\n"


@pytest.mark.parametrize("named", [True, False])
def test_the_current_directory_is_looked_into_last_and_only_for_recipe_modules(
    hostile: Path, named: bool
) -> None:
    (hostile / "my_recipes.py").write_text(RECIPE, encoding="utf-8")
    environment = os.environ | ({"UMBRA_RECIPE_MODULES": "my_recipes"} if named else {})
    code = textwrap.dedent(
        """
        import os, subprocess, sys
        from shadow import processes, start
        start.begin()
        import logging, random, flask, shadow, api
        os.chdir("/")  # a child that is started elsewhere looks where the first one was started
        os.environ.pop("UMBRA_RECIPE_MODULES", None)
        subprocess.run([*processes.python("my_recipes"), sys.argv[1]])
        """
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(hostile)],
        cwd=hostile,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("recipe True\n" if named else "")
    assert ("No module named my_recipes" in done.stderr) is not named


def test_a_process_makes_private_files_and_lets_no_other_process_of_the_user_look_into_it() -> None:
    code = (
        "import ctypes, os; from shadow import start; start.begin()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), oct(os.umask(0)))"  # 3: PR_GET_DUMPABLE
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 0o77\n"
