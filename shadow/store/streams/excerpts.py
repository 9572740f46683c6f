"""Excerpts: the single rows that documents quote, and what becomes of them when a document is read or aged.

A document is made once and read for as long as its stream is remembered. Fields that have been masked since
are left out when it is read; rows that a prune has reached are left out of it for good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from model_package.profile import AGES

_INPUTS, _FIELD = "inputs", "field"
_QUOTING = ("points", "worst")


def is_masked(name: str, masked: Collection[str]) -> bool:
    """Whether a profiled field is masked, or made of one that is."""
    made_of = (AGES[name], "year_sold") if name in AGES else (name,)
    return any(field in masked for field in made_of)


def unmasked(document: Any, masked: Collection[str]) -> Any:
    """A document without masked fields: neither in the inputs of a row nor in what is told by field."""
    if not masked:
        return document
    if isinstance(document, Mapping):
        return {
            key: _open_inputs(value, masked) if key == _INPUTS else unmasked(value, masked)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [unmasked(part, masked) for part in document if not _tells_masked(part, masked)]
    return document


def _open_inputs(inputs: Any, masked: Collection[str]) -> Any:
    if not isinstance(inputs, Mapping):
        return inputs
    return {name: value for name, value in inputs.items() if name not in masked}


def _tells_masked(part: Any, masked: Collection[str]) -> bool:
    name = part.get(_FIELD) if isinstance(part, Mapping) else None
    return isinstance(name, str) and is_masked(name, masked)


def aged(document: Mapping[str, Any], bound: UUID) -> tuple[dict[str, Any], int]:
    """A document without the rows whose ids are below `bound`, and how many these were."""
    kept = dict(document)
    for name in _QUOTING:
        if isinstance(rows := document.get(name), list):
            kept[name] = [row for row in rows if not _is_below(row, bound)]
    return kept, sum(len(document[name]) - len(kept[name]) for name in _QUOTING if name in kept)


def _is_below(row: Any, bound: UUID) -> bool:
    try:
        return UUID(row["id"]) < bound
    except (KeyError, TypeError, ValueError):  # what does not say whose it is does not stay
        return True
