"""How long fuzzing goes on: over the same examples every time, or over UMBRA_TEST_EXAMPLES new ones."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

_ASKED_FOR = os.environ.get("UMBRA_TEST_EXAMPLES")


def examples(usually: int) -> Any:
    """Decorates a test with how many examples it takes when nobody asks for more."""
    return settings(
        max_examples=int(_ASKED_FOR or usually),
        derandomize=_ASKED_FOR is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
