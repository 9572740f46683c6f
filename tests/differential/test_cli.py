"""The command line: exit codes, reports, messages that say what to do, and nothing left half done."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ports import free_port

from differential_tests import cli, questions, run_file
from differential_tests.questions.payloads import Payloads
from model_package.schema import EXAMPLE
from shadow.settings import sqlite_url
from shadow.store import open_store
from shadow.store.schema import migrate

HOUSES = [{**EXAMPLE, "id": f"house-{number}", "living_area": 900.0 + number} for number in range(12)]
START_SECONDS = 30.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`python -m differential_tests ARGUMENTS`, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.jsonl").write_text("\n".join(map(json.dumps, HOUSES)))

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["differential_tests", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return Ended(ended.value.code, output.out, output.err)

    return run


@pytest.fixture
def linear(models: Path) -> Path:
    return models / "linear" / "1"


@pytest.fixture
def gbm(models: Path) -> Path:
    return models / "gbm" / "1"


def test_recorded_twice_a_model_is_the_same(command, linear, tmp_path):
    for name in ("a", "b"):
        done = command("record", linear, "--payloads", "houses.jsonl", "-o", f"{name}.jsonl")
        assert (done.status, done.err) == (0, "")
        assert "linear@1 answered 12 questions, refused 0 and failed 0" in done.out
    assert [answer.id for answer in run_file.read(tmp_path / "a.jsonl")] == [house["id"] for house in HOUSES]
    assert {answer.segment for answer in run_file.read(tmp_path / "a.jsonl")} == {EXAMPLE["neighborhood"]}
    same = command("compare", "a.jsonl", "b.jsonl", "--noise", "b.jsonl")
    assert (same.status, same.err) == (0, "")
    assert "same" in same.out


def test_without_payloads_the_corpus_is_asked_and_questions_writes_it(command, linear, tmp_path):
    assert command("questions", "-o", "q.jsonl", "--houses", 5).status == 0
    count = len(Payloads(tmp_path / "q.jsonl"))
    summary = json.loads(command("record", linear, "--payloads", "q.jsonl", "-o", "a", "--json").out)
    assert summary["answered"] + summary["refused"] == count > 500
    assert summary["questions_sha256"] == questions.digest(Payloads(tmp_path / "q.jsonl"))
    complete = json.loads(command("record", linear, "-o", "b", "--json").out)
    assert complete["answered"] + complete["refused"] == count + 495


def test_two_models_differ_and_every_report_says_so(command, linear, gbm, tmp_path):
    reports = [f"--{kind}=r.{kind}" for kind in ("junit", "html", "jsonl", "markdown")]
    ended = command("run", linear, gbm, "--payloads", "houses.jsonl", *reports, "--keep", "runs")
    assert (ended.status, ended.err) == (1, "")
    for kind in ("junit", "html", "jsonl", "markdown"):
        assert "house-" in (tmp_path / f"r.{kind}").read_text()
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "a.jsonl",
        "b.jsonl",
        "noise.jsonl",
    ]
    second = command("compare", "runs/a.jsonl", "runs/b.jsonl", "--json")
    check, *findings = map(json.loads, second.out.splitlines())
    assert (second.status, check["rows"], len(findings)) == (1, 12, 12)


def test_what_it_is_called_follows_from_what_is_compared(command, linear, gbm, umbra, tmp_path):
    copy = shutil.copytree(linear, tmp_path / "linear" / "1")

    def level(*arguments: object) -> str:
        return json.loads(command(*arguments, "--json").out.splitlines()[0])["level"]

    options = ("--payloads", "houses.jsonl", "--no-noise")
    assert level("run", linear, linear, *options) == "D0"
    assert level("run", linear, umbra, *options, "--keep", ".") == "D2"
    assert level("compare", "a.jsonl", "b.jsonl") == "D2"
    assert level("run", linear, copy, *options) == "D3"
    assert level("run", linear, gbm, *options, "--keep", ".") == "D4"
    assert level("compare", "a.jsonl", "b.jsonl") == "D4"
    assert level("run", linear, gbm, *options, "--level", "D3") == "D3"


def test_terms_say_how_much_may_differ(command, linear, gbm, tmp_path):
    (tmp_path / "wide.toml").write_text("[tolerance]\npercent = 90.0\n")
    arguments = ("run", linear, gbm, "--payloads", "houses.jsonl")
    assert command(*arguments, "--terms", "wide.toml").status == 0
    assert command(*arguments).status == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["record", "nothing", "-o", "a"], "expected http://HOST:PORT of a service, or the directory"),
        (["record", "http://127.0.0.1:x", "-o", "a"], "expected http://HOST:PORT"),
        (["record", "MODEL", "-o", "no/such/a"], "in a folder that is there"),
        (["record", "MODEL", "-o", "."], "directory"),
        (["record", "MODEL"], "Missing option '-o'"),
        (["record", "MODEL", "-o", "a", "--payloads", "nothing.jsonl"], "nothing.jsonl"),
        (["record", "MODEL", "-o", "a", "--payloads", "torn.json"], "torn.json:1: expected"),
        (["record", "MODEL", "-o", "a", "--terms", "bad.toml"], "toleranze"),
        (["record", "MODEL", "-o", "a", "--terms", "service.toml"], "service.metod"),
        (["run", "DEAD", "DEAD", "--terms", "path.toml"], "expected a path that begins with /"),
        (["compare", "torn.json", "torn.json", "--terms", "service.toml"], "service.metod"),
        (["compare", "torn.json", "torn.json", "--terms", "path.toml"], "service.path"),
        (["levels", "MODEL", "--terms", "path.toml"], "service.path"),
        (["record", "MODEL", "-o", "a", "--timeout", "0"], "--timeout"),
        (["record", "DEAD", "-o", "a", "--terms", "secret.toml"], "environment variable NO_SUCH to be set"),
        (["record", "DEAD", "-o", "a"], "from 20 requests in a row, the last: unreachable"),
        (["record", "ALTERED", "-o", "a"], "altered"),
        (["run", "MODEL", "nothing"], "expected http://HOST:PORT"),
        (["run", "MODEL", "MODEL", "--html", "no/such/page.html"], "in a folder that is there"),
        (["run", "DEAD", "MODEL", "--payloads", "houses.jsonl"], "A: nothing of use came back"),
        (["run", "MODEL", "DEAD", "--payloads", "houses.jsonl"], "B: nothing of use came back"),
        (["compare", "torn.json", "torn.json"], "expected a run of"),
        (["compare", "nothing", "torn.json"], "nothing"),
        (["compare", "MODEL", "torn.json"], "directory"),
        (["compare", "binary", "binary"], "binary"),
        (["harvest", "nowhere", "-o", "golden.jsonl"], "no store is there"),
        (["harvest", "STORE", "-o", "golden.jsonl", "--mask", "lotarea"], "lotarea"),
        (["harvest", "STORE", "-o", "torn.json"], "torn.json:1"),
        (["conquer"], "No such command 'conquer'"),
    ],
)
def test_what_cannot_run_says_why_and_what_to_do_and_ends_with_2(
    command, linear, tmp_path, store_of, arguments, told
):
    files = {
        "torn.json": '{"a": ',
        "bad.toml": "[toleranze]\n",
        "service.toml": "[service]\nmetod = 'POST'\n",
        "path.toml": "[service.b]\npath = 'v1/predictions'\n",
        "secret.toml": '[service]\nheaders = { Authorization = "$NO_SUCH" }\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    stands_for = {
        "MODEL": lambda: linear,
        "DEAD": lambda: f"http://127.0.0.1:{free_port()}",
        "STORE": store_of,
        "ALTERED": lambda: altered(linear, tmp_path),
    }
    ended = command(*(stands_for[word]() if word in stands_for else word for word in arguments))
    assert ended.status == 2
    assert told in " ".join((ended.out + ended.err).split())
    assert "Traceback" not in ended.out + ended.err
    assert not (tmp_path / "a").exists()


def test_what_nobody_foresaw_is_no_finding_and_is_told_as_a_defect(command, monkeypatch):
    monkeypatch.setattr(cli.corpus, "questions", lambda *_: 1 / 0)
    ended = command("questions", "-o", "q.jsonl")
    assert ended.status == 2
    assert "ZeroDivisionError" in ended.err
    assert "this is a defect of the tool" in ended.err


def test_a_run_that_is_no_text_is_named(command, linear, tmp_path):
    command("record", linear, "--payloads", "houses.jsonl", "-o", "a.jsonl")
    run_before = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "torn.jsonl").write_bytes(run_before.replace(b"house-3", b"house-\xff"))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\n")
    assert "torn.jsonl:5: expected an answer" in command("compare", "a.jsonl", "torn.jsonl").out
    assert "binary.jsonl: expected a run" in command("compare", "a.jsonl", "binary.jsonl").out


def altered(model: Path, folder: Path) -> Path:
    copy = folder / model.parent.name / model.name
    copy.mkdir(parents=True)
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes() + b" " * (path.name == "card.json"))
    return copy


@pytest.fixture
def store_of(tmp_path: Path) -> Callable[[], str]:
    """Make an empty store; return its URL."""

    def make() -> str:
        url = sqlite_url(tmp_path / "umbra.db")
        store = open_store(url)
        migrate(store)
        store.close()
        return url

    return make


def test_harvesting_an_empty_store_leaves_the_questions_that_were_there(command, store_of, tmp_path):
    command("questions", "-o", "golden.jsonl", "--houses", 2)
    before = (tmp_path / "golden.jsonl").read_bytes()
    ended = command("harvest", store_of(), "-o", "golden.jsonl")
    assert (ended.status, ended.err) == (0, "")
    assert "0 questions more" in ended.out
    assert (tmp_path / "golden.jsonl").read_bytes() == before


def test_a_dead_side_is_in_the_reports_too(command, linear, tmp_path):
    dead = f"http://127.0.0.1:{free_port()}"
    reports = ["--junit=r.xml", "--html=r.html", "--markdown=r.md", "--jsonl=r.jsonl"]
    ended = command("run", linear, dead, "--payloads", "houses.jsonl", *reports)
    assert ended.status == 2
    for name in ("r.xml", "r.html", "r.md", "r.jsonl"):
        assert "nothing of use came back" in (tmp_path / name).read_text()


def test_help_shows_an_example_of_every_command(command):
    listed = command("--help")
    assert listed.status == 0
    for name in cli.cli.commands:
        assert name in listed.out
        helped = command(name, "--help")
        assert (helped.status, f"python -m differential_tests {name}" in helped.out) == (0, True)


def test_nothing_is_drawn_where_there_is_no_terminal(command, linear):
    assert command("run", linear, linear, "--payloads", "houses.jsonl").err == ""


def test_interrupted_it_ends_with_130_at_once_and_leaves_no_run(talk, over, tmp_path):
    """On a terminal, where the bar says meanwhile who is asked."""
    arrived = threading.Event()

    def speak(_connection: object) -> None:
        arrived.set()
        over.wait()

    url = talk(speak)
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "differential_tests", "record", url, "-o", "a.jsonl", "--timeout", "600"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        stderr=terminal,
    )
    try:
        assert arrived.wait(START_SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(START_SECONDS) == 130
        output = os.read(ours, 1 << 16).decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(terminal)
    assert url in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_without_the_libraries_it_needs_it_says_what_to_install(tmp_path: Path) -> None:
    absent = "No module named 'httpx'"
    (tmp_path / "httpx.py").write_text(f"raise ModuleNotFoundError({absent!r})\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    ended = subprocess.run(
        [sys.executable, "-m", "differential_tests", "--help"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == f"{absent}: install the extra: pip install '.[differential]' in a checkout\n"
