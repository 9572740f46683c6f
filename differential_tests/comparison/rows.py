"""Join two tables on the id, and find differences of whole rows."""

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
    """Rows that both sides answered alike and whose values are compared, by id: arrays of shape (n,).

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
    """Join two tables on the id; of a repeated id the first answer counts."""
    first_a, first_b = _first_positions(a.ids), _first_positions(b.ids)
    pairs = [(first_a[name], first_b[name]) for name in sorted(first_a.keys() & first_b.keys())]
    unlike = [finding for pair in pairs if (finding := _unlike_answers(a, b, *pair))]
    unlike_ids = {finding.row for finding in unlike}
    alike = [pair for pair in pairs if a.ids[pair[0]] not in unlike_ids]
    positions = np.array(alike, np.int64).reshape(-1, 2)
    alone = [
        *_one_sided(FindingKind.MISSING, a, first_a, first_b),
        *_one_sided(FindingKind.EXTRA, b, first_b, first_a),
    ]
    return Rows(
        ids=[a.ids[row] for row, _ in alike],
        segments=[a.segments[row] for row, _ in alike],
        a=positions[:, 0],
        b=positions[:, 1],
        total=len(first_a.keys() | first_b.keys()),
        findings=[
            *alone,
            *_repeated_ids(a, b),
            *sorted(unlike, key=lambda finding: finding.kind is FindingKind.REFUSAL),
        ],
    )


def _first_positions(ids: Sequence[str]) -> dict[str, int]:
    return {ids[row]: row for row in reversed(range(len(ids)))}


def _one_sided(
    kind: FindingKind, table: AnswerTable, own: dict[str, int], other: dict[str, int]
) -> Iterator[Finding]:
    for name in sorted(own.keys() - other.keys()):
        answer = (status_text(table, own[name]), None)
        a, b = answer if kind is FindingKind.MISSING else answer[::-1]
        yield Finding(kind, name, a=a, b=b, segment=table.segments[own[name]])


def _repeated_ids(a: AnswerTable, b: AnswerTable) -> Iterator[Finding]:
    if len(set(a.ids)) == len(a.ids) and len(set(b.ids)) == len(b.ids):
        return
    times_a, times_b = Counter(a.ids), Counter(b.ids)
    for name in sorted(times_a | times_b):
        count_a, count_b = times_a[name], times_b[name]
        if max(count_a, count_b) > 1:
            yield Finding(
                FindingKind.DOUBLED,
                name,
                a=count_a,
                b=count_b,
                detail="answers of each side; the first is compared",
            )


def _unlike_answers(a: AnswerTable, b: AnswerTable, row_a: int, row_b: int) -> Finding | None:
    """Report a failure, another status or error code, or a value that other clients cannot read."""
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
    """Return the failure, or status and code, as one text."""
    return table.failures[row] or f"{table.statuses[row]} {table.codes[row]}".rstrip()
