"""`python -m api.server`: the API. Sets what numpy reads when it is imported, then becomes the arbiter."""

from __future__ import annotations

import os
import sys

from shadow import start

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """Serve with the environment's settings; returns 1 if that cannot be, 2 for a wrong setting."""
    start.begin()
    os.environ.update(_ONE_THREAD)
    from api.server import arbiter  # noqa: PLC0415 (only now)

    return arbiter.main()


if __name__ == "__main__":
    sys.exit(main())
