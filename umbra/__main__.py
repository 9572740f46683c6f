"""The command `umbra`, also as `python -m umbra`: nothing heavy is imported before signals work."""

from __future__ import annotations

import os
import signal

from shadow import start


def umbra() -> None:
    """Run the command."""
    start.begin()
    os.environ.pop(start.PARENT_VARIABLE, None)
    from umbra.command import main  # noqa: PLC0415 (takes a second in which a signal may come)

    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    umbra()
