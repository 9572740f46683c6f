"""Each level by itself, over sides made for it: what it finds, what it lets pass, what it says."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import builds
import numpy as np
import pytest
from click.testing import CliRunner

from differential_tests import expected_change, golden, questions, run_file
from differential_tests.findings import Check, FindingKind, Level
from differential_tests.golden import recording
from differential_tests.levels import candidate, noise, research, service, suite
from differential_tests.levels.command import levels as command
from differential_tests.levels.golden import NoBase, compare_base, compare_recorded, golden_at_commit
from differential_tests.levels.service import csv_bodies
from differential_tests.levels.suite import Suite
from differential_tests.questions import Question
from differential_tests.recording.strategies import answer_table
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.settings import tolerances
from model_package.schema import EXAMPLE

TERMS = tolerances.read()
HOUSES = [Question(f"house-{n:03d}", "ordinary", row=EXAMPLE | {"lot_area": 5000.0 + n}) for n in range(300)]
Price = Callable[[float], float]


class Made:
    """A side whose answer is a function of the lot; `together` is told how many rows share the request."""

    def __init__(self, price: Price = lambda lot: 20 * lot, together: Callable[[int], float] = float) -> None:
        self._price, self._together = price, together
        self.requests: list[int] = []

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        self.requests.append(len(questions))
        return [self._answer(question, len(questions)) for question in questions]

    def _answer(self, question: Question, together: int) -> SideAnswer:
        lot = float((question.row or EXAMPLE)["lot_area"])
        price = self._price(lot) + self._together(together) - together
        return SideAnswer(question.id, question.kind, question.segment, 200, value={"price_dollars": price})

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        return RunHeader("made", questions_sha256, now.isoformat())

    def close(self) -> None:
        """Nothing is open."""


def _kinds(check: Check) -> set[FindingKind]:
    return {finding.kind for finding in check.findings}


# -- D0


def test_a_side_that_answers_batches_otherwise_than_rows_alone_is_noisy() -> None:
    checks = {
        check.name: check for check in noise(Made(together=lambda rows: rows + (rows > 1)), HOUSES, TERMS)
    }
    assert checks["second call"].passed
    assert len(checks["one by one"].findings) == len(HOUSES)


def test_the_noise_says_how_far_prices_are_apart() -> None:
    second, *_ = noise(Made(), HOUSES, TERMS)
    assert second.facts["largest |ln ratio|"] == "0"


def test_a_side_that_counts_its_calls_is_noisy_at_the_second() -> None:
    calls: list[float] = []

    def later(lot: float) -> float:
        calls.append(lot)
        return lot * 20 * (1 + 1e-9 * (len(calls) > len(HOUSES)))

    assert _kinds(noise(Made(later), HOUSES, TERMS)[0]) == {FindingKind.NUMBER}


# -- the suite


def test_an_exception_nobody_foresaw_costs_the_checks_of_no_level(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(suite, "search_company", fails)
    wanted = frozenset({Level.D0, Level.D5})
    climb = Suite(models / "linear" / "1", TERMS, questions=HOUSES[:20], levels=wanted, examples=2)
    *completed, lost = list(climb.checks())
    assert "ZeroDivisionError: planted" in lost.error
    assert {"second call", "possible", "any house"} <= {check.name for check in completed}
    assert not any(check.error for check in completed if check.level is Level.D0)


def test_on_a_terminal_it_says_meanwhile_what_is_being_done(models: Path, tmp_path: Path) -> None:
    questions.write(tmp_path / "few.jsonl", HOUSES[:3])
    ours, terminal = pty.openpty()
    asking = ["levels", str(models / "linear" / "1"), "--payloads", "few.jsonl", "--level", "D0"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "differential_tests", *asking],
            cwd=tmp_path,
            stderr=terminal,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(suite.__file__).parents[2])},
            stdout=subprocess.DEVNULL,
        )
        assert done.returncode == 0
        assert "D0 noise" in os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(terminal)


# -- D1


def test_a_pipeline_a_billionth_apart_is_found_and_a_trillionth_is_not() -> None:
    def pipeline(factor: float) -> Callable[..., object]:
        return lambda rows: np.array([20 * float(row["lot_area"]) * factor for row in rows])

    near = research(pipeline(1 + 1e-12), Made(), HOUSES, TERMS, name="near")  # type: ignore[arg-type]
    far = research(pipeline(1 + 1e-8), Made(), HOUSES, TERMS, name="far")  # type: ignore[arg-type]
    assert near.passed
    assert len(far.findings) == len(HOUSES)


# -- D2


def test_rows_are_asked_in_batches_one_by_one_and_as_csv() -> None:
    package, other = Made(), Made()
    checks = service(package, other, HOUSES, TERMS)
    assert [check.name for check in checks] == ["batches", "one by one", "CSV"]
    assert all(check.passed for check in checks)
    assert set(other.requests) == {len(HOUSES), 1}


def test_csv_bodies_hold_every_row_once_and_what_is_refused_alone() -> None:
    unseen = [replace(HOUSES[0], id="unseen", kind="unseen"), replace(HOUSES[1], id="odd", kind="malformed")]
    bodies = [question.body or "" for question in csv_bodies([*HOUSES, *unseen])]
    assert [body.count("\r\n") - 1 for body in bodies] == [100, 100, 100, 1]


# -- D3


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a golden directory with few questions, recorded by the present code."""
    directory = tmp_path_factory.mktemp("small") / "golden"
    directory.mkdir()
    shutil.copytree(golden.DIRECTORY / "models", directory / "models")
    questions.write(directory / golden.QUESTIONS, golden.read_questions()[::12])
    recording.record(directory)
    return directory


