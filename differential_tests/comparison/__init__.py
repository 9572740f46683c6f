"""Compare two runs of the same questions."""

from differential_tests.comparison.compare import compare
from differential_tests.comparison.run_reader import Progress, Run

__all__ = ["Progress", "Run", "compare"]
