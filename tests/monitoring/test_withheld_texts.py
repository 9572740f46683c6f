"""While texts are withheld, lines say where something was said and not a word of it (promise P8)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from gunicorn import arbiter, sock
from gunicorn.config import Config

from api.server import logger as server_logger
from model_package.manifest import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe
from monitoring import logs
from shadow.processes import CannotRun
from shadow.rollout import NoDeployment
from shadow.settings import InvalidSetting
from shadow.store import StoreUnavailable

log = logging.getLogger("tests.monitoring")


def _lines(directory: Path) -> list[dict]:
    assert logs.flush()
    return [json.loads(line) for file in directory.glob("*.jsonl") for line in file.read_text().splitlines()]


@pytest.fixture
def discreet(tmp_path):
    logs.configure("umbra.api", "INFO", tmp_path, withhold=True)
    yield tmp_path
    logs.configure("umbra.test", "WARNING", tmp_path / "after")


def _cannot(value: object) -> None:
    raise ValueError(f"cannot bear {value}")


def test_while_texts_are_withheld_an_error_says_its_type_and_its_place_and_nothing_else(discreet):
    try:
        try:
            _cannot("canary")
        except ValueError as fault:
            raise RuntimeError("a house of canary") from fault
    except RuntimeError as fault:
        logs.event(log, "failed", level=logging.ERROR, error=fault)
        logs.event(log, "failed", level=logging.WARNING, error=fault)
        log.exception("by the library, of %s", "canary")
        log.warning("canary")
    for file in discreet.iterdir():
        assert "canary" not in file.read_text()
    for line in _lines(discreet)[:3]:
        assert line["error"]["type"] == "RuntimeError"
        assert line["error"]["message"] == "withheld"
        trace = line["error"]["stack_trace"].splitlines()
        assert [entry.rpartition(" in ")[2] for entry in trace if " in " in entry][1] == "_cannot"
        assert trace[-1] == "RuntimeError"
        assert "ValueError" in trace


def test_while_texts_are_withheld_an_error_whose_causes_lead_in_a_circle_costs_no_line(discreet):
    first, second = ValueError("canary"), KeyError("canary")
    first.__cause__, second.__cause__ = second, first
    logs.event(log, "failed", level=logging.ERROR, error=first)
    (line,) = _lines(discreet)
    assert line["error"] == {
        "type": "ValueError",
        "message": "withheld",
        "stack_trace": "KeyError\nValueError",
    }


def test_while_texts_are_withheld_a_long_stack_is_cut_between_lines(discreet):
    def fail(depth):
        if depth:
            fail(depth - 1)
        _cannot("canary")

    for depth in range(50, 60):
        try:
            fail(depth)
        except ValueError as fault:
            logs.event(log, "failed", level=logging.ERROR, error=fault)
        stack = _lines(discreet)[-1]["error"]["stack_trace"].splitlines()
        assert 10 < len(stack) < depth
        assert {place.partition(":")[0] for place in stack[:-1]} == {f"  {__file__}"}


def test_while_texts_are_withheld_a_librarys_line_says_where_it_came_from(discreet):
    log.warning("canary")
    (line,) = _lines(discreet)
    assert line["message"] == "withheld"
    assert line["log"]["origin"]["file"]["name"] == Path(__file__).name
    assert line["log"]["origin"]["function"].startswith("test_while")


def test_while_texts_are_withheld_words_of_models_and_clients_are_left_out(discreet):
    logs.event(log, "odd", reason="raised", detail="canary", because="canary", url={"path": "/canary"})
    (line,) = _lines(discreet)
    assert line["umbra"] == {"reason": "raised"}
    assert "url" not in line


class _ToldError(RuntimeError):
    safe_to_log = True


def test_while_texts_are_withheld_an_error_that_can_name_no_house_says_what_to_do(discreet):
    try:
        try:
            _cannot("canary")
        except ValueError as fault:
            raise _ToldError("start the database") from fault
    except _ToldError as fault:
        logs.event(log, "failed", level=logging.ERROR, error=fault)
    (line,) = _lines(discreet)
    assert line["error"]["message"] == "start the database"
    assert "canary" not in json.dumps(line)


OURS = (
    AlteredArtifact,
    CannotRun,
    InvalidArtifact,
    InvalidSetting,
    NoDeployment,
    StoreUnavailable,
    UnknownRecipe,
)


@pytest.mark.parametrize("kind", OURS)
def test_while_texts_are_withheld_what_keeps_umbra_from_starting_is_still_said(discreet, kind):
    logs.event(log, "cannot_start", level=logging.ERROR, error=kind("do this"))
    assert _lines(discreet)[0]["error"]["message"] == "do this"


def test_while_texts_are_withheld_gunicorn_still_says_what_its_processes_do(discreet):
    gunicorn = server_logger.Logger(Config())
    gunicorn.critical("WORKER TIMEOUT (pid:%s)", 7)
    gunicorn.warning("of %s", "canary")
    gunicorn.info("canary")
    try:
        _cannot("canary")
    except ValueError as fault:
        gunicorn.exception(fault)
        gunicorn.exception("Exception in worker process")
    lines = _lines(discreet)
    said = ["WORKER TIMEOUT (pid:7)", "withheld", "withheld", "withheld", "Exception in worker process"]
    assert [line["message"] for line in lines] == said
    assert "canary" not in json.dumps(lines)
    assert {line["log"]["origin"]["file"]["name"] for line in lines} == {Path(__file__).name}


@pytest.mark.parametrize("template", server_logger.OF_PROCESSES)
def test_what_gunicorn_says_of_its_processes_is_what_it_says(template):
    sources = [Path(module.__file__).read_text() for module in (arbiter, sock)]
    parts = [part for part in template.partition(" Perhaps out of memory?") if part]
    assert all(any(f'"{part}"' in source for source in sources) for part in parts)


UNCAUGHT = """
    import logging, os, sys, threading
    from monitoring import logs

    logs.configure("umbra.worker", "INFO", None, withhold=sys.argv[1] == "withhold")
    logs.log_uncaught_errors()
    logs.discard_other_output()
    print("printed canary", flush=True)
    os.write(2, b"written canary")
    thread = threading.Thread(target=lambda: int("canary 1"))
    thread.start()
    thread.join()
    int("canary 2")
    """


def test_an_error_that_nobody_catches_has_a_line_and_its_trace_on_standard_error(run_script):
    done = run_script(UNCAUGHT, "tell")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines] == ["uncaught_error"] * 2
    assert [line["error"]["message"][-9:-1] for line in lines] == ["canary 1", "canary 2"]
    assert done.stderr.count("Traceback") == 2
    assert "printed canary" in done.stdout
    assert "written canary" in done.stderr


def test_while_texts_are_withheld_nothing_but_lines_is_printed(run_script):
    done = run_script(UNCAUGHT, "withhold")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "canary" not in done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["error"]["type"] for line in lines] == ["ValueError"] * 2
