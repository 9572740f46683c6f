"""The operator: the name recorded with the decisions of the user who runs a command."""

from __future__ import annotations

import getpass
import os


def operator_name() -> str:
    """Return the user's name, or `uid 12345` where the number has no name, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
