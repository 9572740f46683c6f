from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_package import dataset, schema, sources
from model_package.dataset import Dataset, InvalidDataset
from model_package.schema import EXAMPLE, FIELDS, Row
from model_package.schema.fields import TARGET, TARGET_SOURCE


def write(path: Path, rows: list[Row], name: Callable[[schema.Field], str], target: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*map(name, FIELDS), target, "Order"])
        for index, row in enumerate(rows):
            cells = ["" if row[f.name] is None else row[f.name] for f in FIELDS]
            writer.writerow([*cells, 100_000 + index, index])
    return path


def original(path: Path, rows: list[Row]) -> Path:
    """A table under the original Ames names."""
    return write(path, rows, lambda field: field.source, TARGET_SOURCE)


def sold(year: int, month: int) -> Row:
    return EXAMPLE | {"year_sold": year, "month_sold": month}


def sales(*dates: tuple[int, int]) -> Dataset:
    return dataset.dataset([sold(*date) for date in dates], np.arange(1.0, len(dates) + 1), "a test")


def test_original_names_schema_names_and_squeezed_names_read_alike(tmp_path: Path) -> None:
    rows: list[Row] = [EXAMPLE, EXAMPLE | {"lot_frontage": None, "garage_type": "NA"}]
    spellings: dict[str, tuple[Callable[[schema.Field], str], str]] = {
        "original": (lambda field: field.source, TARGET_SOURCE),
        "schema": (lambda field: field.name, TARGET),
        "squeezed": (lambda field: field.source.replace(" ", "").replace("/", ""), TARGET_SOURCE),
    }
    read = [dataset.read_csv(write(tmp_path / f"{k}.csv", rows, *how)) for k, how in spellings.items()]
    for data in read:
        assert data.rows == tuple(rows)
        assert data.prices.tolist() == [100_000, 100_001]
    assert len({data.digest for data in read}) == 1
    assert read[0].source == "file original.csv"


def test_the_digest_tells_of_every_value_and_price() -> None:
    one = sales((2006, 1), (2007, 2))
    assert one.digest == sales((2006, 1), (2007, 2)).digest
    assert one.digest != sales((2006, 1), (2007, 3)).digest
    assert one.digest != dataset.dataset(one.rows, one.prices * 2, "a test").digest


def test_prices_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        sales((2006, 1)).prices[0] = 5


def test_a_typing_error_in_a_nullable_number_is_null(tmp_path: Path) -> None:
    data = dataset.read_csv(original(tmp_path / "a.csv", [EXAMPLE | {"garage_year_built": 2207}]))
    assert data.rows[0]["garage_year_built"] is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("living_area", "big", r"line 2: living_area: expected a number from .*, got \"big\""),
        ("living_area", None, "line 2: living_area: .* got null"),
        ("zoning", "XX", "line 2: zoning: expected one of"),
        ("rooms", 6.5, r"line 2: rooms: .* got 6\.5"),
        ("year_sold", 3000, "line 2: year_sold: .* got 3000"),
    ],
)
def test_what_is_no_house_is_refused_with_its_line(
    tmp_path: Path, field: str, value: schema.Value, words: str
) -> None:
    with pytest.raises(InvalidDataset, match=words):
        dataset.read_csv(original(tmp_path / "a.csv", [EXAMPLE | {field: value}]))


@pytest.mark.parametrize("price", ["0", "-1", "", "NA", "nan", "inf", "1,000"])
def test_a_price_is_dollars_above_zero(tmp_path: Path, price: str) -> None:
    path = original(tmp_path / "a.csv", [EXAMPLE])
    path.write_text(path.read_text().replace("100000", f'"{price}"'))
    with pytest.raises(InvalidDataset, match="line 2: SalePrice"):
        dataset.read_csv(path)


def test_missing_columns_are_all_named(tmp_path: Path) -> None:
    path = original(tmp_path / "a.csv", [EXAMPLE])
    path.write_text(path.read_text().replace("Gr Liv Area", "area").replace("SalePrice", "price"))
    with pytest.raises(InvalidDataset, match=r"Gr Liv Area \(or living_area\), SalePrice \(or sale_price\)"):
        dataset.read_csv(path)


@pytest.mark.parametrize("content", [b"", b"Gr Liv Area\n", b"\xff\xfe", b'a,b\n"'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match=r"a\.csv"):
        dataset.read_csv(path)


def test_a_line_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = original(tmp_path / "a.csv", [EXAMPLE])
    path.write_text(path.read_text() + "RL,70\n")
    with pytest.raises(InvalidDataset, match="line 3"):
        dataset.read_csv(path)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidDataset, match=r"nowhere\.csv"):
        sources.sales("nowhere.csv", 1)


def test_a_split_holds_out_the_last_year() -> None:
    dates = [(year, month) for year in (2006, 2007, 2008) for month in (1, 6, 12)]
    random.Random(1).shuffle(dates)
    parts = dataset.split(sales(*dates))
    assert parts.held_out_from == (2008, 1)
    assert {row["year_sold"] for row in parts.held_out.rows} == {2008}
    assert len(parts.train.rows) == 6
    together = [*parts.train.prices.tolist(), *parts.held_out.prices.tolist()]
    assert sorted(together) == list(range(1, 10))


def test_every_held_out_sale_is_later_than_every_training_sale() -> None:
    parts = dataset.split(sales(*[(2006, month) for month in range(1, 13)]))
    assert max(map(dataset.month_of, parts.train.rows)) < min(map(dataset.month_of, parts.held_out.rows))
    assert parts.held_out_from == (2006, 10)


def test_a_split_may_be_asked_for_at_a_month() -> None:
    parts = dataset.split(sales((2006, 1), (2006, 2), (2007, 1)), held_out_from=(2006, 2))
    assert len(parts.held_out.rows) == 2


def test_sales_that_cannot_be_split_are_refused() -> None:
    for dates in ([], [(2006, 1)], [(2006, 11), (2006, 12)]):
        with pytest.raises(InvalidDataset, match="cannot split"):
            dataset.split(sales(*dates))


def test_the_real_sales_read_as_they_are(ames_csv: Path) -> None:
    data = dataset.read_csv(ames_csv)
    assert len(data.rows) == 2589
    assert min(data.prices) == 13100
    assert sum(row["garage_type"] == "NA" for row in data.rows) == 134
    assert sum(row["lot_frontage"] is None for row in data.rows) == 439
    # 136 empty cells, and the garage of the year 2207.
    assert sum(row["garage_year_built"] is None for row in data.rows) == 137
    body = ",".join(schema.NAMES)
    lines = (",".join("" if v is None else str(v) for v in row.values()) for row in data.rows)
    assert schema.parse_csv("\n".join([body, *lines]).encode(), 3000).rows == list(data.rows)


def test_the_openml_table_reads_empty_cells_as_none() -> None:
    """OpenML itself needs the internet; its table has the squeezed names, and no `NA` codes."""
    squeezed = {field.source.replace(" ", "").replace("/", ""): EXAMPLE[field.name] for field in FIELDS}
    cells = {name: str(value) for name, value in squeezed.items()} | {"SalePrice": "150000"}
    cells |= {"GarageType": "", "GarageFinish": "", "GarageYrBlt": "", "FireplaceQu": "", "Fireplaces": "0"}
    (row,) = dataset._from_records([cells], "OpenML", empty_is_none=True).rows
    none = {"garage_type": "NA", "garage_finish": "NA", "garage_year_built": None}
    assert row == EXAMPLE | none | {"fireplace_quality": "NA", "fireplaces": 0}
