"""Mask stored rows for a corpus that anybody may read."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from model_package.schema import EXAMPLE, FIELDS, NAMES, Row


class UnknownField(ValueError):
    """A field to mask that no row has, so that the intended field would stay visible."""


def check_fields(masked: Collection[str]) -> frozenset[str]:
    """Check that all masked fields exist; raise UnknownField."""
    for name in masked:
        if name not in NAMES:
            raise UnknownField(f"{name!r} is no field of a house; expected names from {', '.join(NAMES)}")
    return frozenset(masked)


def masked_row(inputs: Mapping[str, Any], masked: Collection[str]) -> Row | None:
    """Keep the fields of the current schema; replace a masked value by the schema's example.

    None: the house was asked about when a field was not yet required.
    """
    row = {name: EXAMPLE[name] if name in masked else inputs.get(name) for name in NAMES}
    lacks = any(row[field.name] is None for field in FIELDS if not field.nullable)
    return None if lacks else row


def content(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row, independent of the order of its keys."""
    return sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