def _copy(small: Path, directory: Path, factor: float = 1.0, artifact: str = "") -> Path:
    """Change the golden answers as another artifact would."""
    directory.mkdir()
    shutil.copytree(golden.DIRECTORY / "models", directory / "models")
    questions.write(directory / golden.QUESTIONS, golden.read_questions(small))
    for model in golden.list_models(small):
        head = run_file.header(model.answers)
        header = replace(head, artifact_sha256=artifact or head.artifact_sha256)
        answers = [_times(answer, factor) for answer in run_file.read(model.answers)]
        run_file.write(directory / model.answers.name, header, answers)
    return directory


def _times(answer: SideAnswer, factor: float) -> SideAnswer:
    if not isinstance(answer.value, dict) or "price_dollars" not in answer.value:
        return answer
    return replace(answer, value={"price_dollars": answer.value["price_dollars"] * factor})


def test_the_golden_answers_are_those_of_the_code_of_now(small: Path) -> None:
    checks = compare_recorded(small, TERMS)
    assert {check.name for check in checks} == {"gbm as recorded", "linear as recorded"}
    assert all(check.passed and check.rows > 30 for check in checks)


def test_other_answers_of_the_same_model_are_found(small: Path, tmp_path: Path) -> None:
    checks = compare_recorded(_copy(small, tmp_path / "golden", factor=1 + 3e-6), TERMS)
    assert all(_kinds(check) == {FindingKind.NUMBER} for check in checks)


def test_recording_again_writes_the_same_bytes(small: Path) -> None:
    before = {model.name: model.answers.read_bytes() for model in golden.list_models(small)}
    recording.record(small)
    assert {model.name: model.answers.read_bytes() for model in golden.list_models(small)} == before


def test_an_artifact_that_the_code_of_now_refuses_is_a_finding(small: Path, tmp_path: Path) -> None:
    directory = _copy(small, tmp_path / "golden")
    shutil.rmtree(directory / "models")
    for model in golden.list_models(small):
        home = directory / "models" / model.name / "1"
        home.mkdir(parents=True)
        (home / "manifest.json").write_text("{}")
    assert [_kinds(check) for check in compare_recorded(directory, TERMS)] == [{FindingKind.FAILURE}] * 2


def test_golden_answers_that_changed_need_an_approved_change(small: Path, tmp_path: Path) -> None:
    now = _copy(small, tmp_path / "golden", factor=1.02, artifact="b" * 64)
    gbm, linear = compare_base(small, now, TERMS, ())
    assert gbm.findings
    (needed,) = [finding for finding in linear.findings if finding.kind is FindingKind.BUDGET]
    text = needed.detail[needed.detail.index("[[change]]") :].replace(
        'reason = ""', 'reason = "trained on 2010"'
    )
    entry = expected_change.parse(text.replace('approved_by = ""', 'approved_by = "a reviewer"'))
    _, excused = compare_base(small, now, TERMS, entry)
    assert excused.passed
    assert "a reviewer" in excused.facts[expected_change.FACT]


def test_questions_that_one_of_the_two_has_not_are_left_out(small: Path, tmp_path: Path) -> None:
    now = _copy(small, tmp_path / "golden")
    questions.write(now / golden.QUESTIONS, golden.read_questions(small)[1:])
    checks = compare_base(small, now, TERMS, ())
    assert all(check.passed for check in checks)
    assert {check.rows for check in checks} == {len(golden.read_questions(small)) - 1}


