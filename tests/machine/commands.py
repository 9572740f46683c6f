"""Commands of `umbra`, each in a process of its own that is forked from one which has imported everything.

Run as a program it reads a command as a line of JSON and answers with how it ended; `Commands` asks it.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

from click.testing import CliRunner

from umbra import command
from umbra.command import main

_SECONDS = 60
NOBODY = 65_534
_CRASHED = 70
UNSET = "(unset)"
"""The value of a variable that is to be taken away."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    status: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """All of it."""
        return self.output + self.errors


class Commands:
    """Runs commands in surroundings of a test's choice."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        environment = {**os.environ, "UMBRA_DATA_DIR": str(directory / "warm"), "COLUMNS": "400"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, directory],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        cwd_goes: bool = False,
    ) -> Ended:
        """Run a command with these variables and no other `UMBRA_` ones; as another user if asked to."""
        case = {
            "arguments": arguments,
            "environment": dict(environment or {}),
            "cwd": str(cwd or self._directory),
            "cwd_goes": cwd_goes,
            "user": user,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def _serve(directory: Path) -> None:
    for place in command._COMMANDS.values():
        import_module(place.partition(":")[0])
    for encoding in ("ascii", "idna", "latin-1"):
        codecs.lookup(encoding)
    for arguments in (["status"], ["models", "show", "linear@1"], ["nonsense"]):
        CliRunner().invoke(main, arguments)  # what is imported late is there for all that are forked
    for line in sys.stdin:
        case = json.loads(line)
        sys.stdout.write(json.dumps(_forked(case, directory)) + "\n")
        sys.stdout.flush()


def _forked(case: Mapping[str, Any], directory: Path) -> dict[str, object]:
    files = [(directory / name).open("w+b") for name in ("output", "errors")]
    pid = os.fork()
    if pid == 0:
        _run(case, files)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = []
    for file in files:
        with file:
            file.seek(0)
            said.append(file.read().decode("utf-8", "replace"))
    return {"status": status, "output": said[0], "errors": said[1]}


def _run(case: Mapping[str, Any], files: Sequence[Any]) -> NoReturn:
    status = _CRASHED
    try:
        _surround(case, files)
        main(list(case["arguments"]), prog_name="umbra")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - told as the interpreter would
        sys.stderr.write(traceback.format_exc())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _surround(case: Mapping[str, Any], files: Sequence[Any]) -> None:
    signal.alarm(_SECONDS)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(files, 1):
        os.dup2(file.fileno(), number)
    for name in [name for name in os.environ if name.startswith("UMBRA_")]:
        del os.environ[name]
    os.environ.update(case["environment"])
    for name in [name for name, value in case["environment"].items() if value == UNSET]:
        del os.environ[name]
    os.chdir(case["cwd"])
    if case["cwd_goes"]:
        Path(case["cwd"]).rmdir()
    if case["user"] is not None:
        os.setgroups([])
        os.setgid(case["user"])
        os.setuid(case["user"])


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
