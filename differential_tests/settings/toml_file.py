"""Read TOML documents strictly."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError


class InvalidDocument(ValueError):
    """A key or a value that cannot be right; `document` names the kind of file."""

    document: ClassVar[str] = "document"

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{self.document}: {key} = {value!r}: expected {expected}")
        self.key, self.value, self.expected = key, value, expected


class TomlTable(BaseModel):
    """A table of a document, without unknown keys and without coercion."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def unexpected(expected: str) -> PydanticCustomError:
    """Build the error of a validator; `expected` describes a right value."""
    return PydanticCustomError("expected", "{words}", {"words": expected})


def _number(right: Callable[[float], bool], expected: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not right(value):
            raise unexpected(expected)
        return value

    return BeforeValidator(check)


Size = Annotated[float, _number(lambda value: isfinite(value) and value >= 0, "a number from 0")]
Share = Annotated[float, _number(lambda value: 0 <= value <= 1, "a share from 0 to 1")]

Document = TypeVar("Document", bound=TomlTable)


def read_text(path: Path, invalid: type[InvalidDocument]) -> str:
    """Read a file; raise `invalid` or OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise invalid("(the file)", str(path), "TOML, in UTF-8") from fault


def parse_document(document: type[Document], text: str, invalid: type[InvalidDocument]) -> Document:
    """Parse a document; raise `invalid` with the first fault."""
    try:
        # By way of JSON, in which a strict model takes a list for a tuple; a date of TOML becomes a text.
        return document.model_validate_json(json.dumps(tomllib.loads(text), default=repr))
    except tomllib.TOMLDecodeError as fault:
        raise invalid("(the file)", str(fault), "TOML") from fault
    except ValidationError as fault:
        raise invalid(*_first_fault(fault)) from None


def _first_fault(fault: ValidationError) -> tuple[str, object, str]:
    error = fault.errors(include_url=False)[0]
    key = ".".join(str(step) for step in error["loc"] if step != "[key]")
    match error["type"]:
        case "missing":
            return key, None, "a value"
        case "extra_forbidden":
            return key, error["input"], "no such key"
    return key, error["input"], error["msg"].removeprefix("Input should be ")
