"""Processes: how Umbra's own are started, kept running, told to stop, and never left behind."""

from shadow.processes.child import PARENT_VARIABLE, Child, end_together, python, without
from shadow.processes.failure import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.processes.lock import check_unclaimed, claim, claim_all, sole
from shadow.processes.main import Run, main
from shadow.processes.parent import leave_with_parent, stand_back, stop_on_signals, wait_until
from shadow.processes.ports import bound_socket, check_port

__all__ = [
    "EXIT_FAILURE",
    "EXIT_USAGE",
    "PARENT_VARIABLE",
    "CannotRun",
    "Child",
    "Run",
    "bound_socket",
    "check_port",
    "check_unclaimed",
    "claim",
    "claim_all",
    "end_together",
    "leave_with_parent",
    "main",
    "python",
    "sole",
    "stand_back",
    "stop_on_signals",
    "wait_until",
    "without",
]
