"""D3: this release against the golden answers of the previous one.

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
    """The golden answers of the base branch cannot be had."""


def compare_recorded(directory: Path, tolerances: Tolerances) -> list[Check]:
    """The golden answers against what the code of now says with the golden models: a check for each."""
    asking, release = golden.read_questions(directory), _of_releases(tolerances)
    return [_now(one, asking, release) for one in golden.list_models(directory)]


def _of_releases(tolerances: Tolerances) -> Tolerances:
    return tolerances.within(percent=PERCENT).model_copy(update={"ignore": (*tolerances.ignore, *WORDING)})


def _now(one: Golden, asking: Sequence[Question], tolerances: Tolerances) -> Check:
    try:
        side = sides.open_side(str(one.artifact))
    except (InvalidArtifact, AlteredArtifact, UnknownRecipe) as fault:
        return _unreadable(one, len(asking), fault)
    before = table(run_file.read(one.answers), tolerances.ignore)
    now = answer_table(side, asking, tolerances)
    return compare(before, now, tolerances, level=Level.D3, name=f"{one.name} as recorded", dataset="golden")


def _unreadable(one: Golden, rows: int, fault: Exception) -> Check:
    said = f"the code of now refuses the artifact of the release before: {fault}"
    finding = Finding(FindingKind.FAILURE, "all", b=type(fault).__name__, detail=said)
    return Check(Level.D3, f"{one.name} as recorded", "golden", rows, findings=(finding,))


def compare_base(
    base: Path, now: Path, tolerances: Tolerances, changes: Sequence[ExpectedChange], dataset: str = "golden"
) -> list[Check]:
    """The golden answers of the base branch against those of now: other numbers need an approved change.

    Compared are the questions that both have: one that was dropped is seen in the pull request.
    """
    release = _of_releases(tolerances)
    same = _common(base, now)
    before = {one.name: one for one in golden.list_models(base)}
    return [
        expected_change.judge(
            compare(
                _only(before[one.name].answers, same, release),
                _only(one.answers, same, release),
                release,
                level=Level.D3,
                name=f"{one.name} since the base",
                dataset=dataset,
            ),
            changes,
        )
        for one in golden.list_models(now)
        if one.name in before
    ]


def _common(base: Path, now: Path) -> frozenset[str]:
    """The ids of the questions that are the same in both."""
    before = {one.id: one for one in golden.read_questions(base)}
    return frozenset(one.id for one in golden.read_questions(now) if before.get(one.id) == one)


def _only(run: Path, ids: frozenset[str], tolerances: Tolerances) -> AnswerTable:
    """The answers to these questions; both runs were asked them all, so that their headers agree."""
    header = replace(run_file.header(run), questions_sha256=_DIGEST)
    return table((one for one in run_file.read(run) if one.id in ids), tolerances.ignore, header)


_DIGEST = questions.digest([])


@contextmanager
def golden_at_commit(commit: str, directory: Path = golden.DIRECTORY) -> Iterator[Path]:
    """The golden directory as it was at a commit, while the context lasts; raises NoBase."""
    top = Path(_git(directory, "rev-parse", "--show-toplevel").decode().strip())
    inner = directory.resolve().relative_to(top)
    data = _git(top, "archive", "--format=tar", commit, "--", str(inner))
    with TemporaryDirectory() as place, tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(place, filter="data")
        yield Path(place) / inner


def _git(where: Path, *arguments: str) -> bytes:
    try:
        found = subprocess.run(
            ["git", "-c", "safe.directory=*", *arguments],  # noqa: S607  # whichever git there is
            cwd=where,
            capture_output=True,
            check=False,
        )
    except OSError as fault:
        raise NoBase(f"git cannot be run: {fault}") from fault
    if found.returncode:
        raise NoBase(f"git {' '.join(arguments)}: {found.stderr.decode(errors='replace').strip()}")
    return found.stdout
