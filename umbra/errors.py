"""The errors that commands know: one table of exit codes, and their messages.

Exit codes: 0 done; 1 it cannot be done, or does not add up; 2 the command or a setting is wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import os

from model_package.artifact import AlteredArtifact, InvalidArtifact, NoSuchModel
from model_package.dataset import InvalidDataset
from model_package.quality import BelowStandard
from model_package.recipes import UnknownRecipe
from model_package.reference import InvalidReference
from shadow.outcomes.csv_file import InvalidOutcomeFile
from shadow.policy import InvalidPolicy
from shadow.processes import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.rollout import NoDeployment, PromotionRefused, RolloutConflict, UnfitArtifact
from shadow.settings import InvalidSetting
from shadow.store import StoreRefused, StoreUnavailable
from shadow.store.candidates import CandidateConflict
from shadow.store.deployments import DeployedMeanwhile
from shadow.store.retention.prune import PruneHeldUp, PruneRefused
from shadow.store.streams import NotJudged
from umbra.launch import NotStarted

EXIT_INTERRUPTED = 130

EXIT_CODES: dict[type[BaseException], int] = {
    AlteredArtifact: EXIT_FAILURE,
    BelowStandard: EXIT_FAILURE,
    BrokenPipeError: EXIT_FAILURE,
    CandidateConflict: EXIT_FAILURE,
    CannotRun: EXIT_FAILURE,
    DeployedMeanwhile: EXIT_FAILURE,
    InvalidArtifact: EXIT_FAILURE,
    InvalidDataset: EXIT_FAILURE,
    InvalidOutcomeFile: EXIT_FAILURE,
    InvalidPolicy: EXIT_USAGE,
    InvalidReference: EXIT_USAGE,
    InvalidSetting: EXIT_USAGE,
    KeyboardInterrupt: EXIT_INTERRUPTED,
    NoDeployment: EXIT_FAILURE,
    NoSuchModel: EXIT_FAILURE,
    NotJudged: EXIT_FAILURE,
    NotStarted: EXIT_FAILURE,
    OSError: EXIT_FAILURE,
    PromotionRefused: EXIT_FAILURE,
    PruneHeldUp: EXIT_FAILURE,
    PruneRefused: EXIT_FAILURE,
    RolloutConflict: EXIT_FAILURE,
    StoreRefused: EXIT_FAILURE,
    StoreUnavailable: EXIT_FAILURE,
    UnfitArtifact: EXIT_FAILURE,
    UnknownRecipe: EXIT_USAGE,
}
"""The exit code of each error and its subclasses; any other error is a defect of Umbra."""

WITHOUT_MESSAGE = (BrokenPipeError, KeyboardInterrupt)
"""The reader of the output has closed it, or the user pressed Ctrl-C: neither needs a message."""

OF_ANOTHER_DIRECTORY = (NoDeployment, NoSuchModel, NotJudged, StoreUnavailable)
"""Errors of a user who may have meant another data directory, such as that of the demo."""


def exit_code(fault: BaseException) -> int | None:
    """Look up the exit code of an error; None: the table does not have it."""
    return next((EXIT_CODES[kind] for kind in type(fault).__mro__ if kind in EXIT_CODES), None)


def message(fault: BaseException) -> str:
    """Say what is wrong; for an error of the operating system without its number."""
    if isinstance(fault, OSError) and fault.strerror:
        return f"{os.fsdecode(fault.filename)}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault) or type(fault).__name__
