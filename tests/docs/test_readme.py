"""The README's commands, run as they are written, by someone who has just installed Umbra."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from needed import missing

from model_package import synthetic

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.strip() for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)]
READY_SECONDS, COMMAND_SECONDS = 120, 120


@dataclass(frozen=True, slots=True)
class Said:
    """A command of the README and what it says the command prints."""

    command: str
    output: str


def said(beginning: str) -> Said:
    for block in BLOCKS:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            if part.startswith(beginning):
                command, _, output = part.partition("\n")
                return Said(re.sub(r"\s+#.*", "", command), output.strip())
    raise AssertionError(f"the README has no command that begins with {beginning!r}")


def shape(text: str) -> str:
    """The text with all that differs from run to run taken out."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT", text)
    text = re.sub(r"[\d,]*\d(\.\d+)?(:\d\d)*", "N", text)
    text = text.replace("N files", "N file")
    return "\n".join(re.sub(r" +", " ", line).strip() for line in text.splitlines())


class Terminal:
    """A shell in a fresh directory, with the commands of this environment first on the path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        own = {key: value for key, value in os.environ.items() if not key.startswith("UMBRA_")}
        self.environment = own | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "100",
        }

    def run(self, command: str) -> str:
        result = subprocess.run(  # noqa: S602 - the reader types it into a shell
            command, shell=True, cwd=self.directory, env=self.environment, capture_output=True, text=True,
            timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout.strip()

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command.split(), cwd=self.directory, env=self.environment, stdout=subprocess.PIPE, text=True
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """`umbra up`, as the README starts it, until the tests are done; then Ctrl-C."""
    if not all(map(_is_free, (8000, 8001, 8002))):
        missing("the default ports 8000 to 8002", "end what listens there")
    shell = Terminal(tmp_path_factory.mktemp("newcomer"))
    running = shell.start(said("pip install . && ").command.removeprefix("pip install . && "))
    overdue = threading.Timer(READY_SECONDS, running.kill)
    overdue.start()
    assert running.stdout is not None
    printed = ""
    for line in running.stdout:
        printed += line
        if "Ctrl-C" in line:
            break
    overdue.cancel()
    assert "Ctrl-C" in printed, printed
    (shell.directory / "printed").write_text(printed, encoding="utf-8")
    yield shell
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=COMMAND_SECONDS)
    assert running.returncode == 0, rest
    assert "The ledger balances." in rest


def test_the_request_is_answered_as_shown(terminal: Terminal) -> None:
    shown = said("curl")
    got, expected = json.loads(terminal.run(shown.command)), json.loads(shown.output)
    assert got.keys() == expected.keys()
    assert got["model"] == expected["model"]
    assert [p["price_dollars"] for p in got["predictions"]] == pytest.approx(
        [p["price_dollars"] for p in expected["predictions"]], rel=1e-6
    )


def test_the_request_that_up_prints_works_as_printed(terminal: Terminal) -> None:
    printed = (terminal.directory / "printed").read_text(encoding="utf-8")
    (command,) = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl")]
    assert json.loads(terminal.run(command))["predictions"]


def settled(status: dict[str, Any]) -> bool:
    """Whether evidence has looked, the candidate's lane says that it scores, and has scored everything."""
    looked = [
        process["facts"].get("state") for process in status["processes"] if process["role"] == "evidence"
    ]
    says = [process["facts"].get("state") for process in status["processes"] if process["role"] == "scoring"]
    return (
        any(looked)
        and says == ["scoring"]
        and status["journal"]["waiting"] == status["candidates"][0]["pending"] == 0
    )


def test_the_status_looks_as_shown(terminal: Terminal) -> None:
    shown = said("umbra status")
    deadline = time.monotonic() + COMMAND_SECONDS
    while not settled(json.loads(terminal.run("umbra status --json"))):
        assert time.monotonic() < deadline, (
            "the candidate has not come to score what was asked, or evidence not to look"
        )
    assert shape(terminal.run(shown.command)) == shape(shown.output)


def test_a_candidate_is_trained_and_added_as_shown(terminal: Terminal) -> None:
    sales = synthetic.synthetic(3000, seed=3)
    lines = [",".join([*sales.rows[0], "sale_price"])]
    for row, price in zip(sales.rows, sales.prices, strict=True):
        lines.append(",".join("" if value is None else str(value) for value in (*row.values(), price)))
    (terminal.directory / "sales.csv").write_text("\n".join(lines), encoding="utf-8")
    terminal.run(said("umbra train").command)
    terminal.run(said("umbra candidates add").command)
    assert "gbm@2" in terminal.run("umbra candidates")
