"""Every field of every line is declared, and every declared field is one that some line has."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from model_package import schema
from monitoring import log_fields, logs
from monitoring.log_fields import FIELDS, Kind, LogField

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("api", "shadow", "monitoring", "model_package")
    for path in (ROOT / folder).rglob("*.py")
]
HOUSE: Mapping[str, Kind] = {f.name: "keyword" if f.kind == "category" else "double" for f in schema.FIELDS}
OF_EVENT_ITSELF = {"level", "error"}
VALUES: Mapping[Kind, Any] = {
    "keyword": "a text", "double": 0.5, "long": 3, "date": datetime.now(UTC), "boolean": True,
}  # fmt: skip


def events(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call that writes a line."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
            function = call.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name == "event":
                yield call


def keys(tree: ast.AST, name: str) -> Iterator[str]:
    """The keys that anything called `name`, or a function of that name, is given in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.strip("_") == name:
            yield from _literal_keys(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield from _literal_keys(node.value)
                if isinstance(target, ast.Subscript) and getattr(target.value, "id", "") == name:
                    yield ast.literal_eval(target.slice)


def _literal_keys(tree: ast.AST) -> Iterator[str]:
    dicts = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    inner = {id(value) for one in dicts for value in one.values}
    for one in dicts:
        if id(one) not in inner:
            yield from (ast.literal_eval(key) for key in one.keys if key is not None)


def _unpacked(value: ast.expr) -> str:
    """What `**value` is called: `facts` of `**facts` and of `**exchange.facts()`."""
    function = value.func if isinstance(value, ast.Call) else value
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name.strip("_")


def written(path: Path) -> Iterator[tuple[str, str]]:
    """Each field that the lines of a module have, with where it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for call in events(tree):
        for keyword in call.keywords:
            names = [keyword.arg] if keyword.arg else list(keys(tree, _unpacked(keyword.value)))
            assert names, f"{path}:{call.lineno}: what is unpacked here is not known to this test"
            yield from ((name, f"{path.relative_to(ROOT)}:{call.lineno}") for name in names)


WRITTEN = [found for path in SOURCES for found in written(path)]
DECLARED = {field.name.partition(".")[0] for field in FIELDS}


def test_every_line_is_found_by_this_test() -> None:
    assert len({where for _, where in WRITTEN}) > 25
    assert {"inputs", "because", "refused_fields", "event"} <= {name for name, _ in WRITTEN}


def test_every_field_that_is_written_is_declared() -> None:
    known = DECLARED | log_fields.EVENT_GROUPS | OF_EVENT_ITSELF | {log_fields.INPUTS}
    assert {name: where for name, where in WRITTEN if name not in known} == {}


def test_every_field_that_is_declared_is_written() -> None:
    names = {name for name, _ in WRITTEN}
    assert DECLARED - names == set()
    assert names >= log_fields.EVENT_GROUPS


def test_no_name_is_declared_twice_or_is_both_a_value_and_a_group() -> None:
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert not {name.rpartition(".")[0] for name in names} & set(names)
    assert all(field.meaning for field in FIELDS)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Any]:
    """Writes a line and gives it as it was written."""
    logs.configure("umbra.worker", "DEBUG", tmp_path, version="1.2.3")

    def write(**fields: Any) -> Any:
        logs.event(logging.getLogger("tests"), "something", **fields)
        assert logs.flush()
        (file,) = tmp_path.glob("*.jsonl")
        return json.loads(file.read_text().splitlines()[-1])

    yield write
    logs.configure("umbra.test", "WARNING", tmp_path / "after")


def faults(line: object) -> list[str]:
    """What is wrong with a line."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return [
        fault.json_path
        for fault in Draft202012Validator(log_fields.line_schema(HOUSE), format_checker=checker).iter_errors(
            line
        )
    ]


def _tree(field: LogField, value: object) -> dict[str, Any]:
    first, _, second = field.name.partition(".")
    return {first: {second: value}} if second else {first: value}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(log_fields.line_schema(HOUSE))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_field_of_its_kind_is_right_and_one_of_another_kind_is_wrong(line: Any, field: LogField) -> None:
    value = VALUES[field.kind]
    assert faults(line(**_tree(field, [value] if field.many else value))) == []
    assert faults(line(**_tree(field, {"of": "another kind"}))) != []
    assert faults(line(**_tree(field, True))) != []


def test_a_house_is_right_as_it_is_and_with_nulls_and_wrong_with_a_field_of_no_house(line: Any) -> None:
    assert faults(line(inputs=schema.EXAMPLE)) == []
    assert faults(line(inputs=dict.fromkeys(schema.NAMES))) == []
    assert faults(line(inputs={"lot_area": float("nan")})) == []
    assert faults(line(inputs={"lot_area": "wide"})) == ["$.umbra.inputs.lot_area"]
    assert faults(line(inputs={"owner": "somebody"})) == ["$.umbra.inputs"]


def test_a_field_that_is_not_declared_is_wrong_wherever_it_stands(line: Any) -> None:
    assert faults(line(surprise=1)) == ["$.umbra"]
    assert faults(line(model={"name": "a", "colour": "b"})) == ["$.umbra.model"]
    assert faults(line(http={"cookie": "c"})) == ["$.http"]
    assert faults(line() | {"surprise": 1}) == ["$"]
    assert faults({"message": "something"}) == ["$"] * 6


def test_errors_and_lines_of_libraries_are_right(line: Any) -> None:
    assert faults(line(error=ValueError("x"), level=logging.ERROR)) == []
    logging.getLogger("library").warning("%d of them", 3)
    assert faults(line()) == []


def test_the_mapping_has_every_field_with_its_type_and_no_other() -> None:
    def flat(properties: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
        for name, part in properties.items():
            if "type" in part and isinstance(part["type"], str):
                yield above + name, part["type"]
            else:
                yield from flat(part["properties"], f"{above}{name}.")

    own = {field.name: field.kind for field in FIELDS}
    assert dict(flat(log_fields.mapping(HOUSE))) == own | {
        f"inputs.{name}": kind for name, kind in HOUSE.items()
    }


def test_at_most_twenty_refused_fields_are_said(line: Any) -> None:
    assert faults(line(refused_fields=list(schema.NAMES[: log_fields.REFUSED_FIELDS_MOST]))) == []
    assert faults(line(refused_fields=list(schema.NAMES[: log_fields.REFUSED_FIELDS_MOST + 1]))) != []
