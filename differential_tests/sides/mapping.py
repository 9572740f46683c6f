"""Mapping of questions to requests and of replies to answers: the section [service] of the terms.

Every key has Umbra's way as its default.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from string import Template
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from differential_tests.settings import json_path
from differential_tests.settings.tolerances import InvalidTolerances
from differential_tests.settings.toml_file import TomlTable, unexpected

OF_ONE = frozenset({"$row", "$cells"})
SECTIONS = ("a", "b")


def _single_path(text: str) -> str:
    try:
        _steps(text)
    except json_path.InvalidPath as fault:
        raise unexpected(fault.expected) from fault
    return text


SinglePath = Annotated[str, AfterValidator(_single_path)]


def _path(text: str) -> str:
    if text and not (text.startswith("/") and text.isprintable() and not set("?#") & set(text)):
        raise unexpected("a path that begins with /, without ? and #: the query has a key of its own")
    return text


URLPath = Annotated[str, AfterValidator(_path)]


class RequestMapping(TomlTable):
    """A mapping of rows to a body.

    In `one` and `many` a text that is a placeholder stands for what it names.
    $row: the row as an object; $rows: a list of them; $cells: its values as a list; $table: a list of such
    lists; $names: the names of the columns. `one` is for a row that is asked alone, `many` for any number;
    without `many` every row is asked alone. `fields` renames, `columns` chooses and orders the columns of
    lists (all of the row, if empty), `id` names the field that carries the id of the question.
    """

    single: Any = Field(default="$row", alias="one")
    many: Any = "$rows"
    fields: dict[str, str] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    id: str = ""


class ResponseMapping(TomlTable):
    """Paths of the answers: `many` is their list, `one` the answer to a row asked alone (if elsewhere).

    `id` is the place of the row's id in its answer; `ordered`: the answers have to come in the order of the
    rows even so. `omit` are keys of an answer that are left out. Of a refusal `code` is the place of the
    error code, from which `code_prefix` is cut, and `faults` are the keys that are compared. `model` and
    `version` are places in the whole document.
    """

    single: SinglePath = Field(default="", alias="one")
    many: SinglePath = "$.predictions"
    id: SinglePath = ""
    ordered: bool = True
    omit: tuple[str, ...] = ("id",)
    code: SinglePath = "$.type"
    code_prefix: str = "urn:umbra:problem:"
    faults: tuple[str, ...] = ("errors",)
    model: SinglePath = "$.model.name"
    version: SinglePath = "$.model.version"


class ModelListing(TomlTable):
    """The list of models of a service, with hashes of their artifacts; without `path` it is not read.

    `models` is the place of the list, `name`, `version` and `sha256` are places in each of it.
    """

    path: URLPath = "/v1/models"
    models: SinglePath = "$.models"
    name: SinglePath = "$.name"
    version: SinglePath = "$.version"
    sha256: SinglePath = "$.digest"


class ServiceMapping(TomlTable):
    """One service. Headers and query may name variables of the environment: "Bearer $TOKEN"."""

    method: Literal["POST", "PUT"] = "POST"
    path: URLPath = "/v1/predictions"
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    request: RequestMapping = RequestMapping()
    response: ResponseMapping = ResponseMapping()
    about: ModelListing = ModelListing()


def read(section: Mapping[str, Any], letter: str) -> ServiceMapping:
    """Read the mapping of one side: its own section over the common keys; raise InvalidTolerances."""
    try:
        service = ServiceMapping.model_validate_json(json.dumps(_merge(section, letter), default=repr))
    except ValidationError as fault:
        raise _invalid(fault) from None
    if not service.request.single and not service.request.many:
        raise InvalidTolerances("service.request", "", "`one`, `many`, or both: how a row becomes a body")
    if OF_ONE & set(_placeholders(service.request.many)):
        raise InvalidTolerances(
            "service.request.many", service.request.many, "$rows or $table: it is for several"
        )
    return service


def resolve(key: str, texts: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Substitute environment variables; raise InvalidTolerances, which never shows a value."""
    return {name: _substitute(f"service.{key}.{name}", text, environment) for name, text in texts.items()}


