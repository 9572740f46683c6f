"""Recording the golden answers: the same files, to the byte, as long as the code answers the same."""

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
    """Write the golden questions anew: of the corpus what fits a few lines, and ways to be wrong."""
    chosen = [one for one in corpus.questions(SEED, ORDINARY) if _is_wanted(one)]
    questions.write(directory / QUESTIONS, chosen)
    return chosen


def _is_wanted(one: Question) -> bool:
    if one.kind in ("ordinary", "category", "boundary", "null"):
        return True
    if one.body is not None:
        return len(one.body) < LONGEST
    return one.id.startswith(("unseen-", "missing-")) and one.id.endswith(("-code", "_area", "_sold"))


def train(models: Path) -> None:
    """Another version of both recipes, small, without times; the versions before are removed."""
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
    """Let every golden model answer the golden questions; gives what was recorded."""
    asking = read_questions(directory)
    models = list_models(directory)
    for one in models:
        _record(one, asking)
    return models


def _record(one: Golden, asking: Sequence[Question]) -> None:
    side = sides.open_side(str(one.artifact))
    answers = in_requests(side, asking)
    # When and where it was recorded git knows; here it would be a difference.
    told = side.header(questions.digest(asking), _NO_TIME)
    source = "/".join(one.artifact.parts[-3:])
    run_file.write(one.answers, replace(told, source=source, recorded_at="", facts={}), answers)
