"""Rows: two tables joined on the id, and what can be said of a row without looking at its value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison.table import AnswerTable
from differential_tests.findings import Finding, FindingKind


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that both sides answered alike, so that their values are compared, by id: arrays of shape (n,).

    `a` and `b` are positions in the two tables. `total` counts the ids of either side; `findings` are about
    whole rows, in the order of Kind.
    """

    ids: Sequence[str]
    segments: Sequence[str]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    total: int
    findings: Sequence[Finding]


def join_rows(a: AnswerTable, b: AnswerTable) -> Rows:
    """Join on the id; of an id that a side has twice the first answer counts."""
    first_a, first_b = _first(a.ids), _first(b.ids)
    both = [(first_a[name], first_b[name]) for name in sorted(first_a.keys() & first_b.keys())]
    unlike = [found for pair in both if (found := _unlike(a, b, *pair))]
    told = {found.row for found in unlike}
    alike = [pair for pair in both if a.ids[pair[0]] not in told]
    positions = np.array(alike, np.int64).reshape(-1, 2)
    alone = [
        *_alone(FindingKind.MISSING, a, first_a, first_b),
        *_alone(FindingKind.EXTRA, b, first_b, first_a),
    ]
    return Rows(
        ids=[a.ids[row] for row, _ in alike],
        segments=[a.segments[row] for row, _ in alike],
        a=positions[:, 0],
        b=positions[:, 1],
        total=len(first_a.keys() | first_b.keys()),
        findings=[
            *alone,
            *_doubled(a, b),
            *sorted(unlike, key=lambda found: found.kind is FindingKind.REFUSAL),
        ],
    )


def _first(ids: Sequence[str]) -> dict[str, int]:
    return {ids[row]: row for row in reversed(range(len(ids)))}


def _alone(
    kind: FindingKind, table: AnswerTable, here: dict[str, int], there: dict[str, int]
) -> Iterator[Finding]:
    for name in sorted(here.keys() - there.keys()):
        answer = (status_text(table, here[name]), None)
        a, b = answer if kind is FindingKind.MISSING else answer[::-1]
        yield Finding(kind, name, a=a, b=b, segment=table.segments[here[name]])


def _doubled(a: AnswerTable, b: AnswerTable) -> Iterator[Finding]:
    if len(set(a.ids)) == len(a.ids) and len(set(b.ids)) == len(b.ids):
        return
    times_a, times_b = Counter(a.ids), Counter(b.ids)
    for name in sorted(times_a | times_b):
        one, other = times_a[name], times_b[name]
        if max(one, other) > 1:
            yield Finding(
                FindingKind.DOUBLED,
                name,
                a=one,
                b=other,
                detail="answers of each side; the first is compared",
            )


def _unlike(a: AnswerTable, b: AnswerTable, row_a: int, row_b: int) -> Finding | None:
    """A failure on either side, another status or error code, or a value that other clients cannot read."""
    failed = a.failures[row_a] or b.failures[row_b]
    statuses = a.statuses[row_a], b.statuses[row_b]
    if not failed and a.statuses[row_a] == b.statuses[row_b] and a.codes[row_a] == b.codes[row_b]:
        return None
    details = {"a": a.details.get(row_a), "b": b.details.get(row_b)}
    return Finding(
        FindingKind.FAILURE if failed or max(statuses) < HTTPStatus.BAD_REQUEST else FindingKind.REFUSAL,
        a.ids[row_a],
        a=status_text(a, row_a),
        b=status_text(b, row_b),
        segment=a.segments[row_a],
        detail="; ".join(f"{side}: {detail}" for side, detail in details.items() if detail),
    )


def status_text(table: AnswerTable, row: int) -> str:
    """A failure, or status and code, in one text."""
    return table.failures[row] or f"{table.statuses[row]} {table.codes[row]}".rstrip()