def secrets(service: ServiceMapping, environment: Mapping[str, str]) -> list[str]:
    """Return the values of all variables that headers and query name."""
    texts = map(Template, [*service.headers.values(), *service.query.values()])
    return [environment[name] for text in texts for name in text.get_identifiers() if name in environment]


def _substitute(key: str, text: str, environment: Mapping[str, str]) -> str:
    try:
        text_of_variables = Template(text).substitute(environment)
    except KeyError as fault:
        raise InvalidTolerances(key, text, f"the environment variable {fault.args[0]} to be set") from None
    except ValueError:
        raise InvalidTolerances(key, text, "$NAME of an environment variable, or $$ for a dollar") from None
    if not (text_of_variables.isascii() and text_of_variables.isprintable()):
        raise InvalidTolerances(key, text, "printable ASCII text as its value")
    return text_of_variables


def _merge(section: Mapping[str, Any], letter: str) -> dict[str, Any]:
    """Merge the side's own section over the common keys, table by table."""
    merged = {key: value for key, value in section.items() if key not in SECTIONS}
    own = section.get(letter, {})
    if not isinstance(own, Mapping):
        raise InvalidTolerances(f"service.{letter}", own, "a table")
    for key, value in own.items():
        are_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if are_tables else value
    return merged


def _placeholders(template: Any) -> Iterator[str]:
    """Yield every text of a template."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for child in template.values() if isinstance(template, dict) else template:
            yield from _placeholders(child)


def _invalid(fault: ValidationError) -> InvalidTolerances:
    """Return the first fault as an error of the terms."""
    error = fault.errors(include_url=False)[0]
    key = ".".join(("service", *(str(step) for step in error["loc"])))
    if error["type"] == "extra_forbidden":
        return InvalidTolerances(key, error["input"], "no such key; docs/differential.md has those there are")
    return InvalidTolerances(key, error["input"], error["msg"].removeprefix("Input should be "))


def value_at(path: str, document: Any) -> Any:
    """Return the value at a path of a document; raise LookupError if there is none."""
    value = document
    for step in _steps(path):
        value = _child(value, step)
    return value


def _child(parent: Any, step: str | int) -> Any:
    if isinstance(parent, dict) and isinstance(step, str):
        return parent[step]
    if isinstance(parent, list) and isinstance(step, int):
        return parent[step]
    raise LookupError(step)


def reference(name: SinglePath, version: SinglePath, document: Any) -> str:
    """Return NAME@VERSION from these paths of a document; return "" if it has neither."""
    return "@".join(filter(None, (text_at(name, document), text_at(version, document))))


def hash_of(model: str, document: Any, about: ModelListing) -> str:
    """Find the hash of NAME@VERSION in a list of models; return "" without it."""
    try:
        listed = value_at(about.models, document)
    except LookupError:
        return ""
    matching = (entry for entry in listed if reference(about.name, about.version, entry) == model)
    return text_at(about.sha256, next(matching, None)) if isinstance(listed, list) else ""


def text_at(path: str, document: Any) -> str:
    """Return the text (or whole number) at a path; return "" if there is none."""
    try:
        value = value_at(path, document) if path else ""
    except LookupError:
        return ""
    return str(value) if isinstance(value, str | int) else ""


@cache
def _steps(path: str) -> tuple[str | int, ...]:
    """Split a path to a single value into names and indexes; raise InvalidPath."""
    pattern_steps = json_path.pattern(path).steps if path else ()
    if any(step.deep or step.key == "*" for step in pattern_steps):
        raise json_path.InvalidPath(path, "a path to one place, without * or ..")
    return tuple(_name_or_index(step.key) for step in pattern_steps)


def _name_or_index(step: str) -> str | int:
    """Strip the punctuation of `.name`, `['my name']` or `[0]`."""
    bare: str | int = step[1:] if step.startswith(".") else ast.literal_eval(step)[0]
    return bare
