"""Harvest questions from a store: houses that cover the traffic, and the hardest ones.

Of N houses up to a tenth are such as a candidate had no answer to, up to a fifth those on which a candidate
and the live model are furthest apart; the others cover what was asked (cover.py). The same store and corpus
give the same questions. A question is named by its content: harvested again, it is not added again.

What must not leave the store does not: entity ids are never read, and masked fields are replaced before
anything looks at them. Such a question is called `harvested-masked-...`: its answers are those to a house
that nobody asked about, and what was hard about it may be gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

from differential_tests.questions import Question
from differential_tests.questions.harvest import coverage
from differential_tests.questions.harvest.coverage import Cover
from differential_tests.questions.harvest.masking import UnknownField, check_fields, content, masked_row
from model_package.schema import Row
from shadow.records import Inputs
from shadow.settings import InvalidSetting, Settings
from shadow.store import Connection, StoreRefused, StoreUnavailable, open_store, sqlite_path
from shadow.store import harvest as stored

LIMIT, NEWEST, FOR_PARTS = 500, 1_000_000, 10_000
SEGMENT = "neighborhood"
_TIMES = 20  # as often the same house may have been asked about


class NoStore(ValueError):
    """No store at the given location."""


FAULTS = (InvalidSetting, NoStore, StoreRefused, StoreUnavailable, UnknownField)
"""What can be wrong with a store, or with what is asked of it; their words hold no secret."""


def harvest_questions(
    store: str,
    *,
    limit: int = LIMIT,
    masked: Collection[str] = (),
    existing: Sequence[Question] = (),
    segment: str = SEGMENT,
) -> list[Question]:
    """Add up to `limit` new questions from a store to the existing ones.

    `store` is a URL or a data directory; of its houses the newest million are looked at. Raises NoStore,
    InvalidSetting, UnknownField, StoreUnavailable.
    """
    hidden = check_fields(masked)
    by = "" if segment in hidden else segment
    with closing(open_store(_url(store))) as opened, opened.reading() as connection:
        rows = list(islice(_distinct(_candidate_rows(connection, limit, hidden, by)), limit))
    return merge(existing, [_question(row, hidden, by) for row in rows])


def configured_mask() -> frozenset[str]:
    """Read the fields of UMBRA_MASKED_FIELDS; raise InvalidSetting."""
    return frozenset(Settings.from_environment().masked_fields)


def merge(existing: Sequence[Question], harvested: Iterable[Question]) -> list[Question]:
    """Add the harvested questions whose content no existing question has."""
    known = {content(question.row) for question in existing if question.row is not None}
    names = {question.id for question in existing}
    new = [question for question in harvested if content(question.row or {}) not in known]
    # A question that was edited by hand has kept its name: what it once was is not put back beside it.
    return [
        *existing,
        *sorted((question for question in new if question.id not in names), key=lambda question: question.id),
    ]


def _candidate_rows(
    connection: Connection, limit: int, masked: frozenset[str], segment: str
) -> Iterator[Row]:
    for hard, share in ((stored.failed, 10), (stored.largest_gaps, 5)):
        most = limit // share
        yield from islice(_distinct(_masked_rows(hard(connection, most * _TIMES), masked)), most)
    edges = coverage.edges(_masked_rows(stored.newest(connection, FOR_PARTS), masked))
    houses = Cover(edges, each=max(3, limit // 100), ordinary=limit)
    for row in _masked_rows(stored.newest(connection, NEWEST), masked):
        houses.add(row, str(row.get(segment, "")))
    yield from houses.chosen()


def _masked_rows(inputs_of_captures: Iterable[Inputs], masked: frozenset[str]) -> Iterator[Row]:
    return (row for inputs in inputs_of_captures if (row := masked_row(inputs, masked)) is not None)


def _distinct(rows: Iterable[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for row in rows:
        if (key := content(row)) not in seen:
            seen.add(key)
            yield row


def _question(row: Row, masked: frozenset[str], segment: str) -> Question:
    mark = "harvested-masked" if masked else "harvested"
    return Question(f"{mark}-{content(row)[:16]}", "harvested", str(row.get(segment, "")), row)


def _url(store: str) -> str:
    """Return the URL of a store or of a data directory; raise NoStore for a missing SQLite file."""
    name = "UMBRA_STORE_URL" if "://" in store else "UMBRA_DATA_DIR"
    url = Settings.from_environment({name: store}).store
    path = sqlite_path(url)
    if path is not None and not path.is_file():
        raise NoStore(
            f"{store}: no store is there; expected a data directory, sqlite:////PATH or postgresql://..."
        )
    return url
