"""D3: this release against the golden answers of the previous release.

Does the code of now answer as recorded, with the very same model; and were the recorded answers changed since
the base branch without approval.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from differential_tests import expected_change, golden, questions, run_file, sides
from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.expected_change import ExpectedChange
from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.golden import Golden
from differential_tests.questions import Question
from differential_tests.recording.strategies import answer_table
from differential_tests.settings.tolerances import Tolerances
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe

PERCENT = 1e-4
"""Of the price: a relative 1e-6, for the base may have been recorded on another machine."""
WORDING = ("$.errors[*].expected", "$.errors[*].got")
"""What is said of a fault may be said better; which row and field it is of may not change."""


class NoBase(RuntimeError):
    """The golden answers of the base branch are not available."""


def compare_recorded(directory: Path, tolerances: Tolerances) -> list[Check]:
    """Compare the golden answers with what the golden models answer now: one check per model."""
    asking, release = golden.read_questions(directory), _release_tolerances(tolerances)
    return [_compare_model(model, asking, release) for model in golden.list_models(directory)]


def _release_tolerances(tolerances: Tolerances) -> Tolerances:
    return tolerances.within(percent=PERCENT).model_copy(update={"ignore": (*tolerances.ignore, *WORDING)})


def _compare_model(model: Golden, asking: Sequence[Question], tolerances: Tolerances) -> Check:
    try:
        side = sides.open_side(str(model.artifact))
    except (InvalidArtifact, AlteredArtifact, UnknownRecipe) as fault:
        return _refused_model(model, len(asking), fault)
    before = table(run_file.read(model.answers), tolerances.ignore)
    now = answer_table(side, asking, tolerances)
    return compare(
        before, now, tolerances, level=Level.D3, name=f"{model.name} as recorded", dataset="golden"
    )


def _refused_model(model: Golden, rows: int, fault: Exception) -> Check:
    detail = f"the code of now refuses the artifact of the release before: {fault}"
    finding = Finding(FindingKind.FAILURE, "all", b=type(fault).__name__, detail=detail)
    return Check(Level.D3, f"{model.name} as recorded", "golden", rows, findings=(finding,))


def compare_base(
    base: Path, now: Path, tolerances: Tolerances, changes: Sequence[ExpectedChange], dataset: str = "golden"
) -> list[Check]:
    """Compare the golden answers of the base branch with the present ones; a change needs approval.

    Compared are the questions that both have: one that was dropped is seen in the pull request.
    """
    release = _release_tolerances(tolerances)
    same = _common_ids(base, now)
    before = {model.name: model for model in golden.list_models(base)}
    return [
        expected_change.judge(
            compare(
                _answers_to(before[model.name].answers, same, release),
                _answers_to(model.answers, same, release),
                release,
                level=Level.D3,
                name=f"{model.name} since the base",
                dataset=dataset,
            ),
            changes,
        )
        for model in golden.list_models(now)
        if model.name in before
    ]


def _common_ids(base: Path, now: Path) -> frozenset[str]:
    """Return the ids of the questions that both directories share."""
    before = {question.id: question for question in golden.read_questions(base)}
    return frozenset(
        question.id for question in golden.read_questions(now) if before.get(question.id) == question
    )


def _answers_to(run: Path, ids: frozenset[str], tolerances: Tolerances) -> AnswerTable:
    """Read the answers to these questions, with a header that agrees between the runs."""
    header = replace(run_file.header(run), questions_sha256=_DIGEST)
    return table((answer for answer in run_file.read(run) if answer.id in ids), tolerances.ignore, header)


_DIGEST = questions.digest([])


@contextmanager
def golden_at_commit(commit: str, directory: Path = golden.DIRECTORY) -> Iterator[Path]:
    """Extract the golden directory of a commit for the time of the context; raise NoBase."""
    top = Path(_git(directory, "rev-parse", "--show-toplevel").decode().strip())
    inner = directory.resolve().relative_to(top)
    data = _git(top, "archive", "--format=tar", commit, "--", str(inner))
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder) / inner


def _git(where: Path, *arguments: str) -> bytes:
    try:
        process = subprocess.run(
            ["git", "-c", "safe.directory=*", *arguments],  # noqa: S607  # whichever git there is
            cwd=where,
            capture_output=True,
            check=False,
        )
    except OSError as fault:
        raise NoBase(f"git cannot be run: {fault}") from fault
    if process.returncode:
        raise NoBase(f"git {' '.join(arguments)}: {process.stderr.decode(errors='replace').strip()}")
    return process.stdout
