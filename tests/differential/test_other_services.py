"""Services that are not Umbra, each in a process of its own, asked as docs/differential.md says.

Three dialects: a plain row in and a price out, one at a time (the second one's names differ); `instances` and
`predictions` as MLflow's and KServe's first protocol have them; `data.ndarray` as Seldon has it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ports import free_port

HERE = Path(__file__).parent
ROWS = "id,area,rooms\n" + "".join(f"house-{number},{50 + number},{number % 5}\n" for number in range(40))
START_SECONDS = 30.0

GUIDE = (HERE.parents[1] / "docs" / "differential.md").read_text(encoding="utf-8")
DIALECTS = dict(re.findall(r"^```toml\n# (\w+): .*\n([^`]*)^```$", GUIDE, re.MULTILINE))
INSTANCES, NDARRAY, PLAIN = (DIALECTS[name] for name in ("instances", "ndarray", "plain"))
ECHOED = """
[service]
path = "/batch"
[service.request]
one = ""
id = "row"
[service.response]
many = "$"
id = "$.row"
"""
Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a service of other_services.py in a process; return its address."""
    with ExitStack() as ends:

        def begin(*arguments: str) -> str:
            port = free_port()
            process = subprocess.Popen(
                [sys.executable, "-S", str(HERE / "other_services.py"), str(port), *arguments],
                stdout=subprocess.PIPE,
            )
            ends.callback(process.wait)
            ends.callback(process.kill)
            ends.callback(process.stdout.close)
            assert process.stdout.readline() == b"ready\n"
            return f"http://127.0.0.1:{port}"

        yield begin


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`run A B` with these terms and the rows above; gives exit status and what was found, by row."""
    from differential_tests import cli  # noqa: PLC0415 (a test that does not run it need not import it)

    def begin(terms: str, a: str, b: str, *options: str) -> tuple[int, dict[str, str]]:
        for name, text in (("terms.toml", terms), ("rows.csv", ROWS)):
            (tmp_path / name).write_text(text)
        given = [f"--terms={tmp_path / 'terms.toml'}", f"--payloads={tmp_path / 'rows.csv'}", "--json"]
        monkeypatch.setattr(sys, "argv", ["differential_tests", "run", a, b, *given, *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        lines = [json.loads(line) for line in said.out.splitlines()]
        assert ended.value.code == 2 or lines[0]["rows"] == 40, said
        return ended.value.code, {line["row"]: line["kind"] for line in lines[1:]}

    return begin


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize(("terms", "dialect"), [(INSTANCES, "instances"), (NDARRAY, "ndarray")])
def test_two_builds_of_a_dialect_are_compared(start, run, terms, dialect, rows):
    old, same = start(dialect), start(dialect)
    assert run(terms, old, same, f"--rows-per-request={rows}") == (0, {})


@pytest.mark.parametrize(("terms", "dialect"), [(INSTANCES, "instances"), (NDARRAY, "ndarray")])
def test_what_one_build_does_wrong_is_found_row_by_row(start, run, terms, dialect):
    old, new = start(dialect), start(dialect, "--dearer-above=80")
    status, found = run(terms, old, new, "--rows-per-request=7")
    assert status == 1
    assert found == {f"house-{number}": "number" for number in range(31, 40)}


def test_builds_may_differ_in_how_they_are_asked_and_a_token_comes_from_the_environment(
    start, run, monkeypatch, tmp_path
):
    monkeypatch.setenv("PRICE_TOKEN", "very-secret-7")
    old, new = start("plain"), start("plain2")
    assert run(PLAIN, old, new, f"--keep={tmp_path / 'runs'}", f"--html={tmp_path / 'page.html'}") == (0, {})
    kept = [path for path in [*(tmp_path / "runs").iterdir(), tmp_path / "page.html"] if path.is_file()]
    assert len(kept) == 4
    assert not any(b"very-secret-7" in path.read_bytes() for path in kept)


def test_a_build_that_refuses_what_the_other_one_answers_is_found(start, run, monkeypatch):
    monkeypatch.setenv("PRICE_TOKEN", "very-secret-7")
    status, found = run(PLAIN, start("plain"), start("plain2", "--refuse-above=80"))
    assert (status, set(found.values()), len(found)) == (1, {"refusal"}, 9)


@pytest.mark.parametrize(
    ("fault", "rows", "kind"),
    [
        ("--drop=house-5", {"house-5"}, "failure"),
        ("--double=house-5", {"house-5"}, "failure"),
        ("--swap=house-5", {"house-4", "house-5"}, "failure"),
    ],
)
def test_rows_that_are_dropped_doubled_or_swapped_are_named(start, run, fault, rows, kind):
    status, found = run(ECHOED, start("echoed"), start("echoed", fault), "--rows-per-request=20")
    assert (status, found) == (1, dict.fromkeys(rows, kind))


def test_noise_is_measured_first_and_only_what_exceeds_it_is_found(start, run):
    """Every fifth answer is off by up to 0.1 %, each time by another amount."""
    jittery, dearer = [start("instances", "--jitter=0.001", *fault) for fault in ([], ["--dearer-above=70"])]
    again = start("instances", "--jitter=0.001")
    by_chance = {f"house-{number}" for number in range(4, 40, 5)}
    assert run(INSTANCES, jittery, again, "--concurrency=1") == (0, {})
    assert run(INSTANCES, jittery, again, "--concurrency=1", "--no-noise") == (
        1,
        dict.fromkeys(by_chance, "number"),
    )
    status, found = run(INSTANCES, jittery, dearer, "--concurrency=1")
    wrong = {f"house-{number}" for number in range(21, 40)}
    assert (status, wrong - found.keys(), found.keys() - wrong - by_chance) == (1, set(), set())


def test_a_dead_side_is_reported_in_time(start, run):
    assert run(INSTANCES, start("instances"), f"http://127.0.0.1:{free_port()}") == (2, {})


def test_a_hung_side_is_reported_in_time(start, run):
    begun = time.monotonic()
    assert run(INSTANCES, start("instances"), start("instances", "--hang"), "--timeout=0.05") == (2, {})
    assert time.monotonic() - begun < START_SECONDS
