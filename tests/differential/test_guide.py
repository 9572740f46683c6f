"""docs/differential.md is the guide of the tool: every command, option, key and failure stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from differential_tests import cli, recording
from differential_tests.questions.corpus import questions
from differential_tests.settings import tolerances
from differential_tests.sides import LETTERS, mapping, replies
from differential_tests.sides.mapping import OF_ONE, ServiceMapping

GUIDE = (Path(__file__).parents[2] / "docs" / "differential.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", GUIDE))
LEFT_TO_HELP = {"levels"}


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for attribute, field in model.model_fields.items():
        name, kind = field.alias or attribute, field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize("name", cli.cli.commands)
def test_every_command_and_option_is_told_of(name):
    assert name in NAMED
    options = [
        option for one in cli.cli.commands[name].params for option in one.opts if option.startswith("--")
    ]
    shared = {"--output", *([] if name not in LEFT_TO_HELP else options)}
    assert [option for option in options if option not in NAMED | shared] == []


def test_every_key_of_the_mapping_is_told_of_and_no_other():
    told = {key for key in NAMED if key.startswith(("request.", "response.", "about."))}
    wanted = set(keys(ServiceMapping))
    assert wanted <= NAMED
    assert told - wanted == set()


def test_every_failure_and_every_kind_of_question_is_told_of():
    words = {*recording.SILENCE, *re.findall(r'Unanswered\(\s*"([a-z-]+)"', sources())}
    assert len(words) > 10
    assert words <= NAMED
    assert {question.kind for question in questions(ordinary=1)} | recording.TOGETHER <= NAMED


def sources() -> str:
    return "".join(path.read_text() for path in Path(replies.__file__).parent.glob("*.py"))


def test_every_placeholder_is_told_of():
    assert {*OF_ONE, "$rows", "$table", "$names"} <= NAMED


def test_every_toml_of_the_guide_is_understood():
    blocks = re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        for letter in LETTERS:
            assert mapping.read(tolerances.parse(block).service, letter) != ServiceMapping()
