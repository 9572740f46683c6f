"""JSON shapes: the frozen dataclasses that the writer and the readers of a stored document share.

A document is read for as long as its stream is remembered, so that a later release reads what an earlier one
wrote: every field of a shape has a default, which stands for what the document lacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Shape = TypeVar("Shape")
Reader = Callable[[Any], Any]
_ABSENT = object()
"""What a reader returns for a value that is not of its type."""


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
    reader = _reader(shape)  # type: ignore[arg-type] # mypy takes no type variable for hashable
    read: Shape = reader(body if isinstance(body, Mapping) else {})
    return read


def _key(name: str) -> str:
    """Return a field's JSON name: without the underscore of names that Python reserves (`from_`)."""
    return name.removesuffix("_")


@lru_cache(maxsize=256)
def _reader(hint: Any) -> Reader:
    """Make the reader of values of a type: once, for a document has thousands of values."""
    inner = [argument for argument in get_args(hint) if argument is not NoneType]
    origin = get_origin(hint)
    if origin is tuple:
        return _list_reader(_reader(inner[0]))
    if origin is Mapping:
        return _mapping_reader(_reader(inner[1]))
    if inner:  # X | None
        return _optional_reader(_reader(inner[0]))
    if is_dataclass(hint):
        return _object_reader(hint)
    if hint is Any:
        return lambda value: value
    return _read_number if hint in (int, float) else _scalar_reader(hint)


def _object_reader(shape: Any) -> Reader:
    hints = get_type_hints(shape)
    readers = [(field.name, _key(field.name), _reader(hints[field.name])) for field in fields(shape)]

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return _ABSENT
        values = {name: reader(value[key]) for name, key, reader in readers if key in value}
        return shape(**{name: entry for name, entry in values.items() if entry is not _ABSENT})

    return read


def _list_reader(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return _ABSENT
        return tuple(entry for entry in map(reader, value) if entry is not _ABSENT)

    return read


def _mapping_reader(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return _ABSENT
        entries = {name: reader(entry) for name, entry in value.items()}
        return {name: entry for name, entry in entries.items() if entry is not _ABSENT}

    return read


def _optional_reader(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _scalar_reader(kind: type) -> Reader:
    return lambda value: value if isinstance(value, kind) else _ABSENT


def _read_number(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else _ABSENT
