"""Two runs of the same questions, held against each other."""

from differential_tests.comparison.comparing import compare
from differential_tests.comparison.reading import Progress, Run

__all__ = ["Progress", "Run", "compare"]
