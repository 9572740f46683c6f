"""How long a test waits for what has to happen, on a machine that may be slow or busy.

The bound only ends a test that would wait for ever; no test measures with it. `UMBRA_TEST_PATIENCE_SECONDS`
raises it where a minute is too short.
"""

from __future__ import annotations

import os

PATIENCE_SECONDS = float(os.environ.get("UMBRA_TEST_PATIENCE_SECONDS") or 60.0)


def at_least(seconds: float) -> float:
    """The bound of a wait that usually takes far less than `seconds`."""
    return max(seconds, PATIENCE_SECONDS)
