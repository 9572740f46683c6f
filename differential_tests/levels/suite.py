"""The ladder: every level for which there is what it takes, from D0 to D5."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from differential_tests import expected_change, golden, sides
from differential_tests.findings import Check, Level, require_answers
from differential_tests.levels.candidate import candidate
from differential_tests.levels.golden import NoBase, compare_base, compare_recorded, golden_at_commit
from differential_tests.levels.metamorphic import relations
from differential_tests.levels.noise import noise, pair
from differential_tests.levels.research import Refitted, is_trained_on, refit, research
from differential_tests.levels.search import (
    EXAMPLES,
    SearchResult,
    search_company,
    search_disagreement,
    search_relations,
)
from differential_tests.levels.service import service
from differential_tests.questions import JSON, InvalidQuestions, Question, corpus
from differential_tests.recording import SideDead
from differential_tests.recording.strategies import answer_table
from differential_tests.run_file import InvalidRun
from differential_tests.settings.tolerances import Tolerances
from differential_tests.settings.toml_file import InvalidDocument
from differential_tests.sides import Side, UnknownSource
from model_package import artifact, dataset, recipes
from model_package.artifact import AlteredArtifact, InvalidArtifact, Model
from model_package.dataset import InvalidDataset, Split
from model_package.recipes import UnknownRecipe
from model_package.schema import Row
from monitoring.terminal import say_trace

NOISE_ROWS, SERVICE_ROWS, SEARCHED_FROM = 500, 100, 50
HOUSES = frozenset({"ordinary", "harvested", "given"})
SERVICE_SHARE = 10
"""Over HTTP hypothesis tries so much less: an example is a dozen requests."""
FAULTS = (
    AlteredArtifact,
    InvalidArtifact,
    InvalidDataset,
    InvalidDocument,
    InvalidQuestions,
    InvalidRun,
    NoBase,
    OSError,
    SideDead,
    UnknownRecipe,
    UnknownSource,
)
Step = Callable[[], Iterable[Check]]


@dataclass(frozen=True, slots=True)
class Suite:
    """What is there to be compared. `package` is the artifact of the live model, `service` where it answers.

    `sales` (CSV) are what the recipes are fitted to again, `questions` what is asked (else: the held-out
    sales and the corpus), `candidate` an artifact or a service, `base` the commit whose golden answers count,
    `recipes` those that are fitted again (else: all that are known).
    A level is left out when it has nothing to compare.
    """

    package: Path
    tolerances: Tolerances
    service: str = ""
    sales: Path | None = None
    questions: Sequence[Question] | None = None
    candidate: str = ""
    golden: Path = golden.DIRECTORY
    base: str = ""
    recipes: Sequence[str] = ()
    examples: int = EXAMPLES
    levels: frozenset[Level] = frozenset(Level)
    found: list[Question] = field(default_factory=list)

    def checks(self, begun: Callable[[str], None] = lambda _: None) -> Iterator[Check]:
        """All of them, in the order of the levels; what cannot be run is a check with an error.

        `begun` is told the name of each step, some of which take minutes.
        """
        with TemporaryDirectory() as models:
            climb = _SuiteRun(self, Path(models))
            for level, steps in climb.steps().items():
                if level in self.levels:
                    for step in steps:
                        begun(f"{level} {_name(step)}")
                        yield from _tried(level, step)


def _tried(level: Level, step: Step) -> Iterator[Check]:
    """The checks of a step; what ends it costs no check that was made, there or at another level."""
    ended = Check(level, _name(step), "", 0)
    try:
        yield from map(require_answers, step())
    except FAULTS as fault:
        yield replace(ended, error=str(fault))
    except Exception as fault:  # noqa: BLE001 (a defect here, or in what is asked: the trace tells)
        say_trace()
        yield replace(ended, error=f"not foreseen, see the trace: {type(fault).__name__}: {fault}")


def _name(step: Step) -> str:
    return str(step.__name__).replace("_", " ")


class _SuiteRun:
    """One way up. What is loaded or fitted is kept, for several levels need it."""

    def __init__(self, ladder: Suite, models: Path) -> None:
        self._ladder, self._tolerances, self._models = ladder, ladder.tolerances, models

    def steps(self) -> Mapping[Level, Sequence[Step]]:
        """What there is to do."""
        ladder = self._ladder
        over_http, fitted = bool(ladder.service), ladder.sales is not None
        return {
            Level.D0: [self.noise, *([self.noise_of_service] if over_http else [])],
            Level.D1: [self.research] if fitted else [],
            Level.D2: [self.service] if over_http else [],
            Level.D3: [self.recorded, *([self.since_base] if ladder.base else [])],
            Level.D4: [self.candidates] if ladder.candidate or fitted else [],
            Level.D5: [self.relations, *([self.relations_of_service] if over_http else [])],
        }

    def noise(self) -> list[Check]:
        return noise(self._package, self._houses[:NOISE_ROWS], self._tolerances, dataset="package")

    def noise_of_service(self) -> list[Check]:
        return noise(self._service, self._houses[:NOISE_ROWS], self._tolerances, dataset="service")

    def research(self) -> Iterator[Check]:
        """Each recipe fitted again against what is saved of it, and against the package if that is it."""
        for one in self._refitted:
            pipeline, fresh = one.fitted.research, _side(one.directory)
            yield research(pipeline, fresh, self._houses, self._tolerances, name=one.recipe, dataset="sales")
            if one.recipe == self._model.name and is_trained_on(self._model.card, self._split, self._seed):
                name = f"{one.recipe} as it was saved"
                yield research(
                    pipeline, self._package, self._houses, self._tolerances, name=name, dataset="sales"
                )

    def service(self) -> list[Check]:
        asking = [*self._houses, *(one for one in self._questions if not _is_house(one))]
        noisy = pair(self._service, self._houses, self._tolerances)
        return service(
            self._package, self._service, asking, self._tolerances, noise=noisy, dataset="houses, edges"
        )

    def recorded(self) -> list[Check]:
        return compare_recorded(self._ladder.golden, self._tolerances)

    def since_base(self) -> list[Check]:
        changes = self._ladder.golden / golden.CHANGES
        approvals = expected_change.read(changes) if changes.is_file() else ()
        with golden_at_commit(self._ladder.base, self._ladder.golden) as base:
            return compare_base(base, self._ladder.golden, self._tolerances, approvals)

    def candidates(self) -> Iterator[Check]:
        """The live model against the candidate that was named, else against all that was fitted again."""
        named = self._ladder.candidate
        others = {named: sides.open_side(named, self._tolerances.service)} if named else self._fresh
        live = answer_table(self._package, self._houses, self._tolerances)
        for name, side in others.items():
            yield candidate(
                live, answer_table(side, self._houses, self._tolerances), self._tolerances, dataset=name
            )
        for name, side in others.items():
            worst = search_disagreement(self._package, side, self._rows, examples=self._ladder.examples)
            yield self._kept(worst, name)

    def relations(self) -> Iterator[Check]:
        return self._related(self._package, self._houses, self._ladder.examples, "package")

    def relations_of_service(self) -> Iterator[Check]:
        few = max(1, self._ladder.examples // SERVICE_SHARE)
        return self._related(self._service, self._houses[:SERVICE_ROWS], few, "service")

    def _related(
        self, side: Side, houses: Sequence[Question], examples: int, dataset: str
    ) -> Iterator[Check]:
        monotone = self._model.card.get("monotone", ())
        yield from relations(side, houses, monotone=monotone, dataset=dataset)
        yield self._kept(search_relations(side, self._rows, monotone=monotone, examples=examples), dataset)
        yield self._kept(search_company(side, self._rows, examples=examples), dataset)

    def _kept(self, one: SearchResult, dataset: str) -> Check:
        self._ladder.found.extend(one.houses)
        return replace(one.check, dataset=f"{dataset}, by hypothesis")

    @cached_property
    def _model(self) -> Model:
        return artifact.load(self._ladder.package.resolve())

    @cached_property
    def _package(self) -> Side:
        return _side(self._ladder.package)

    @cached_property
    def _service(self) -> Side:
        told = self._tolerances.service
        headers = {"Accept": JSON, **told.get("headers", {})}  # of CSV, too, the answer is wanted as JSON
        return sides.open_side(self._ladder.service, {**told, "headers": headers})

    @cached_property
    def _split(self) -> Split:
        if self._ladder.sales is None:
            raise InvalidDataset("no sales were named: nothing can be fitted again")
        return dataset.split(dataset.read_csv(self._ladder.sales))

    @property
    def _seed(self) -> int:
        return int(self._model.card.get("seed", 0))

    @cached_property
    def _refitted(self) -> list[Refitted]:
        names = self._ladder.recipes or recipes.names()
        return [refit(name, self._split, self._seed, self._models) for name in names]

    @property
    def _fresh(self) -> dict[str, Side]:
        return {f"{one.recipe}, fitted again": _side(one.directory) for one in self._refitted}

    @cached_property
    def _questions(self) -> Sequence[Question]:
        return corpus.questions() if self._ladder.questions is None else self._ladder.questions

    @cached_property
    def _houses(self) -> list[Question]:
        """Rows that are answered: the held-out sales, else the ordinary ones of the questions."""
        if self._ladder.sales is None:
            return [one for one in self._questions if _is_house(one)]
        rows = self._split.held_out.rows
        return [Question(f"sale-{number:05d}", "ordinary", row=row) for number, row in enumerate(rows)]

    @property
    def _rows(self) -> list[Row]:
        return [dict(one.row) for one in self._houses[:SEARCHED_FROM] if one.row is not None]


def _is_house(one: Question) -> bool:
    return one.kind in HOUSES and one.row is not None


def _side(directory: Path) -> Side:
    return sides.open_side(str(directory))
