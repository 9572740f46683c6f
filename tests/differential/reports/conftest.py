"""Checks of every outcome, with what a foreign service may say to break a report."""

from __future__ import annotations

import math

import numpy as np
import pytest

from differential_tests.findings import Check, Finding, FindingKind, Level, Pairs, Spread
from differential_tests.run_file import RunHeader

HOSTILE = (
    "</td><script>alert(1)</script> | ` @everyone ![x](http://x.example) \x00\x1b[31m\ud800\u202e\n# up \"'"
)
SAME = Check(
    Level.D0,
    "shuffled",
    "ordinary",
    500,
    facts={"tolerance": "0.01 dollars, 0 %"},
    spreads=(Spread("$.price_dollars", "", 500, 0, 0, (0.0,) * 4, (0.0,) * 4),),
    pairs=Pairs(
        "$.price_dollars", tuple(f"r{n}" for n in range(500)), *[np.linspace(50_000, 700_000, 500)] * 2
    ),
    seconds=0.25,
)


def _header(source: str, sha256: str) -> RunHeader:
    return RunHeader(source, "9" * 64, "2026-10-01T12:00:00+00:00", "linear@1", sha256, {"version": "0.1.0"})


def compared(rows: int = 1200, noise: float = 0.04, findings: int = 80) -> Check:
    """Build a check with findings from two models."""
    chance = np.random.default_rng(4)
    a = np.exp(chance.normal(12, 0.4, rows))
    b = a * np.exp(chance.normal(0.01, noise, rows))
    names = tuple(f"house-{number}" for number in range(rows))
    gaps = b - a
    worst = sorted(range(rows), key=lambda index: -abs(gaps[index]))[:findings]
    numbers = tuple(_number(names[i], float(a[i]), float(b[i]), ("NAmes", "OldTown")[i % 2]) for i in worst)
    return Check(
        Level.D4,
        "live x candidate",
        "traffic",
        rows,
        a=_header("http://127.0.0.1:8080", "a" * 64),
        b=_header("models/gbm@2", "b" * 64),
        findings=(
            Finding(FindingKind.MISSING, "house-1", a={"price_dollars": 1.0}, segment="NAmes"),
            *numbers,
        ),
        spreads=tuple(
            _spread(abs(gaps), 100 * abs(gaps) / a, segment) for segment in ("", "NAmes", "OldTown")
        ),
        pairs=Pairs("$.price_dollars", names, a, b),
        facts={"tolerance": "100 dollars, 5 %", "noise p99.9": "0", "ignored": "$.id"},
        seconds=1.5,
    )


def _number(row: str, a: float, b: float, segment: str) -> Finding:
    return Finding(
        FindingKind.NUMBER, row, "$.price_dollars", a, b, b - a, 100 * abs(b - a) / max(a, b), segment
    )


def _spread(gaps: np.ndarray, percents: np.ndarray, segment: str) -> Spread:
    quantiles = [
        tuple(map(float, [*np.quantile(sizes, (0.5, 0.9, 0.99)), sizes.max()])) for sizes in (gaps, percents)
    ]
    return Spread("$.price_dollars", segment, len(gaps), len(gaps), int((percents > 5).sum()), *quantiles)


ODD = Check(
    Level.D2,
    f"package x API {HOSTILE}",
    HOSTILE,
    8,
    a=RunHeader(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
    findings=(
        Finding(FindingKind.FAILURE, HOSTILE, detail=HOSTILE),
        Finding(FindingKind.REFUSAL, "r2", "$", {"errors": [{HOSTILE: HOSTILE}]}, HOSTILE, segment=HOSTILE),
        Finding(FindingKind.NAN, "r3", HOSTILE, math.nan, 1.0),
        Finding(FindingKind.INFINITE, "r4", "$.x", math.inf, [-math.inf, {"deep": math.nan}]),
        Finding(FindingKind.TYPE, "r5", "$.x", "NaN", 10**30),
        Finding(FindingKind.NUMBER, "r6", "$.x", 5e-324, 1.7e308, 1.7e308, 100.0),
    ),
    spreads=(
        Spread(HOSTILE, HOSTILE, 8, 4, 2, (0.0, 1.0, math.inf, math.nan), (0.0, 1.0, math.inf, math.nan)),
    ),
    pairs=Pairs(
        HOSTILE,
        (HOSTILE, *"2345678"),
        np.array([1, -1, math.nan, 1e308, 0, 2, 3, math.inf]),
        np.arange(8.0) * 1e307,
    ),
    facts={HOSTILE: HOSTILE},
    seconds=12345.678,
)
BROKEN = Check(
    Level.D1, "research x package", "test split", 0, error=f"the side is dead\n{HOSTILE}", seconds=0.01
)


@pytest.fixture(scope="session")
def every() -> tuple[Check, ...]:
    """One of each outcome, not in the order of their levels."""
    return (compared(), SAME, ODD, BROKEN)


@pytest.fixture(scope="session")
def same() -> tuple[Check, ...]:
    """One that found nothing."""
    return (SAME,)


@pytest.fixture(scope="session")
def found() -> tuple[Check, ...]:
    """One that found nothing, and one that did."""
    return (SAME, compared())


@pytest.fixture(scope="session")
def hostile() -> str:
    """Provide a text that is markup in every report format."""
    return HOSTILE
