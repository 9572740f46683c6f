"""What a test needs of the machine it runs on: without it the test is skipped, in CI it fails."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str, remedy: str) -> NoReturn:
    """End the test: it needs what is not here. In CI (CI=true) everything has to be here."""
    reason = f"needs {what}: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str, package: str = "") -> str:
    """The path of the first of these programs that is installed; `package`: Debian's, if called otherwise."""
    for name in names:
        if found := shutil.which(name):
            return found
    missing(names[0], f"Debian's package {package or names[0]} has it")
