"""Mapping: how questions are put to a service and where its answers are: the section [service] of the terms.

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


def _one_place(text: str) -> str:
    try:
        _steps(text)
    except json_path.InvalidPath as fault:
        raise unexpected(fault.expected) from fault
    return text


SinglePath = Annotated[str, AfterValidator(_one_place)]


def _path(text: str) -> str:
    if text and not (text.startswith("/") and text.isprintable() and not set("?#") & set(text)):
        raise unexpected("a path that begins with /, without ? and #: the query has a key of its own")
    return text


URLPath = Annotated[str, AfterValidator(_path)]


class RequestMapping(TomlTable):
    """How rows become a body. In `one` and `many` a text that is a placeholder stands for:

    $row: the row as an object; $rows: a list of them; $cells: its values as a list; $table: a list of such
    lists; $names: the names of the columns. `one` is for a row that is asked alone, `many` for any number;
    without `many` every row is asked alone. `fields` renames, `columns` chooses and orders the columns of
    lists (all of the row, if empty), `id` names the field that carries the id of the question.
    """

    one: Any = "$row"
    many: Any = "$rows"
    fields: dict[str, str] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    id: str = ""


class ResponseMapping(TomlTable):
    """Where answers are: `many` is the list of them, `one` the answer to a row asked alone (if elsewhere).

    `id` is the place of the row's id in its answer; `ordered`: the answers have to come in the order of the
    rows even so. `omit` are keys of an answer that are left out. Of a refusal `code` is the place of the
    error code, from which `code_prefix` is cut, and `faults` are the keys that are compared. `model` and
    `version` are places in the whole document.
    """

    one: SinglePath = ""
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
    """Where a service lists its models, with the hashes of their artifacts; without `path` it is not asked.

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
    """The service of one side, with what its own section says in place of the common; raises InvalidTerms."""
    try:
        service = ServiceMapping.model_validate_json(json.dumps(_merged(section, letter), default=repr))
    except ValidationError as fault:
        raise _invalid(fault) from None
    if not service.request.one and not service.request.many:
        raise InvalidTolerances("service.request", "", "`one`, `many`, or both: how a row becomes a body")
    if OF_ONE & set(_placeholders(service.request.many)):
        raise InvalidTolerances(
            "service.request.many", service.request.many, "$rows or $table: it is for several"
        )
    return service


def resolve(key: str, texts: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Texts with the values of the variables they name; raises InvalidTerms, which never shows a value."""
    return {name: _resolved(f"service.{key}.{name}", text, environment) for name, text in texts.items()}


def secrets(service: ServiceMapping, environment: Mapping[str, str]) -> list[str]:
    """The values of all variables that headers and query name."""
    texts = map(Template, [*service.headers.values(), *service.query.values()])
    return [environment[name] for text in texts for name in text.get_identifiers() if name in environment]


def _resolved(key: str, text: str, environment: Mapping[str, str]) -> str:
    try:
        found = Template(text).substitute(environment)
    except KeyError as fault:
        raise InvalidTolerances(key, text, f"the environment variable {fault.args[0]} to be set") from None
    except ValueError:
        raise InvalidTolerances(key, text, "$NAME of an environment variable, or $$ for a dollar") from None
    if not (found.isascii() and found.isprintable()):
        raise InvalidTolerances(key, text, "printable ASCII text as its value")
    return found


def _merged(section: Mapping[str, Any], letter: str) -> dict[str, Any]:
    """The common keys, those of the side's own section put over them, tables key by key."""
    told = {key: value for key, value in section.items() if key not in SECTIONS}
    own = section.get(letter, {})
    if not isinstance(own, Mapping):
        raise InvalidTolerances(f"service.{letter}", own, "a table")
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(told.get(key), Mapping)
        told[key] = {**told[key], **value} if both else value
    return told


def _placeholders(template: Any) -> Iterator[str]:
    """Every text of a template."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            yield from _placeholders(part)


def _invalid(fault: ValidationError) -> InvalidTolerances:
    """The first thing that is wrong."""
    error = fault.errors(include_url=False)[0]
    key = ".".join(("service", *(str(part) for part in error["loc"])))
    if error["type"] == "extra_forbidden":
        return InvalidTolerances(key, error["input"], "no such key; docs/differential.md has those there are")
    return InvalidTolerances(key, error["input"], error["msg"].removeprefix("Input should be "))


def value_at(place: str, document: Any) -> Any:
    """What is at one place of a document; raises LookupError when nothing is."""
    found = document
    for step in _steps(place):
        found = _child(found, step)
    return found


def _child(found: Any, step: str | int) -> Any:
    if isinstance(found, dict) and isinstance(step, str):
        return found[step]
    if isinstance(found, list) and isinstance(step, int):
        return found[step]
    raise LookupError(step)


def reference(name: SinglePath, version: SinglePath, document: Any) -> str:
    """NAME@VERSION as a document has them in these places; empty when it has neither."""
    return "@".join(filter(None, (text_at(name, document), text_at(version, document))))


def hash_of(model: str, document: Any, about: ModelListing) -> str:
    """The hash of NAME@VERSION in a list of models; empty when it is not there."""
    try:
        listed = value_at(about.models, document)
    except LookupError:
        return ""
    found = (one for one in listed if reference(about.name, about.version, one) == model)
    return text_at(about.sha256, next(found, None)) if isinstance(listed, list) else ""


def text_at(place: str, document: Any) -> str:
    """The text (or whole number) at a place; empty when there is none."""
    try:
        found = value_at(place, document) if place else ""
    except LookupError:
        return ""
    return str(found) if isinstance(found, str | int) else ""


@cache
def _steps(place: str) -> tuple[str | int, ...]:
    """The names and numbers of a path to one place; raises InvalidPath."""
    found = json_path.pattern(place).steps if place else ()
    if any(step.deep or step.key == "*" for step in found):
        raise json_path.InvalidPath(place, "a path to one place, without * or ..")
    return tuple(_bare(step.key) for step in found)


def _bare(step: str) -> str | int:
    """`.name`, `['my name']` or `[0]` without what is around it."""
    bare: str | int = step[1:] if step.startswith(".") else ast.literal_eval(step)[0]
    return bare
