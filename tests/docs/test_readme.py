"""The README's commands, run as they are written, by someone who has just installed Umbra.

Not run here: what installs (`.ci/run` does), the suite itself, and what needs Docker (`tests/stack`).
"""

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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from needed import missing

from model_package import synthetic

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.strip() for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)]
READY_SECONDS, COMMAND_SECONDS = 120, 120


RUN_ELSEWHERE = ("pip install '", "docker compose ", "python3 deploy/")
RUN_HERE = (
    "pip install . && umbra up",
    "curl ",
    "umbra status",
    "umbra outcomes import",
    "umbra verdict",
    "umbra report",
    "umbra promote",
    "umbra rollback",
    "python -m differential_tests run",
    "umbra train",
    "umbra candidates add",
)


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
    text = re.sub(r"\bN (file|capture)s\b", r"N \1", text)
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
        result = self.ended(command)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout.strip()

    def refused(self, command: str) -> str:
        """What a command says that ends with 1."""
        result = self.ended(command)
        assert result.returncode == 1, f"{command}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        return result.stderr.strip()

    def ended(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S602 - the reader types it into a shell
            command,
            shell=True,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command.split(), cwd=self.directory, env=self.environment, stdout=subprocess.PIPE, text=True
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def started(shell: Terminal, command: str, sign: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command; gives it once it has printed `sign`, and what it printed until then."""
    running = shell.start(command)
    overdue = threading.Timer(READY_SECONDS, running.kill)
    overdue.start()
    assert running.stdout is not None
    printed = ""
    for line in running.stdout:
        printed += line
        if sign in line:
            break
    overdue.cancel()
    assert sign in printed, printed
    return running, printed


def ports_are_free() -> None:
    if not all(map(_is_free, (8000, 8001, 8002))):
        missing("the default ports 8000 to 8002", "end what listens there")


def test_every_command_of_the_readme_is_run_here_or_is_said_to_be_run_elsewhere() -> None:
    commands = [line for block in BLOCKS for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]
    assert len(commands) > 15
    for command in commands:
        assert command.startswith((*RUN_HERE, *RUN_ELSEWHERE)), command


def test_the_demo_has_traffic_and_sold_houses_within_a_minute_and_ends_in_balance(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """First of all: `umbra up` below takes the same ports."""
    ports_are_free()
    assert "`umbra demo`" in README
    shell = Terminal(tmp_path_factory.mktemp("visitor"))
    running, printed = started(shell, "umbra demo", "Ctrl-C")
    threading.Thread(target=lambda: [None for _ in running.stdout or ()], daemon=True).start()
    try:
        deadline = time.monotonic() + COMMAND_SECONDS
        while not json.loads(shell.run("curl -s http://127.0.0.1:8000/v1/outcomes")).get("sold"):
            assert time.monotonic() < deadline, printed
    finally:
        running.send_signal(signal.SIGINT)
    assert running.wait(COMMAND_SECONDS) == 0


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """`umbra up`, as the README starts it, until the tests are done; then Ctrl-C."""
    ports_are_free()
    shell = Terminal(tmp_path_factory.mktemp("newcomer"))
    command = said("pip install . && ").command.removeprefix("pip install . && ")
    running, printed = started(shell, command, "Ctrl-C")
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


def test_outcomes_are_imported_and_the_verdict_and_the_report_are_there(terminal: Terminal) -> None:
    asked = json.loads(terminal.run(said("curl").command))
    line = f"{asked['predictions'][0]['id']},183000,2026-01-31"
    file = terminal.directory / "outcomes.csv"
    file.write_text(f"prediction_id,price_dollars,sold_at\n{line}\n", encoding="utf-8")
    assert "1" in terminal.run(said("umbra outcomes import").command)
    deadline = time.monotonic() + COMMAND_SECONDS
    while terminal.ended(said("umbra verdict").command).returncode != 0:
        assert time.monotonic() < deadline, "evidence has not looked"
    assert "gbm@1" in terminal.run(said("umbra verdict").command)
    terminal.run(said("umbra report").command)
    assert "<html" in (terminal.directory / "report.html").read_text(encoding="utf-8")


def test_a_promotion_without_evidence_and_a_rollback_to_nothing_are_refused(terminal: Terminal) -> None:
    assert "gbm@1" in terminal.refused(said("umbra promote").command)
    assert terminal.refused(said("umbra rollback").command)
    answered = json.loads(terminal.run(said("curl").command))["model"]
    assert answered == {"name": "linear", "version": "1"}


class Relay:
    """Hands what comes to one port on to another: the second service that the README compares with."""

    def __init__(self, port: int, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(65536):
                target.sendall(some)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_two_services_that_answer_alike_are_the_same(terminal: Terminal) -> None:
    if not _is_free(9000):
        missing("the port 9000", "end what listens there")
    relay = Relay(9000, 8000)
    try:
        terminal.run(said("python -m differential_tests run").command)
    finally:
        relay.close()
    assert "<html" in (terminal.directory / "diff.html").read_text(encoding="utf-8")
