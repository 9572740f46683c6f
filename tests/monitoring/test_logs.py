"""Log lines: the schema's names, nothing lost that fits, nobody held up when the far end hangs."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import time
import traceback
from datetime import datetime
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from monitoring import logs
from monitoring.logs import sink

log = logging.getLogger("tests.monitoring")


@pytest.fixture
def directory(tmp_path):
    logs.configure("umbra.api", "INFO", tmp_path, version="1.2.3")
    yield tmp_path
    logs.configure("umbra.test", "WARNING", tmp_path / "after")


@pytest.fixture
def pipe(tmp_path):
    """A pipe as the sink; nobody reads it until the test does."""
    reader, writer = os.pipe()
    logs.configure("umbra.api", "INFO", None, descriptor=writer)
    yield reader
    os.set_blocking(reader, False)
    try:
        while os.read(reader, 1 << 20):
            logs.flush(0.05)
    except BlockingIOError:
        logs.flush(1)
    # Before it is closed: its number will be another file's, and no line may ever be written there.
    logs.configure("umbra.test", "WARNING", tmp_path)
    os.close(reader)
    os.close(writer)


def _lines(directory: Path) -> list[dict]:
    assert logs.flush()
    return [json.loads(line) for file in directory.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_a_line_carries_the_names_of_the_schema_as_nested_objects(directory):
    logs.event(
        log,
        "request",
        event={"action": "predictions.create", "outcome": "success", "duration": 1200},
        http={"request": {"method": "POST", "id": "r-1"}, "response": {"status_code": 200}},
        url={"path": "/v1/predictions"},
        rows=3,
        model={"name": "linear", "version": "1"},
    )
    (line,) = _lines(directory)
    assert datetime.fromisoformat(line.pop("@timestamp")).utcoffset().total_seconds() == 0
    assert line.pop("host")["name"]
    assert line == {
        "message": "request",
        "log": {"level": "info", "logger": "tests.monitoring"},
        "service": {"name": "umbra.api", "version": "1.2.3"},
        "process": {"pid": os.getpid()},
        "event": {
            "dataset": "umbra.api",
            "action": "predictions.create",
            "outcome": "success",
            "duration": 1200,
        },
        "http": {"request": {"method": "POST", "id": "r-1"}, "response": {"status_code": 200}},
        "url": {"path": "/v1/predictions"},
        "umbra": {"rows": 3, "model": {"name": "linear", "version": "1"}},
    }


def test_the_request_id_is_on_every_line_until_it_is_taken_off(directory):
    logs.bind_request_id("r-77")
    logs.event(log, "inside")
    log.warning("a library speaks of %s", "something")
    logs.bind_request_id("")
    logs.event(log, "outside")
    lines = {line["message"]: line for line in _lines(directory)}
    assert lines["inside"]["trace"] == {"id": "r-77"}
    assert lines["a library speaks of something"]["trace"] == {"id": "r-77"}
    assert "trace" not in lines["outside"]


def test_an_error_keeps_its_type_message_and_stack(directory):
    try:
        {}["no such house"]
    except LookupError as fault:
        logs.event(log, "failed", level=logging.ERROR, error=fault)
        log.exception("by the library")
    for line in _lines(directory):
        assert line["log"]["level"] == "error"
        assert line["error"]["type"] == "KeyError"
        assert line["error"]["message"] == "'no such house'"
        assert "test_logs.py" in line["error"]["stack_trace"]


def test_a_warning_says_what_is_wrong_without_a_stack(directory):
    logs.event(log, "store_away", level=logging.WARNING, error=ConnectionError("refused"))
    assert _lines(directory)[0]["error"] == {"type": "ConnectionError", "message": "refused"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_json_does_not_have_become_null(directory, value):
    logs.event(log, "odd", price=value)
    assert _lines(directory)[0]["umbra"] == {"price": None}


class _Unspeakable:
    def __repr__(self):
        raise RuntimeError("no words")

    __str__ = __repr__


class _UnspeakableError(_Unspeakable, Exception):
    pass


def test_an_error_without_a_text_costs_no_line(directory):
    logs.event(log, "failed", level=logging.ERROR, error=_UnspeakableError())
    (line,) = _lines(directory)
    assert line["error"]["type"] == "_UnspeakableError"
    assert line["error"]["message"] == "_UnspeakableError has no text: RuntimeError"


def _fail(depth):
    try:
        if depth:
            _fail(depth - 1)
        int("none")
    except ValueError as fault:
        raise ValueError("again " * depth) from fault


def test_a_long_stack_is_cut_between_lines(directory):
    for depth in range(30, 40):
        try:
            _fail(depth)
        except ValueError as fault:
            whole = "".join(traceback.format_exception(fault))
            logs.event(log, "failed", level=logging.ERROR, error=fault)
        stack = _lines(directory)[-1]["error"]["stack_trace"]
        assert len(stack) < len(whole)
        assert whole.endswith("\n" + stack)


@pytest.mark.parametrize("value", [_Unspeakable(), "\ud800", 10**400, {"deep": {1: {2: object()}}}])
def test_a_field_that_cannot_be_written_costs_neither_the_line_nor_the_caller(directory, value):
    logs.event(log, "odd", value=value)
    assert [line["message"] for line in _lines(directory)] == ["odd"]


def test_a_library_line_with_wrong_arguments_is_still_written(run_script):
    script = """
        import logging
        from monitoring import logs

        logs.configure("umbra.api", "INFO", None)
        logging.getLogger("library").warning("%d rows", "many")
        logging.getLogger("library").warning("%s rows", type("Odd", (), {"__str__": lambda _: 1 / 0})())
        """
    lines = run_script(script).stdout.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["%d rows", "%s rows"]


def test_levels_below_the_configured_one_cost_nothing_and_write_nothing(directory):
    logs.event(log, "quiet", level=logging.DEBUG)
    logs.event(log, "heard")
    assert [line["message"] for line in _lines(directory)] == ["heard"]


def test_nobody_waits_for_a_pipe_that_nobody_reads(pipe):
    dropped = []
    logs.count_dropped_lines(lambda: dropped.append(1))
    slowest = 0.0
    for number in range(2 * sink.QUEUE_LINES):
        begin = time.perf_counter()
        logs.event(log, "request", number=number)
        slowest = max(slowest, time.perf_counter() - begin)
    assert slowest < 1.0
    assert len(dropped) >= sink.QUEUE_LINES // 2
    assert not logs.flush(0.1)


def test_lines_arrive_once_the_pipe_is_read_again(pipe):
    for number in range(3000):
        logs.event(log, "request", number=number)
    assert not logs.flush(0.2)
    os.set_blocking(pipe, False)
    text, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while text.count(b"\n") < 3000 and time.monotonic() < deadline:
        logs.flush(0.01)
        text += _available(pipe)
    assert [json.loads(line)["umbra"]["number"] for line in text.splitlines()] == list(range(3000))


def _available(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


def test_a_process_with_a_hung_sink_still_ends(run_script):
    script = """
        import logging, os
        from monitoring import logs

        reader, writer = os.pipe()
        logs.configure("umbra.api", "INFO", None, descriptor=writer)
        for n in range(20000):
            logs.event(logging.getLogger("x"), "request", n=n)
        """
    begin = time.monotonic()
    assert run_script(script).returncode == 0
    assert time.monotonic() - begin < 20


def test_lines_waiting_at_exit_are_written(run_script):
    script = """
        import logging
        from monitoring import logs

        logs.configure("umbra.api", "INFO", None)
        for n in range(2000):
            logs.event(logging.getLogger("x"), "request", n=n)
        """
    lines = run_script(script).stdout.splitlines()
    assert [json.loads(line)["umbra"]["n"] for line in lines] == list(range(2000))


def test_a_fork_writes_its_own_lines_and_not_its_parents(tmp_path, run_script):
    script = """
        import logging, os, sys
        from pathlib import Path
        from monitoring import logs

        log = logging.getLogger("x")
        logs.configure("umbra.api", "INFO", Path(sys.argv[1]) if len(sys.argv) > 1 else None)
        logs.event(log, "parent before")
        pid = os.fork()
        logs.event(log, "parent after" if pid else "child")
        if pid == 0:
            logs.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        """
    messages = [json.loads(line)["message"] for line in run_script(script).stdout.splitlines()]
    assert sorted(messages) == ["child", "parent after", "parent before"]
    run_script(script, str(tmp_path))
    files = {tuple(json.loads(x)["message"] for x in f.read_text().splitlines()) for f in tmp_path.iterdir()}
    assert files == {("child",), ("parent before", "parent after")}


def test_two_processes_on_one_pipe_never_mix_their_lines():
    script = (
        "import logging, os\n"
        "from monitoring import logs\n"
        "logs.configure('umbra.api', 'INFO', None)\n"
        "os.fork(); os.fork()\n"
        "for n in range(2000): logs.event(logging.getLogger('x'), 'request', n=n, filler='x' * 300)\n"
        "logs.flush(20)\n"
    )
    root = Path(__file__).parents[2]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 1 << 16)
    with subprocess.Popen(
        [os.sys.executable, "-c", script], stdout=writer, env={**os.environ, "PYTHONPATH": str(root)}
    ):
        os.close(writer)
        with os.fdopen(reader, "rb") as end:
            lines = [json.loads(line) for line in end]
    assert len(lines) == 8000


@pytest.fixture
def both(tmp_path):
    """A directory and a pipe that nobody reads, both of them for the same lines."""
    reader, writer = os.pipe()
    logs.configure("umbra.api", "INFO", tmp_path / "logs", also_descriptor=True, descriptor=writer)
    yield tmp_path / "logs", reader
    os.close(reader)
    logs.configure("umbra.test", "WARNING", tmp_path)
    os.close(writer)


def test_lines_go_to_a_file_and_to_standard_output_alike(both):
    directory, reader = both
    logs.event(log, "request", number=1)
    (line,) = _lines(directory)
    os.set_blocking(reader, False)
    assert json.loads(_available(reader)) == line


def test_a_standard_output_that_nobody_reads_does_not_hold_up_the_file(both):
    directory, _ = both
    for number in range(3000):
        logs.event(log, "request", number=number)
    assert not logs.flush(0.5)
    texts = [file.read_text() for file in directory.iterdir()]
    assert [json.loads(line)["umbra"]["number"] for text in texts for line in text.splitlines()] == [
        *range(3000)
    ]


def test_a_file_that_cannot_be_written_does_not_hold_up_standard_output(run_script):
    script = """
        import logging
        from pathlib import Path
        from monitoring import logs

        logs.configure("umbra.api", "INFO", Path("/proc/nowhere"), also_descriptor=True)
        dropped = []
        logs.count_dropped_lines(lambda: dropped.append(1))
        logs.event(logging.getLogger("x"), "told")
        logs.flush()
        assert len(dropped) == 1
        """
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "told"


def test_lines_that_still_fit_a_full_disk_are_not_counted_as_dropped(tmp_path, run_script):
    script = """
        import logging, resource, sys
        from pathlib import Path
        from monitoring import logs

        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        logs.configure("umbra.api", "INFO", Path(sys.argv[1]))
        dropped = []
        logs.count_dropped_lines(lambda: dropped.append(1))
        for number in range(100):
            logs.event(logging.getLogger("x"), "request", number=number)
        logs.flush()
        print(len(dropped))
        """
    done = run_script(script, str(tmp_path))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes().count(b"\n")
    assert 0 < whole < 100
    assert int(done.stdout) == 100 - whole


def test_a_full_disk_drops_lines_and_goes_on_when_there_is_room(run_script):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    script = """
        import logging, os
        from monitoring import logs

        out = os.open("/dev/full", os.O_WRONLY)
        logs.configure("umbra.api", "INFO", None, descriptor=out)
        dropped = []
        logs.count_dropped_lines(lambda: dropped.append(1))
        logs.event(logging.getLogger("x"), "lost")
        logs.flush()
        assert len(dropped) == 1
        os.dup2(1, out)
        logs.event(logging.getLogger("x"), "written")
        """
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["written"]
