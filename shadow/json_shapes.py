"""JSON shapes: the frozen dataclasses that the writer and the readers of a stored document share.

A document is read for as long as its stream is remembered, so that a later release reads what an earlier one
wrote: every field of a shape has a default, which stands for what the document lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Shape = TypeVar("Shape")
_ABSENT = object()


def to_json(value: Any) -> Any:
    """Turn a shape into JSON values, its fields in their order; everything else stays as it is."""
    if is_dataclass(value):
        return {_key(field.name): to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: to_json(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(entry) for entry in value]
    return value


def from_json(shape: type[Shape], body: object) -> Shape:
    """Read a shape from a JSON object; what is missing or ill-typed becomes the field's default."""
    values = body if isinstance(body, Mapping) else {}
    hints = _hints(shape)  # type: ignore[arg-type] # mypy takes no type variable for hashable
    present = {name: hint for name, hint in hints.items() if _key(name) in values}
    read = {name: _read(hint, values[_key(name)]) for name, hint in present.items()}
    return shape(**{name: value for name, value in read.items() if value is not _ABSENT})


def _key(name: str) -> str:
    """Return a field's JSON name: without the underscore of names that Python reserves (`from_`)."""
    return name.removesuffix("_")


@lru_cache(maxsize=64)
def _hints(shape: type) -> dict[str, Any]:
    return get_type_hints(shape)


def _read(hint: Any, value: Any) -> Any:
    """Read a value of the hinted type; _ABSENT when it is none."""
    inner = [argument for argument in get_args(hint) if argument is not NoneType]
    origin = get_origin(hint)
    if origin is tuple:
        return _read_list(inner[0], value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _read_mapping(inner[1], value)
    if inner:  # X | None
        return None if value is None else _read(inner[0], value)
    if is_dataclass(hint):
        return from_json(hint, value) if isinstance(value, Mapping) else _ABSENT  # type: ignore[arg-type]
    return value if _is_scalar(hint, value) else _ABSENT


def _read_list(hint: Any, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _ABSENT
    entries = (_read(hint, entry) for entry in value)
    return tuple(entry for entry in entries if entry is not _ABSENT)


def _read_mapping(hint: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _ABSENT
    entries = {name: _read(hint, entry) for name, entry in value.items()}
    return {name: entry for name, entry in entries.items() if entry is not _ABSENT}


def _is_scalar(hint: Any, value: Any) -> bool:
    if hint is Any:
        return True
    if hint in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint)
