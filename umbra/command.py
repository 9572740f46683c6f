"""The command itself: its subcommands, and its errors as messages and exit codes (see umbra.errors)."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from monitoring import logs, terminal
from shadow.processes import EXIT_FAILURE
from shadow.settings import Settings
from shadow.source import purpose
from umbra import errors

# Imported when called: `umbra status` does not wait for libraries that only training uses.
_COMMANDS = {
    "up": "umbra.commands.run:up",
    "demo": "umbra.commands.run:demo",
    "status": "umbra.commands.status:status",
    "candidates": "umbra.commands.candidates:candidates",
    "verdict": "umbra.commands.verdict:verdict",
    "report": "umbra.commands.report:report",
    "policy": "umbra.commands.policy:policy",
    "outcomes": "umbra.commands.outcomes:outcomes",
    "journal": "umbra.commands.journal:journal",
    "promote": "umbra.commands.deployments:promote",
    "rollback": "umbra.commands.deployments:rollback",
    "deployments": "umbra.commands.deployments:deployments",
    "prune": "umbra.commands.prune:prune",
    "train": "umbra.commands.models:train",
    "models": "umbra.commands.models:models",
    "prepare": "umbra.commands.run:prepare",
    "serve": "umbra.commands.run:serve",
    "work": "umbra.commands.run:work",
    "settings": "umbra.commands.settings:settings_table",
}


class _Group(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        """List the commands, the most used first."""
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        # During the import a signal ended the process at once; from now on a command may have to clean up.
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or suggest a similar one."""
        name = arguments[0]
        if not name.startswith("-") and name not in _COMMANDS:
            likely = get_close_matches(name, _COMMANDS, n=1)
            meant = f" Did you mean {likely[0]!r}?" if likely else " `umbra --help` lists them all."
            context.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(context, arguments)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; an error of the table becomes one line, without a trace."""
        try:
            return _flushed(lambda: super(_Group, self).invoke(context))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (KeyboardInterrupt, Exception) as fault:  # noqa: BLE001 (one place for all of them)
            _exit(fault)


def _exit(fault: BaseException) -> NoReturn:
    """Print the error, then end with its exit code."""
    code = errors.exit_code(fault)
    if code is None:
        terminal.print_traceback()  # which may hold texts of others, too
        terminal.say("umbra: this is a defect of Umbra: please report it with the lines above", err=True)
        sys.exit(EXIT_FAILURE)
    if not isinstance(fault, errors.WITHOUT_MESSAGE):
        with suppress(OSError):
            _print(fault)
    _drop_output()
    sys.exit(code)


def _print(fault: BaseException) -> None:
    terminal.print_error("umbra", errors.message(fault))
    if isinstance(fault, errors.OF_ANOTHER_DIRECTORY) and (
        hint := purpose.demo_hint(Settings.from_environment())
    ):
        terminal.say(hint, err=True)


def _flushed(run: Callable[[], Any]) -> Any:
    """Run a command and flush its output, so that a full disk or a closed pipe is an error of the command."""
    try:
        return run()
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _drop_output() -> None:
    """Discard output that cannot be written: writing it would fail again when the interpreter ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Open the standard streams that are closed, and escape characters that a terminal cannot show.

    Otherwise the next file that is opened, perhaps the store's, would take the number of a closed stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("umbra-shadow"), prog_name="umbra")
def main() -> None:
    """Replace a live model by a better one without ever risking a live answer.

    \b
    umbra up                      answer on port 8000, score the candidate in shadow
    umbra demo                    the same, with realistic traffic
    umbra status                  processes, journal, and the ledger of every candidate
    umbra candidates add gbm@2    score one more model on the same requests

    Settings are environment variables; `umbra settings` lists them.
    """
    _open_streams()
    logs.configure("umbra.worker", "WARNING", None, descriptor=2)
    logging.getLogger("alembic").setLevel(logging.WARNING)
