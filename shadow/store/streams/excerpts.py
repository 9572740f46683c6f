"""Excerpts: the single rows that documents quote, and how a document is read or pruned because of them.

A document is computed once and read for as long as its stream is remembered. A reader never sees fields that
have been masked since; a prune removes the rows that it has reached for good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from model_package.profile import AGES

_INPUTS, _FIELD = "inputs", "field"
_QUOTING = ("points", "worst")


def is_masked(name: str, masked: Collection[str]) -> bool:
    """Return whether a profiled field is masked, or computed from one that is."""
    sources = (AGES[name], "year_sold") if name in AGES else (name,)
    return any(field in masked for field in sources)


def without_masked(document: Any, masked: Collection[str]) -> Any:
    """Return a document without masked fields, neither in inputs of a row nor in statistics by field."""
    if not masked:
        return document
    if isinstance(document, Mapping):
        return {
            key: _open_inputs(value, masked) if key == _INPUTS else without_masked(value, masked)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [without_masked(child, masked) for child in document if not _is_of_masked(child, masked)]
    return document


def _open_inputs(inputs: Any, masked: Collection[str]) -> Any:
    if not isinstance(inputs, Mapping):
        return inputs
    return {name: value for name, value in inputs.items() if name not in masked}


def _is_of_masked(statistic: Any, masked: Collection[str]) -> bool:
    name = statistic.get(_FIELD) if isinstance(statistic, Mapping) else None
    return isinstance(name, str) and is_masked(name, masked)


def without_rows_below(document: Mapping[str, Any], bound: UUID) -> tuple[dict[str, Any], int]:
    """Return a document without the rows whose ids are below `bound`, and how many these were."""
    pruned = dict(document)
    for name in _QUOTING:
        if isinstance(rows := document.get(name), list):
            pruned[name] = [row for row in rows if not _is_below(row, bound)]
    return pruned, sum(len(document[name]) - len(pruned[name]) for name in _QUOTING if name in pruned)


def _is_below(row: Any, bound: UUID) -> bool:
    try:
        return UUID(row["id"]) < bound
    except (KeyError, TypeError, ValueError):  # without an id a row may be an old one
        return True
