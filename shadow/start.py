"""Start every process: restore signals, set the umask, and fix the import path before other imports.

`umbra` begins with this, and so do its children: `python -P -m shadow.start MODULE [ARGUMENT ...]`. Imports
nothing but the standard library, so that it is done within milliseconds.
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
"""The directory in which `umbra` was started, if recipe modules may lie there; last on the import path."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 1, 4, 36, 37
_PRIVATE_UMASK = 0o077


def begin() -> None:
    """Restore signals, keep files private, and import nothing from the current directory; may be repeated."""
    _restore_default_signals()
    os.umask(_PRIVATE_UMASK)
    # No core file, and only root may read /proc/PID/environ and /proc/PID/mem: another process of this user,
    # such as a candidate's model, reads no password there. The kernel resets this on exec.
    _prctl(_PR_SET_DUMPABLE, 0)
    _leave_out_current_directory()
    _look_for_recipes_last()
    if os.environ.get(PARENT_VARIABLE):
        set_parent_death_signal(signal.SIGTERM)


def set_parent_death_signal(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent dies from now on."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none is lost."""
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


def _restore_default_signals() -> None:
    """Undo what a shell without job control does: it starts background processes with SIGINT ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _leave_out_current_directory() -> None:
    """Take the current directory off the import path, here and in children, unless PYTHONPATH names it."""
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    os.environ["PYTHONSAFEPATH"] = "1"
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)  # an empty entry would be the current directory
    else:
        os.environ.pop("PYTHONPATH", None)
    directory = _current_directory()
    own = Path(__file__).resolve().parents[1]
    if directory is None or directory.resolve() == own:  # a checkout that is not installed
        return
    unwanted = {"", str(directory)} - {str(Path(entry).absolute()) for entry in named}
    sys.path[:] = [entry for entry in sys.path if entry not in unwanted]


def _look_for_recipes_last() -> None:
    current = _current_directory()
    if os.environ.get("UMBRA_RECIPE_MODULES") and current is not None:
        os.environ.setdefault(RECIPE_DIRECTORY_VARIABLE, str(current))
    recipes = os.environ.get(RECIPE_DIRECTORY_VARIABLE)
    if recipes and recipes not in sys.path:
        sys.path.append(recipes)


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
