"""The command itself: its groups, and one place where errors become messages and exit codes.

Exit codes: 0 done, 1 it could not be done or does not add up, 2 the command or a setting is wrong.
"""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.dataset import InvalidDataset
from model_package.quality import BelowStandard
from model_package.recipes import UnknownRecipe
from monitoring import logs
from shadow import purpose
from shadow.outcome_file import InvalidFile
from shadow.policy import InvalidPolicy
from shadow.processes import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.records import InvalidReference
from shadow.rollout import NoDeployment, PromotionRefused, RolloutConflict, UnfitArtifact
from shadow.saved import NoSuchModel
from shadow.settings import InvalidSetting, Settings
from shadow.store import StoreRefused, StoreUnavailable
from shadow.store.candidates import CandidateConflict
from shadow.store.deployments import DeployedMeanwhile
from shadow.store.prunings import PruneHeldUp, PruneRefused
from shadow.store.streams import NotJudged
from shadow.up import NotStarted

_USAGE = (InvalidPolicy, InvalidReference, InvalidSetting, UnknownRecipe)
_FAILURE = (
    AlteredArtifact,
    BelowStandard,
    CandidateConflict,
    CannotRun,
    DeployedMeanwhile,
    InvalidArtifact,
    InvalidDataset,
    InvalidFile,
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
    "up": "shadow.cli.run:up",
    "demo": "shadow.cli.run:demo",
    "status": "shadow.cli.state:status",
    "candidates": "shadow.cli.candidate:candidates",
    "verdict": "shadow.cli.verdict:verdict",
    "report": "api.report:report",  # by name: the engine knows nothing of pages
    "policy": "shadow.cli.policy:policy",
    "outcomes": "shadow.cli.outcomes:outcomes",
    "promote": "shadow.cli.rollout:promote",
    "rollback": "shadow.cli.rollout:rollback",
    "deployments": "shadow.cli.rollout:deployments",
    "prune": "shadow.cli.prune:prune",
    "train": "shadow.cli.model:train",
    "models": "shadow.cli.model:models",
    "prepare": "shadow.cli.run:prepare",
    "serve": "shadow.cli.run:serve",
    "work": "shadow.cli.run:work",
    "settings": "shadow.cli.settings:settings_table",
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

    def invoke(self, context: click.Context) -> Any:
        """Run a command; an error it knows becomes one line, without a trace."""
        try:
            return super().invoke(context)
        except _USAGE as fault:
            _fail(fault, EXIT_USAGE)
        except _FAILURE as fault:
            _fail(fault, EXIT_FAILURE)
        except KeyboardInterrupt:
            sys.exit(130)


def _fail(fault: Exception, status: int) -> None:
    click.echo(f"umbra: {fault}", err=True)
    if isinstance(fault, _NOT_HERE) and (hint := purpose.demo_hint(Settings.from_environment())):
        click.echo(hint, err=True)
    sys.exit(status)


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
    logs.configure("umbra.worker", "WARNING", None, descriptor=2)
    logging.getLogger("alembic").setLevel(logging.WARNING)
