"""Processes: start them, keep them running, stop them in order, and leave none behind."""

from shadow.processes.child import PARENT_VARIABLE, Child, python, stop_all, without
from shadow.processes.failure import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.processes.lock import check_unclaimed, claim, claim_all, exclusive
from shadow.processes.main import Run, main
from shadow.processes.parent import end_with_parent, lower_priority, stop_on_signals, wait_until
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
    "end_with_parent",
    "exclusive",
    "lower_priority",
    "main",
    "python",
    "stop_all",
    "stop_on_signals",
    "wait_until",
    "without",
]