def test_the_golden_answers_of_a_commit_are_those_that_were_committed(small: Path, tmp_path: Path) -> None:
    _copy(small, tmp_path / "golden")
    for arguments in (["init", "--quiet"], ["add", "golden"], ["commit", "--quiet", "-m", "golden"]):
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=tmp_path, check=True
        )
    (tmp_path / "golden" / golden.QUESTIONS).write_text("")
    with golden_at_commit("HEAD", tmp_path / "golden") as base:
        assert golden.read_questions(base) == golden.read_questions(small)


def test_a_commit_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoBase, match="not a git repository"):
        golden_at_commit("HEAD", tmp_path).__enter__()


# -- D4


def _against(live: Price, other: Price) -> Check:
    return candidate(answer_table(Made(live), HOUSES, TERMS), answer_table(Made(other), HOUSES, TERMS), TERMS)


def test_a_candidate_that_disagrees_by_a_third_is_described_and_no_finding() -> None:
    check = _against(lambda lot: 20 * lot, lambda lot: 26 * lot)
    assert check.passed
    assert check.facts["bias of the candidate"] == "0.2624"
    assert check.facts["more than 5, 10, 20 % apart"] == "100.00%, 100.00%, 100.00%"


def test_one_house_at_three_times_the_price_may_be_chance_and_four_are_not() -> None:
    def dearer(houses: int) -> Check:
        return _against(lambda lot: 20 * lot, lambda lot: 20 * lot * (3 if lot < 5000 + houses else 1))

    assert dearer(1).passed
    four = dearer(4)
    assert [finding.kind for finding in four.findings] == [FindingKind.BUDGET, *[FindingKind.NUMBER] * 4]


@pytest.mark.parametrize(
    ("price", "kind"),
    [
        (float("nan"), FindingKind.NAN),
        (float("inf"), FindingKind.INFINITE),
        (-100_000.0, FindingKind.SIGN),
        (12.1, FindingKind.BUDGET),
        (20_000_000.0, FindingKind.BUDGET),
    ],
)
def test_one_impossible_price_is_a_finding(price: float, kind: FindingKind) -> None:
    check = _against(lambda lot: 20 * lot, lambda lot: price if lot == 5007 else 20 * lot)
    assert kind in {finding.kind for finding in check.findings if finding.row == "house-007"}


def test_a_candidate_that_says_one_price_for_all_is_a_finding() -> None:
    check = _against(lambda lot: 20 * lot, lambda _: 105_000)
    assert [finding.detail for finding in check.findings] == [
        "1 different prices where the live model has 300; 300 houses cost 105,000"
    ]


def test_a_candidate_that_answers_the_same_is_proved_no_worse_without_outcomes() -> None:
    proofs = {
        factor: _against(lambda lot: 20 * lot, lambda lot, factor=factor: 20 * lot * factor).facts
        for factor in (1.0, 1.05)
    }
    proved = "proved no worse than 0.003 without outcomes"
    assert proofs[1.05][proved] == "no"
    assert proved in proofs[1.0]


# -- the suite


def test_what_cannot_be_run_is_a_check_with_an_error_and_the_others_go_on(models: Path) -> None:
    levels = frozenset({Level.D0, Level.D4})
    suite_run = Suite(models / "linear" / "1", TERMS, candidate="nobody", levels=levels, questions=HOUSES)
    checks = list(suite_run.checks())
    assert {check.level for check in checks if check.passed} == {Level.D0}
    (failed,) = [check for check in checks if check.level is Level.D4]
    assert "'nobody'" in failed.error


def test_levels_without_anything_to_compare_are_left_out(models: Path) -> None:
    levels = frozenset({Level.D1, Level.D2, Level.D4})
    assert list(Suite(models / "linear" / "1", TERMS, levels=levels).checks()) == []


def test_a_declared_promise_that_is_broken_is_found_and_the_house_is_kept(
    models: Path, tmp_path: Path
) -> None:
    def cheaper_by_size(files: dict[str, bytes]) -> None:
        model = json.loads(files["model.json"])
        model["numbers"]["living_area"] *= -1
        files["model.json"] = json.dumps(model).encode()

    package = builds.artifact(models / "linear" / "1", tmp_path / "models", cheaper_by_size)
    corpus = tmp_path / "found.jsonl"
    asked_for = [str(package), "--level", "D5", "--examples", "20", "--found", str(corpus)]
    done = CliRunner().invoke(command, asked_for, standalone_mode=False)
    assert done.return_value == 1
    assert "more living_area" in done.output
    assert "10 % more living_area" in next(questions.read(corpus)).id
