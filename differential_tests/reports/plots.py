"""Plots of two sides as SVG inside the page; colours are those of the page."""

from __future__ import annotations

from differential_tests.findings import Pairs


def of(pairs: Pairs) -> list[str]:
    """A against B, Bland-Altman, and the histogram of the differences."""
    return []
