"""Every field of every line is declared, and every declared field is one that some line has."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from model_package import schema
from monitoring import logs
from monitoring.logs import fields as log_fields
from monitoring.logs.fields import FIELDS, Kind, LogField
from shadow.prediction_log import input_kinds

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("umbra", "api", "shadow", "monitoring", "model_package")
    for path in (ROOT / folder).rglob("*.py")
]
HOUSE = input_kinds()
OF_EVENT_ITSELF = {"level", "error"}
VALUES: Mapping[Kind, Any] = {
    "keyword": "a text",
    "double": 0.5,
    "long": 3,
    "date": datetime.now(UTC),
    "boolean": True,
}


def leaves(part: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The fields of the schema of lines, with dots."""
    for name, inner in part["properties"].items():
        path = f"{above}{name}"
        yield from leaves(inner, f"{path}.") if "properties" in inner else [path]


DECLARED = set(leaves(log_fields.line_schema(HOUSE)))
FILLED_ELSEWHERE = {"umbra.model", "umbra.inputs"}
"""Groups that are handed over whole: what is in them is not to be seen where the line is written."""


def events(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Every call that writes a line, with the function around it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) == "event":
            yield call, next((one for one in reversed(functions) if call in ast.walk(one)), tree)


def _name(function: ast.AST) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def paths(value: ast.expr, above: str) -> Iterator[str]:
    """The names, with dots, of what a literal holds; of anything else its own."""
    if not isinstance(value, ast.Dict):
        yield above
        return
    for key, part in zip(value.keys, value.values, strict=True):
        assert isinstance(key, ast.Constant), f"line {value.lineno}: not a literal key"
        yield from paths(part, f"{above}.{key.value}" if above else key.value)


def unpacked(value: ast.expr, around: ast.AST, tree: ast.AST) -> Iterator[str]:
    """What `**value` holds: what a function of the module gives back, or a name of the same function."""
    for node in ast.walk(tree if isinstance(value, ast.Call) else around):
        if isinstance(value, ast.Call) and isinstance(node, ast.FunctionDef):
            returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            yield from _all_literal(returned) if node.name == _name(value.func) else ()
        elif isinstance(value, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if _name(target) == value.id:
                    yield from _all_literal([node.value])
                if isinstance(target, ast.Subscript) and _name(target.value) == value.id and node.value:
                    yield from paths(node.value, ast.literal_eval(target.slice))


def _all_literal(values: Sequence[ast.expr | None]) -> Iterator[str]:
    for value in values:
        assert isinstance(value, ast.Dict), f"{value and value.lineno}: not a literal"
        yield from paths(value, "")


def written(source: str, place: str) -> Iterator[tuple[str, str]]:
    """Each field that the lines of a module have, with where it stands."""
    tree = ast.parse(source)
    for call, around in events(tree):
        where = f"{place}:{call.lineno}"
        assert len(call.args) == 2, f"{where}: a logger, a name, and the rest by name"
        assert isinstance(call.args[1], ast.Constant), f"{where}: the name of an event is a literal"
        for keyword in call.keywords:
            if keyword.arg is None:
                names = list(unpacked(keyword.value, around, tree))
                assert names, f"{where}: what is unpacked here is not known to this test"
            else:
                names = [] if keyword.arg in OF_EVENT_ITSELF else list(paths(keyword.value, keyword.arg))
            for name in names:
                is_of_ecs = name.partition(".")[0] in log_fields.EVENT_GROUPS
                yield (name if is_of_ecs else f"umbra.{name}"), where


def undeclared(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Which of them no line may have."""
    return {name: where for name, where in fields if name not in DECLARED | FILLED_ELSEWHERE}


WRITTEN = [
    found
    for path in SOURCES
    for found in written(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
]


def test_every_line_is_found_by_this_test() -> None:
    assert len({where for _, where in WRITTEN}) > 20
    some = {"umbra.inputs", "umbra.because", "umbra.refused_fields", "event.action", "http.request.id"}
    assert some <= {name for name, _ in WRITTEN}


def test_every_field_that_is_written_is_declared() -> None:
    assert undeclared(WRITTEN) == {}


@pytest.mark.parametrize(
    "call",
    [
        "logs.event(_log, name, rows=1)",
        'logs.event(_log, "x", body=environ)',
        'event(_log, "x", url={"path": path, "query": query})',
        'logs.event(_log, "x", url=environ)',
        'logs.event(_log, "x", http={"request": {"method": method, "cookie": cookie}})',
        'logs.event(_log, "x", http={"request": environ})',
        'logs.event(_log, "x", model={"name": name, "colour": colour})',
        'logs.event(_log, "x", **of_another_function)',
        'logs.event(_log, "x", **gives())',
        'logs.event(_log, "x", **environ)',
        "logs.event(*line)",
    ],
)
def test_a_line_that_may_have_other_fields_is_noticed(call: str) -> None:
    source = f"""
def another():
    of_another_function = {{"rows": 1}}

def gives():
    return {{"rows": 1}} | another()

def writes():
    {call}
"""
    with pytest.raises(AssertionError):
        assert undeclared(written(source, "here")) == {}


def test_a_line_with_declared_fields_alone_is_right() -> None:
    source = """
def gives():
    return {"rows": 1}

def writes():
    facts = {"status": 1}
    facts["because"] = something()
    logs.event(_log, "x", level=2, error=fault, url={"path": path}, model=model, **facts, **gives())
"""
    names = {name for name, _ in written(source, "here")}
    assert names == {"umbra.rows", "umbra.status", "umbra.because", "url.path", "umbra.model"}


def test_every_field_that_is_declared_is_written() -> None:
    names = {name for name, _ in WRITTEN}
    own = {"umbra." + field.name.partition(".")[0] for field in FIELDS}
    assert own - names == set()
    assert {name.partition(".")[0] for name in names} >= log_fields.EVENT_GROUPS


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
    assert faults(line(**_tree(field, 1 if field.kind == "boolean" else True))) != []


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
    assert faults(line(refused_fields=list(schema.NAMES[: log_fields.MAX_LISTED]))) == []
    assert faults(line(refused_fields=list(schema.NAMES[: log_fields.MAX_LISTED + 1]))) != []
