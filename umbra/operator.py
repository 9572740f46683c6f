"""The operator: the name under which whoever runs a command decides."""

from __future__ import annotations

import getpass
import os


def operator_name() -> str:
    """The user's name; in a container often a number that no name belongs to: then `uid 12345`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
