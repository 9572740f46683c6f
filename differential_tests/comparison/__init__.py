"""Two runs of the same questions, held against each other."""

from differential_tests.comparison.compare import compare
from differential_tests.comparison.reading import Progress, Run

__all__ = ["Progress", "Run", "compare"]
