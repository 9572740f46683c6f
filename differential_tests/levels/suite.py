"""The suite: every level from D0 to D5 that has something to compare."""

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
from monitoring.terminal import print_traceback

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
    """What to compare. `package` is the artifact of the live model, `service` the address where it answers.

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
    new_questions: list[Question] = field(default_factory=list)

    def checks(self, on_step: Callable[[str], None] = lambda _: None) -> Iterator[Check]:
        """Run the levels in order; a step that cannot run becomes a check with an error.

        Call `on_step` with the name of each step, for some take minutes.
        """
        with TemporaryDirectory() as models:
            run = _SuiteRun(self, Path(models))
            for level, steps in run.steps().items():
                if level in self.levels:
                    for step in steps:
                        on_step(f"{level} {_name(step)}")
                        yield from _run_step(level, step)


def _run_step(level: Level, step: Step) -> Iterator[Check]:
    """Yield the checks of a step; an error becomes one more check and loses none of the others."""
    ended = Check(level, _name(step), "", 0)
    try:
        yield from map(require_answers, step())
    except FAULTS as fault:
        yield replace(ended, error=str(fault))
    except Exception as fault:  # noqa: BLE001 (a defect here, or in what is asked: the trace tells)
        print_traceback()
        yield replace(ended, error=f"not foreseen, see the trace: {type(fault).__name__}: {fault}")


def _name(step: Step) -> str:
    return str(step.__name__).replace("_", " ")


class _SuiteRun:
    """One run of a suite; caches loaded and fitted models, for several levels need them."""

    def __init__(self, suite: Suite, models: Path) -> None:
        self._suite, self._tolerances, self._models = suite, suite.tolerances, models

    def steps(self) -> Mapping[Level, Sequence[Step]]:
        """Return the steps of each level that can run."""
        suite = self._suite
        over_http, fitted = bool(suite.service), suite.sales is not None
        return {
            Level.D0: [self.noise, *([self.noise_of_service] if over_http else [])],
            Level.D1: [self.research] if fitted else [],
            Level.D2: [self.service] if over_http else [],
            Level.D3: [self.recorded, *([self.since_base] if suite.base else [])],
            Level.D4: [self.candidates] if suite.candidate or fitted else [],
            Level.D5: [self.relations, *([self.relations_of_service] if over_http else [])],
        }

    def noise(self) -> list[Check]:
        return noise(self._package, self._houses[:NOISE_ROWS], self._tolerances, dataset="package")

    def noise_of_service(self) -> list[Check]:
        return noise(self._service, self._houses[:NOISE_ROWS], self._tolerances, dataset="service")

    def research(self) -> Iterator[Check]:
        """Compare each refitted recipe with its saved artifact, and with the package if it is the same."""
        for refitted in self._refitted:
            pipeline, fresh = refitted.fitted.research, _side(refitted.directory)
            yield research(
                pipeline, fresh, self._houses, self._tolerances, name=refitted.recipe, dataset="sales"
            )
            if refitted.recipe == self._model.name and is_trained_on(
                self._model.card, self._split, self._seed
            ):
                name = f"{refitted.recipe} as it was saved"
                yield research(
                    pipeline, self._package, self._houses, self._tolerances, name=name, dataset="sales"
                )

    def service(self) -> list[Check]:
        asking = [*self._houses, *(question for question in self._questions if not _is_house(question))]
        noisy = pair(self._service, self._houses, self._tolerances)
        return service(
            self._package, self._service, asking, self._tolerances, noise=noisy, dataset="houses, edges"
        )

    def recorded(self) -> list[Check]:
        return compare_recorded(self._suite.golden, self._tolerances)

    def since_base(self) -> list[Check]:
        changes = self._suite.golden / golden.CHANGES
        approvals = expected_change.read(changes) if changes.is_file() else ()
        with golden_at_commit(self._suite.base, self._suite.golden) as base:
            return compare_base(base, self._suite.golden, self._tolerances, approvals)

    def candidates(self) -> Iterator[Check]:
        """Compare the live model with the named candidate, or with every recipe fitted again."""
        named = self._suite.candidate
        others = {named: sides.open_side(named, self._tolerances.service)} if named else self._refitted_sides
        live = answer_table(self._package, self._houses, self._tolerances)
        for name, side in others.items():
            yield candidate(
                live, answer_table(side, self._houses, self._tolerances), self._tolerances, dataset=name
            )
        for name, side in others.items():
            worst = search_disagreement(self._package, side, self._search_rows, examples=self._suite.examples)
            yield self._collect(worst, name)

    def relations(self) -> Iterator[Check]:
        return self._check_relations(self._package, self._houses, self._suite.examples, "package")

    def relations_of_service(self) -> Iterator[Check]:
        few = max(1, self._suite.examples // SERVICE_SHARE)
        return self._check_relations(self._service, self._houses[:SERVICE_ROWS], few, "service")

    def _check_relations(
        self, side: Side, houses: Sequence[Question], examples: int, dataset: str
    ) -> Iterator[Check]:
        monotone = self._model.card.get("monotone", ())
        yield from relations(side, houses, monotone=monotone, dataset=dataset)
        yield self._collect(
            search_relations(side, self._search_rows, monotone=monotone, examples=examples), dataset
        )
        yield self._collect(search_company(side, self._search_rows, examples=examples), dataset)

    def _collect(self, result: SearchResult, dataset: str) -> Check:
        self._suite.new_questions.extend(result.houses)
        return replace(result.check, dataset=f"{dataset}, by hypothesis")

    @cached_property
    def _model(self) -> Model:
        return artifact.load(self._suite.package.resolve())

    @cached_property
    def _package(self) -> Side:
        return _side(self._suite.package)

    @cached_property
    def _service(self) -> Side:
        service = self._tolerances.service
        headers = {"Accept": JSON, **service.get("headers", {})}  # of CSV, too, the answer is wanted as JSON
        return sides.open_side(self._suite.service, {**service, "headers": headers})

    @cached_property
    def _split(self) -> Split:
        if self._suite.sales is None:
            raise InvalidDataset("no sales were named: nothing can be fitted again")
        return dataset.split(dataset.read_csv(self._suite.sales))

    @property
    def _seed(self) -> int:
        return int(self._model.card.get("seed", 0))

    @cached_property
    def _refitted(self) -> list[Refitted]:
        names = self._suite.recipes or recipes.names()
        return [refit(name, self._split, self._seed, self._models) for name in names]

    @property
    def _refitted_sides(self) -> dict[str, Side]:
        return {f"{refitted.recipe}, fitted again": _side(refitted.directory) for refitted in self._refitted}

    @cached_property
    def _questions(self) -> Sequence[Question]:
        return corpus.questions() if self._suite.questions is None else self._suite.questions

    @cached_property
    def _houses(self) -> list[Question]:
        """Return rows with an answer: the held-out sales, or the ordinary questions."""
        if self._suite.sales is None:
            return [question for question in self._questions if _is_house(question)]
        rows = self._split.held_out.rows
        return [Question(f"sale-{number:05d}", "ordinary", row=row) for number, row in enumerate(rows)]

    @property
    def _search_rows(self) -> list[Row]:
        return [dict(house.row) for house in self._houses[:SEARCHED_FROM] if house.row is not None]


def _is_house(question: Question) -> bool:
    return question.kind in HOUSES and question.row is not None


def _side(directory: Path) -> Side:
    return sides.open_side(str(directory))
