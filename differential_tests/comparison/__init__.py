"""Two runs of the same questions, held against each other."""

from differential_tests.comparison.comparing import compare

__all__ = ["compare"]
