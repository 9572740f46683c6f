"""Documentation is part of the code: what can be set, asked, run or read in a log stands there as it is."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from api import errors
from api.app import document as document_of
from api.limits import RequestLimits
from model_package import schema
from shadow.settings import Settings
from umbra.command import main

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCES = [
    path for folder in ("umbra", "api", "shadow", "monitoring") for path in (ROOT / folder).rglob("*.py")
]


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


COMMANDS = dict(commands(main, "umbra"))


def events() -> set[str]:
    """The name of every event that the code can log."""
    calls = (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {
        call.args[1].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "event"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }


def markdown() -> list[Path]:
    folders = (ROOT, ROOT / "benchmarks", ROOT / "notebooks")
    return [*(page for folder in folders for page in folder.glob("*.md")), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_stands_with_its_default_and_purpose(field: dataclasses.Field[object]) -> None:
    default = f"`{field.metadata['default']}`" if field.metadata["default"] else ""
    assert f"| `UMBRA_{field.name.upper()}` | {default} | {field.metadata['purpose']} |" in OPERATIONS


def test_no_setting_is_told_of_that_does_not_exist() -> None:
    known = {f"UMBRA_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    told = {
        name for path in markdown() for name in re.findall(r"UMBRA_[A-Z_]+[A-Z]", path.read_text("utf-8"))
    }
    assert {name for name in told - known if not name.startswith("UMBRA_TEST_")} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_told_of_and_its_help_shows_an_example(name: str) -> None:
    assert f"| `{name}` |" in OPERATIONS
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=name))
    assert text.count("umbra ") >= 2, f"{name} --help has no example"


def test_every_route_is_told_of() -> None:
    document = document_of(RequestLimits(1000, 1 << 20))
    for path, methods in document["paths"].items():
        for method in methods:
            if method in ("get", "post"):
                assert f"`{method.upper()} {path}`" in OPERATIONS


def test_every_problem_is_told_of_with_its_status() -> None:
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        assert f"| `{problem.code}` | {int(problem.status)} |" in OPERATIONS


def test_every_log_event_is_told_of() -> None:
    found = events()
    assert len(found) > 20
    assert {name for name in found if f"`{name}`" not in OPERATIONS} == set()


@pytest.mark.parametrize("path", markdown(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", markdown(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_to_be_filled_in(path: Path) -> None:
    assert not re.search(r"@[A-Z]+@|TODO|TBD|XXX", path.read_text(encoding="utf-8"))


def test_the_readme_shows_a_house_as_it_is_asked_for_and_answered() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "umbra-data/example.json" in readme
    assert '"price_dollars"' in readme
    assert schema.EXAMPLE
