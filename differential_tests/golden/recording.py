"""Record the golden answers: byte for byte the same files while the code answers the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from differential_tests import questions, run_file, sides
from differential_tests.golden import QUESTIONS, Golden, list_models, read_questions
from differential_tests.questions import Question, corpus
from differential_tests.recording.strategies import in_requests
from model_package import artifact, recipes
from model_package.dataset import split
from model_package.synthetic import synthetic

ORDINARY, LONGEST = 120, 4000
HOUSES, SEED, TREES = 1500, 20_06, 60
_NO_TIME = datetime(2006, 1, 1, tzinfo=UTC)


def choose(directory: Path) -> list[Question]:
    """Choose the golden questions from the corpus: short ones, and ways to be wrong."""
    chosen = [question for question in corpus.questions(SEED, ORDINARY) if _is_wanted(question)]
    questions.write(directory / QUESTIONS, chosen)
    return chosen


def _is_wanted(question: Question) -> bool:
    if question.kind in ("ordinary", "category", "boundary", "null"):
        return True
    if question.body is not None:
        return len(question.body) < LONGEST
    return question.id.startswith(("unseen-", "missing-")) and question.id.endswith(
        ("-code", "_area", "_sold")
    )


def train(models: Path) -> None:
    """Train a small new version of both recipes without times, and remove the old versions."""
    sales = split(synthetic(HOUSES, SEED))
    for name in ("linear", "gbm"):
        fitted = recipes.get(name).train(sales.train.rows, sales.train.prices, SEED)
        files = {**fitted.files, "card.json": b"{}", "profile.json": b"{}"}
        if name == "gbm":
            files["model.txt"] = _first_trees(files["model.txt"])
        saved = _save(models, name, files)
        for other in saved.parent.iterdir():
            if other != saved:
                shutil.rmtree(other)


def _save(models: Path, name: str, files: dict[str, bytes]) -> Path:
    return artifact.save(models, name, name, lambda _: files, lambda _: None)


def _first_trees(text: bytes) -> bytes:
    import lightgbm  # noqa: PLC0415  # a second of processor time that nothing else needs

    booster = lightgbm.Booster(model_str=text.decode())
    return str(booster.model_to_string(num_iteration=TREES)).encode()


def record(directory: Path) -> list[Golden]:
    """Record the answers of every golden model to the golden questions."""
    asking = read_questions(directory)
    models = list_models(directory)
    for golden in models:
        _record(golden, asking)
    return models


def _record(golden: Golden, asking: Sequence[Question]) -> None:
    side = sides.open_side(str(golden.artifact))
    answers = in_requests(side, asking)
    # When and where it was recorded git knows; here it would be a difference.
    header = side.header(questions.digest(asking), _NO_TIME)
    source = "/".join(golden.artifact.parts[-3:])
    run_file.write(golden.answers, replace(header, source=source, recorded_at="", facts={}), answers)
