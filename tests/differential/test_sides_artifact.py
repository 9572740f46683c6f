"""An artifact in this process: the same statuses, codes and faults as the API, for the whole corpus."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from differential_tests import recording, sides
from differential_tests.comparison import compare
from differential_tests.questions import Question, corpus
from differential_tests.settings import tolerances
from differential_tests.sides import UnknownSource
from model_package import artifact, recipes
from model_package.artifact import AlteredArtifact
from model_package.recipes import Recipe
from model_package.schema import EXAMPLE

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOUSE = Question("h", "ordinary", row=EXAMPLE)
UMBRA = tolerances.read()


@pytest.mark.parametrize("rows", [1, 40])
def test_the_package_and_the_api_agree_on_the_whole_corpus(models, umbra, tmp_path, rows):
    runs = []
    for name, source in (("package", str(models / "linear" / "1")), ("api", umbra)):
        side = sides.open_side(source, UMBRA.service)
        asked = corpus.questions(ordinary=60)
        runs.append(recording.record(side, asked, tmp_path / name, now=NOW, rows_per_request=rows))
        side.close()
    check = compare(runs[0].path, runs[1].path, UMBRA)
    assert (check.findings, check.error) == ((), "")
    package, api = runs
    assert (package.answered, package.refused, package.failed) == (api.answered, api.refused, api.failed)
    assert min(package.answered, package.refused) > 200
    assert package.header.artifact_sha256 == api.header.artifact_sha256
    assert package.header.model == api.header.model == "linear@1"


def test_all_kinds_of_refusals_are_among_them(models):
    side = sides.open_side(str(models / "linear" / "1"))
    codes = Counter(
        answer.code for question in corpus.questions(ordinary=0) for answer in side.ask([question])
    )
    assert codes.keys() == {"", "invalid-rows", "malformed-body", "unsupported-content"}
    (many,) = side.ask([Question("many", "malformed", body=json.dumps([EXAMPLE] * 1001))])
    assert (many.status, many.code, many.value) == (413, "too-many-rows", {})


def test_another_model_is_seen(models, umbra, tmp_path):
    for name, source in (("a", str(models / "gbm" / "1")), ("b", umbra)):
        recording.record(sides.open_side(source), [HOUSE], tmp_path / name, now=NOW)
    check = compare(tmp_path / "a", tmp_path / "b", UMBRA)
    assert [finding.path for finding in check.findings] == ["$.price_dollars"]


def _load(files):
    """Score as the artifact's marker says."""
    mode = json.loads(files["mode.json"])

    def score(matrix):
        if mode == "crashes":
            raise ZeroDivisionError("no such house")
        dollars = np.full(len(matrix), 1e5)
        return dollars[1:] if mode == "drops" else dollars * np.nan if mode == "is nan" else dollars

    return score


def _train(*_):
    raise NotImplementedError("there is nothing to learn")


recipes.add(Recipe("odd-side", "does as it is told", _train, _load))


@pytest.fixture
def odd(tmp_path):
    """Asks one house of a model that misbehaves in this way."""

    def ask(mode):
        files = {"card.json": b"{}", "profile.json": b"{}", "mode.json": json.dumps(mode).encode()}
        saved = artifact.save(tmp_path / "models", "odd", "odd-side", lambda _: files, lambda _: None)
        (answer,) = sides.open_side(str(saved)).ask([HOUSE])
        return answer

    return ask


def test_a_model_that_crashes_has_failed_with_what_it_said(odd):
    answer = odd("crashes")
    assert (answer.failure, answer.detail) == ("crashed", "ZeroDivisionError: no such house")


def test_a_model_that_drops_a_row_has_failed(odd):
    assert odd("drops").failure == "row-count"


def test_nan_is_kept(odd):
    assert np.isnan(odd("is nan").value["price_dollars"])


def test_an_altered_artifact_is_not_asked(models, tmp_path):
    copy = Path(shutil.copytree(models / "gbm" / "1", tmp_path / "gbm" / "1"))
    card = copy / "card.json"
    card.chmod(0o644)
    card.write_bytes(card.read_bytes() + b" ")
    with pytest.raises(AlteredArtifact):
        sides.open_side(str(copy))


@pytest.mark.parametrize("source", ["nothing", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_what_is_no_side_is_said(source):
    with pytest.raises(UnknownSource, match="expected http://HOST:PORT"):
        sides.open_side(source)


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(UnknownSource) as told:
        sides.open_side("http://me:very-secret@host:port")
    assert "very-secret" not in str(told.value)
    assert sides.redacted("https://me:very-secret@host:7/base?key=7#x") == "https://host:7/base"
