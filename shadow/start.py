"""The start of every process: what has to hold before anything else is imported.

`umbra` begins with this, and so do its children: `python -P -m shadow.start MODULE [ARGUMENT ...]`. Imports
nothing but the standard library, so that what it does holds within milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

PARENT_VARIABLE = "_UMBRA_PARENT_PID"
RECIPE_DIRECTORY_VARIABLE = "_UMBRA_RECIPE_DIRECTORY"
"""Where `umbra` was started, if recipe modules are to be looked for there: after everything else."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 1, 4, 36, 37
_PRIVATE_UMASK = 0o077


def begin() -> None:
    """Make this process interruptible, private, and blind to the current directory; may be repeated."""
    _take_default_signals()
    os.umask(_PRIVATE_UMASK)
    # No core file, and /proc/PID/environ and /proc/PID/mem are root's: another process of this user, such as
    # a candidate's model, reads no password there. After an exec the kernel forgets it.
    _prctl(_PR_SET_DUMPABLE, 0)
    _leave_out_current_directory()
    _look_for_recipes_last()
    if os.environ.get(PARENT_VARIABLE):
        end_with_parent(signal.SIGTERM)


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal when the parent dies from now on."""
    _prctl(_PR_SET_PDEATHSIG, how)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none is lost sight of."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def adopts_orphans() -> bool:
    """Whether this process called `adopt_orphans`."""
    answer = ctypes.c_int(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _take_default_signals() -> None:
    """A shell without job control starts what runs in the background with SIGINT ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _leave_out_current_directory() -> None:
    """Import nothing from where this was started, here or in any child, unless PYTHONPATH names it."""
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    os.environ["PYTHONSAFEPATH"] = "1"
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)  # an empty entry would be the current directory
    else:
        os.environ.pop("PYTHONPATH", None)
    here = _current_directory()
    own = Path(__file__).resolve().parents[1]
    if here is None or here.resolve() == own:  # a checkout that is not installed
        return
    unwanted = {"", str(here)} - {str(Path(entry).absolute()) for entry in named}
    sys.path[:] = [entry for entry in sys.path if entry not in unwanted]


def _look_for_recipes_last() -> None:
    here = _current_directory()
    if os.environ.get("UMBRA_RECIPE_MODULES") and here is not None:
        os.environ.setdefault(RECIPE_DIRECTORY_VARIABLE, str(here))
    directory = os.environ.get(RECIPE_DIRECTORY_VARIABLE)
    if directory and directory not in sys.path:
        sys.path.append(directory)


def _current_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # removed
        return None


def main() -> None:
    """Begin, then run the module named first."""
    begin()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
