"""The command itself: its groups, and one place where errors become messages and exit codes.

Exit codes: 0 done, 1 it could not be done or does not add up, 2 the command or a setting is wrong.
"""

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
from typing import Any

import click

from model_package.artifact import AlteredArtifact, InvalidArtifact, NoSuchModel
from model_package.dataset import InvalidDataset
from model_package.quality import BelowStandard
from model_package.recipes import UnknownRecipe
from model_package.reference import InvalidReference
from monitoring import logs, terminal
from shadow.outcomes.csv_file import InvalidOutcomeFile
from shadow.policy import InvalidPolicy
from shadow.processes import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.rollout import NoDeployment, PromotionRefused, RolloutConflict, UnfitArtifact
from shadow.settings import InvalidSetting, Settings
from shadow.source import purpose
from shadow.store import StoreRefused, StoreUnavailable
from shadow.store.candidates import CandidateConflict
from shadow.store.deployments import DeployedMeanwhile
from shadow.store.retention.prunings import PruneHeldUp, PruneRefused
from shadow.store.streams import NotJudged
from umbra.launch import NotStarted

_USAGE = (InvalidPolicy, InvalidReference, InvalidSetting, UnknownRecipe)
_FAILURE = (
    AlteredArtifact,
    BelowStandard,
    CandidateConflict,
    CannotRun,
    DeployedMeanwhile,
    InvalidArtifact,
    InvalidDataset,
    InvalidOutcomeFile,
    NoDeployment,
    NoSuchModel,
    NotJudged,
    NotStarted,
    OSError,
    PromotionRefused,
    PruneHeldUp,
    PruneRefused,
    RolloutConflict,
    StoreRefused,
    StoreUnavailable,
    UnfitArtifact,
)


_NOT_HERE = (NoDeployment, NoSuchModel, NotJudged, StoreUnavailable)
"""What somebody is told who looks in another directory than the one that is used."""


# Each is imported when it is called: `umbra status` need not wait for what only training uses.
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
        """The commands, the most used first."""
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        # While it was imported a signal ended the process; from now on there may be something to tidy up.
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one may be meant."""
        name = arguments[0]
        if not name.startswith("-") and name not in _COMMANDS:
            likely = get_close_matches(name, _COMMANDS, n=1)
            meant = f" Did you mean {likely[0]!r}?" if likely else " `umbra --help` lists them all."
            context.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(context, arguments)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; an error it knows becomes one line, without a trace."""
        try:
            return _flushed(lambda: super(_Group, self).invoke(context))
        except BrokenPipeError:  # whoever read the output has seen enough
            _drop_output()
            sys.exit(EXIT_FAILURE)
        except _USAGE as fault:
            _fail(fault, EXIT_USAGE)
        except _FAILURE as fault:
            _fail(fault, EXIT_FAILURE)
        except KeyboardInterrupt:
            sys.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:  # noqa: BLE001 - a trace may hold foreign texts, too
            terminal.say_trace()
            terminal.say("umbra: this is a defect of Umbra: please report it with the lines above", err=True)
            sys.exit(EXIT_FAILURE)


def _flushed(run: Callable[[], Any]) -> Any:
    """Run a command to the end of its output, so that a full disk or a closed pipe is its own error."""
    try:
        return run()
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _fail(fault: Exception, status: int) -> None:
    with suppress(OSError):
        terminal.say_why("umbra", _sentence(fault))
        if isinstance(fault, _NOT_HERE) and (hint := purpose.demo_hint(Settings.from_environment())):
            terminal.say(hint, err=True)
    _drop_output()
    sys.exit(status)


def _sentence(fault: Exception) -> str:
    """What is wrong, in words: of an error of the system without its number."""
    if isinstance(fault, OSError) and fault.strerror:
        return f"{os.fsdecode(fault.filename)}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault) or type(fault).__name__


def _drop_output() -> None:
    """Forget what could not be written: it would fail again when the interpreter ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Make the three streams fit for what commands do.

    Where one is closed, the next file that is opened, the store's perhaps, would take its number; and a
    character that a terminal's encoding lacks is shown as an escape.
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
