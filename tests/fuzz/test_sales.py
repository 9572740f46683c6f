"""Tables of sales and of questions: refused as documented, or read as another reader reads them."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from how_long import examples
from hypothesis import given
from hypothesis import strategies as st
from odd_tables import ODD_CELLS, cells, number, spoiled, table

from differential_tests.questions import InvalidQuestions, Question
from differential_tests.questions.payloads import Payloads
from model_package.dataset import Dataset, InvalidDataset, read_csv
from model_package.schema import BY_NAME, EXAMPLE, NAMES
from model_package.schema.fields import spelling

HEADER = [*NAMES, "sale_price", "note"]
ROWS = [[*(str(EXAMPLE[name]) for name in NAMES), str(180_000 + number_of), ""] for number_of in range(3)]


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table of sales, perhaps with an odd cell, a cell too many or a column that is there twice."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    order = chance.sample(range(len(HEADER)), len(HEADER))
    header, rows = [HEADER[place] for place in order], [[row[place] for place in order] for row in ROWS]
    odd = draw(st.sampled_from(["nothing", "cell", "cell", "cell", "surplus", "missing", "twice"]))
    row = draw(st.sampled_from(rows))
    if odd == "cell":
        row[draw(st.integers(0, len(row) - 1))] = draw(ODD_CELLS)
    elif odd == "surplus":
        row.append("000")
    elif odd == "missing":
        row.pop()
    elif odd == "twice":
        header[header.index("note")] = draw(st.sampled_from(HEADER))
    return table(header, rows, chance)


RIGHT_TABLE = table(HEADER, ROWS, random.Random(1))


def sales(body: bytes) -> Dataset | None:
    """The sales of a file, or None when it is refused."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        try:
            return read_csv(Path(file.name))
        except InvalidDataset as fault:
            assert Path(file.name).name in str(fault)
    return None


@examples(300)
@given(tables() | spoiled(RIGHT_TABLE) | st.binary(max_size=100))
def test_a_table_of_sales_is_refused_or_every_price_is_that_of_its_row(body: bytes) -> None:
    data = sales(body)
    if data is None:
        return
    rows = [{spelling(column): text for column, text in row.items()} for row in cells(body)]
    assert data.prices.tolist() == [number(row["saleprice"]) for row in rows]
    assert all(1 <= price <= 1e9 for price in data.prices)
    for read, row in zip(data.rows, rows, strict=True):
        codes = [name for name in NAMES if BY_NAME[name].kind == "category"]
        assert [read[name] for name in codes] == [row[spelling(name)] or None for name in codes]


def questions(body: bytes) -> list[Question] | None:
    """The questions of a file, or None when it is refused."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        try:
            return list(Payloads(Path(file.name)))
        except InvalidQuestions as fault:
            assert Path(file.name).name in str(fault)
    return None


@examples(300)
@given(tables() | spoiled(RIGHT_TABLE) | st.binary(max_size=100))
def test_a_table_of_questions_is_refused_or_every_row_is_asked(body: bytes) -> None:
    asked = questions(body)
    if asked is None or any(question.row is None for question in asked) or body.lstrip()[:1] in b"[{":
        return
    for question, row in zip(asked, cells(body), strict=True):
        told: dict[str, Any] = dict(question.row or {})
        assert told.keys() == row.keys() - {"id"}
        assert all(str(row[name]) == "" for name, value in told.items() if value is None)


def test_what_is_not_spoiled_is_read() -> None:
    data, asked = sales(RIGHT_TABLE), questions(RIGHT_TABLE)
    assert data is not None
    assert asked is not None
    assert (len(data.rows), len(asked)) == (3, 3)
