"""A second start is refused before it touches anything; a start needs neither store nor a tidy directory."""

from __future__ import annotations

import json
import os
import random
import signal
from datetime import UTC, datetime
from pathlib import Path

from harness.load import Asker, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until
from ports import free_ports

from model_package.reference import ModelRef
from shadow import rollout
from shadow.records import Deployment

TOKEN = "canary-canary-canary"  # noqa: S105 (of nobody)
LITTER = (
    "api",
    "flask",
    "gunicorn",
    "http",
    "logging",
    "model_package",
    "monitoring",
    "numpy",
    "orjson",
    "random",
    "setproctitle",
    "shadow",
    "sqlalchemy",
    "types",
    "umbra",
)


def test_a_second_start_is_refused_in_one_sentence_and_the_first_keeps_all_it_has(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(admin_token=TOKEN)
    for name in LITTER:  # where it is started; whoever imports one of these ends
        (stack.directory / f"{name}.py").write_text(f"raise SystemExit('{name} ran')", encoding="utf-8")
    process = stack.up()
    asker = Asker(stack)
    asker.ask(houses(20))
    wait_until(
        lambda: (
            stack.metric("worker", "umbra_candidate_observations_total", candidate="gbm@1", state="scored")
            == 20
        ),
        60,
    )
    before = _belongings(stack)
    for command, settings, words in _second_starts(stack):
        refused = _with(stack, settings).run(command)
        assert refused.returncode == 1, (command, settings, refused)
        (sentence,) = refused.stderr.splitlines()
        assert sentence.startswith(f"umbra: {words}"), sentence
        assert "Umbra answers" not in refused.stdout
    assert _belongings(stack) == before
    assert not (stack.directory / "elsewhere").exists()
    _check_private(stack)
    for _ in range(3):
        killed = stack.kill("api", random.Random(0))
        wait_until(lambda k=killed: stack.is_ready() and set(stack.pids("api")) - {k}, 60, stack.explain)
    assert asker.ask(houses(1)) is not None
    assert stack.stop(process, signal.SIGINT) == 0
    assert stack.processes() == []


def _second_starts(stack: Stack) -> list[tuple[str, dict[str, object], str]]:
    """What is started beside it: the command, its other settings, and how its sentence begins."""
    api, api_metrics, worker_metrics = free_ports(3)
    ports = {"api_port": api, "api_metrics_port": api_metrics, "worker_metrics_port": worker_metrics}
    elsewhere = {"data_dir": stack.directory / "elsewhere"}
    here = f"already serves {stack.data}; stop it, or give this one its own UMBRA_DATA_DIR"
    taken = "Address already in use; stop what listens there, or set another port"
    own = stack.settings
    return [
        ("up", {}, f"another api {here}"),
        ("up", ports, f"another api {here}"),
        ("serve", ports, f"another api {here}"),
        ("work", ports, f"another worker {here}"),
        ("up", elsewhere, f"127.0.0.1:{own.api_port}: {taken}"),
        (
            "up",
            elsewhere | ports | {"api_metrics_port": own.api_metrics_port},
            f"127.0.0.1:{own.api_metrics_port}: {taken}",
        ),
        (
            "up",
            elsewhere | ports | {"worker_metrics_port": own.worker_metrics_port},
            f"127.0.0.1:{own.worker_metrics_port}: {taken}",
        ),
    ]


def _with(stack: Stack, settings: dict[str, object]) -> Stack:
    other = Stack(stack.directory, stack.settings.models)
    chosen = {f"UMBRA_{name.upper()}": str(value) for name, value in settings.items()}
    other.environment = stack.environment | chosen
    return other


def _belongings(stack: Stack) -> object:
    """What a second start could take away: processes, run files, metrics, example, models, announcements."""
    counted = {
        half: stack.metric(half, name, **labels)
        for half, name, labels in (
            ("api", "umbra_captures_written_total", {}),
            ("worker", "umbra_candidate_observations_total", {"candidate": "gbm@1", "state": "scored"}),
        )
    }
    files = sorted(path.name for path in stack.settings.run_dir.iterdir())
    example = (stack.data / "example.json").stat()
    models = sorted(str(path) for path in stack.settings.models.rglob("*"))
    return counted, stack.processes(), files, (example.st_ino, example.st_mtime_ns), models


def _check_private(stack: Stack) -> None:
    """Every process makes private files; the token is in the environment of the API and of who starts it."""
    for pid in stack.processes():
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        assert "Umask:\t0077" in status, Path(f"/proc/{pid}/cmdline").read_bytes()
    if os.getuid() == 0:
        known = {
            pid for pid in stack.processes() if TOKEN.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        }
        (api,) = stack.pids("api")
        (up,) = {pid for pid in known if b"up" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")}
        assert known == {up, api, *stack.pids("api worker")}


def test_umbra_up_answers_from_memory_while_the_store_is_away_and_says_so(make_stack: MakeStack) -> None:
    (closed,) = free_ports(1)
    stack = make_stack(store_url=f"postgresql://umbra@127.0.0.1:{closed}/umbra")
    refused = stack.run("up")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    rollout.save_last_served(stack.data, Deployment(ModelRef("linear", "1"), datetime.now(UTC), "x", "first"))
    process = stack.start("up")
    stack.wait_ready(process)
    assert Asker(stack).ask(houses(3)) is not None
    wait_until(lambda: "Umbra answers on" in stack.output.read_text(), 60, stack.explain)
    said = stack.output.read_text()
    assert said.count("The store does not answer (") == 1
    assert "linear@1 answers, as it did here last" in said
    assert json.loads(stack.ask("GET", "/readyz")[1])["model"] == "linear@1"
    assert stack.stop(process, signal.SIGINT) == 0
    assert stack.processes() == []
    assert "Traceback" not in stack.output.read_text()
