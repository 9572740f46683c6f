"""Golden answers: questions, small models, and the answers of the previous release, for D3.

A directory holds questions.jsonl, models/NAME/VERSION and NAME.jsonl, the run of that model. This one is of
made-up houses; yours may hold what was harvested (python -m differential_tests harvest).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from differential_tests import questions
from differential_tests.questions import Question
from model_package import artifact

DIRECTORY = Path(__file__).parent
QUESTIONS, CHANGES = "questions.jsonl", "expected_change.toml"


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden model: its artifact and the run with its expected answers."""

    name: str
    artifact: Path
    answers: Path


def list_models(directory: Path = DIRECTORY) -> list[Golden]:
    """List the golden models, the newest version of each name."""
    models = directory / "models"
    newest = dict(artifact.listing(models))
    return [
        Golden(name, models / name / version, directory / f"{name}.jsonl") for name, version in newest.items()
    ]


def read_questions(directory: Path = DIRECTORY) -> list[Question]:
    """Read the golden questions; raise InvalidQuestions or OSError."""
    return list(questions.read(directory / QUESTIONS))
