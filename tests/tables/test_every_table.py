"""The same odd tables for everything that reads one: all read it, or all refuse it at one line and column."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from differential_tests.questions import InvalidQuestions
from differential_tests.questions.payloads import Payloads
from model_package import dataset, schema, spool
from model_package.dataset import InvalidDataset
from model_package.schema import EXAMPLE, NAMES, InvalidRows, MalformedBody
from model_package.tables import InvalidTable
from shadow import outcomes
from shadow.outcomes.csv_file import InvalidOutcomeFile, OutcomeFile
from shadow.records import new_capture_ids

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDS = [str(name) for name in new_capture_ids(4, int(NOW.timestamp() * 1000), 7)]
HOUSES = [[str(EXAMPLE[name]) for name in NAMES] for _ in range(4)]
SALES = [[name, "183000.5", "2026-11-20", "sold", "registry"] for name in IDS]
SALE_COLUMNS = ["prediction_id", "price_dollars", "sold_at", "state", "source"]


@dataclass(frozen=True)
class Reader:
    """A way in which a table is read: `read` counts its rows; a `body` has no file."""

    header: list[str]
    rows: list[list[str]]
    read: Callable[[Path], int]
    refusals: tuple[type[Exception], ...]
    body: bool = False


def _training(path: Path) -> int:
    return len(dataset.read_csv(path).rows)


def _outcome_file(path: Path) -> int:
    file = OutcomeFile(path, NOW)
    counted = file.check(lambda _: None).total()
    assert len(list(file.outcomes())) == counted
    return counted


def _request(path: Path) -> int:
    return len(schema.parse_csv(path.read_bytes(), 100).rows)


def _outcome_body(path: Path) -> int:
    return len(outcomes.parse_csv(path.read_bytes(), 100, NOW))


def _payloads(path: Path) -> int:
    payloads = Payloads(path)
    assert len(list(payloads)) == len(payloads)
    return len(payloads)


READERS = {
    "training": Reader(
        [*NAMES, "sale_price"], [[*house, "180000"] for house in HOUSES], _training, (InvalidDataset,)
    ),
    "outcome file": Reader(SALE_COLUMNS, SALES, _outcome_file, (InvalidOutcomeFile,)),
    "request": Reader(list(NAMES), HOUSES, _request, (InvalidRows, MalformedBody), body=True),
    "outcome body": Reader(SALE_COLUMNS, SALES, _outcome_body, (InvalidRows, MalformedBody), body=True),
    "payloads": Reader(list(NAMES), HOUSES, _payloads, (InvalidQuestions,)),
}
FILES = {name: reader for name, reader in READERS.items() if not reader.body}
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
every_file_reader = pytest.mark.parametrize("reader", FILES.values(), ids=FILES)


def written(reader: Reader, rows: list[list[str]] | None = None, end: str = "\n", comma: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, delimiter=comma)
    writer.writerows([reader.header, *(reader.rows if rows is None else rows)])
    return text.getvalue()


def refused(reader: Reader, path: Path) -> str:
    """All that a refusal says, in one text; `row N` where a body has no lines."""
    with pytest.raises(reader.refusals) as refusal:
        reader.read(path)
    if isinstance(refusal.value, InvalidRows):
        faults = refusal.value.faults
        return "; ".join(f"row {f.row}: {f.field}: expected {f.expected}, got {f.got}" for f in faults)
    return str(refusal.value)


def at_line(number: int) -> str:
    """Line `number` of a file; `row` of a body counts from 0 below the header."""
    return rf"(line |:){number}\b|row {number - 2}:"


GOOD = {
    "LF": lambda reader: written(reader).encode(),
    "CRLF": lambda reader: written(reader, end="\r\n").encode(),
    "CR": lambda reader: written(reader, end="\r").encode(),
    "no line end at the end": lambda reader: written(reader).rstrip().encode(),
    "a byte order mark": lambda reader: written(reader).encode("utf-8-sig"),
    "a byte order mark and CRLF": lambda reader: written(reader, end="\r\n").encode("utf-8-sig"),
    "a blank last line": lambda reader: written(reader).encode() + b"\n",
    "several blank last lines": lambda reader: written(reader, end="\r\n").encode() + b"\r\n\r\n\n",
    "blanks in the last line": lambda reader: written(reader).encode() + b"  \t",
    "blank lines between rows": lambda reader: written(reader, end="\n\n").encode(),
    "a blank first line": lambda reader: b"\n" + written(reader).encode(),
}


@every_reader
@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_table_in_one_of_the_usual_forms_is_read(
    tmp_path: Path, reader: Reader, make: Callable[[Reader], bytes]
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(make(reader))
    assert reader.read(path) == 4


@pytest.mark.parametrize("name", ["training", "payloads"])
def test_quoted_line_breaks_are_counted_as_lines(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    noted = Reader([*reader.header, "note"], [], reader.read, reader.refusals)
    rows = [[*row, "two\nlines\nor three"] for row in reader.rows[:3]]
    said = refused(reader, _file(tmp_path, written(noted, [*rows, reader.rows[3]])))
    assert re.search(at_line(11), said)


def test_a_row_of_several_lines_is_refused_with_all_of_them(tmp_path: Path) -> None:
    reader = READERS["outcome file"]
    rows = [list(row) for row in reader.rows]
    rows[1][-1] = "two\nlines"
    assert "line 3 to line 4: source" in refused(reader, _file(tmp_path, written(reader, rows)))


@every_reader
@pytest.mark.parametrize("number_of", [0, 2, 3])
def test_a_surplus_cell_is_refused_with_its_line(tmp_path: Path, reader: Reader, number_of: int) -> None:
    rows = [list(row) for row in reader.rows]
    rows[number_of] = [*rows[number_of], "000"]
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert re.search(at_line(number_of + 2), said)
    assert f"expected {len(reader.header)} cells, got {len(reader.header) + 1} cells" in said


@every_reader
@pytest.mark.parametrize("number_of", [0, 2, 3])
def test_a_missing_cell_is_refused_with_its_line(tmp_path: Path, reader: Reader, number_of: int) -> None:
    rows = [list(row) for row in reader.rows]
    rows[number_of] = rows[number_of][:-1]
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert re.search(at_line(number_of + 2), said)
    assert f"expected {len(reader.header)} cells, got {len(reader.header) - 1} cells" in said


@every_reader
def test_a_column_that_is_there_twice_is_refused_by_its_name(tmp_path: Path, reader: Reader) -> None:
    name = reader.header[-1]
    twice = Reader([*reader.header, name], [], reader.read, reader.refusals)
    said = refused(reader, _file(tmp_path, written(twice, [[*row, row[-1]] for row in reader.rows])))
    assert name in said
    assert re.search("once|one column", said)


@every_reader
@pytest.mark.parametrize("comma", [";", "\t", "|"], ids=["semicolon", "tab", "bar"])
def test_another_separator_is_named(tmp_path: Path, reader: Reader, comma: str) -> None:
    said = refused(reader, _file(tmp_path, written(reader, comma=comma)))
    assert "the separator is " + {"\t": "a tab"}.get(comma, f"'{comma}'") in said
    assert "','" in said


@every_reader
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_refused_with_the_remedy(tmp_path: Path, reader: Reader, encoding: str) -> None:
    said = refused(reader, _file(tmp_path, written(reader).encode(encoding)))
    assert "UTF-16" in said
    assert "CSV UTF-8" in said


@every_reader
def test_a_cell_that_is_no_utf_8_is_refused_with_line_and_column(tmp_path: Path, reader: Reader) -> None:
    body = written(reader).encode().replace(reader.rows[0][-1].encode(), b"Z\xfcrich")
    said = refused(reader, _file(tmp_path, body))
    assert re.search(r"(line |:)2\b", said)
    assert f"{reader.header[-1]}: expected text in UTF-8" in said
    assert r"Z\xfcrich" in said


@every_reader
def test_a_zero_byte_is_refused_with_line_and_column(tmp_path: Path, reader: Reader) -> None:
    rows = [list(row) for row in reader.rows]
    rows[2][1] += "\0"
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert re.search(r"(line |:)4\b", said)
    assert f"{reader.header[1]}: expected no zero byte" in said


@every_reader
def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path: Path, reader: Reader) -> None:
    lines = written(reader).splitlines(keepends=True)
    lines[2] = '"' + lines[2]
    said = refused(reader, _file(tmp_path, "".join(lines)))
    assert re.search(r"(line |:)3\b", said)
    assert "never closed" in said


@every_reader
def test_text_after_a_closing_quote_is_refused_with_its_line(tmp_path: Path, reader: Reader) -> None:
    lines = written(reader).splitlines(keepends=True)
    lines[2] = '"a"b' + lines[2]
    said = refused(reader, _file(tmp_path, "".join(lines)))
    assert re.search(r"(line |:)3\b", said)
    assert "after a closing quote" in said


@every_reader
def test_a_huge_cell_is_refused_with_its_line(tmp_path: Path, reader: Reader) -> None:
    rows = [list(row) for row in reader.rows]
    rows[1][-1] = "x" * 200_000
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert re.search(r"(line |:)3\b", said)
    assert "131072" in said
    assert len(said) < 1000


@every_reader
@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["empty", "blank", "mark"])
def test_an_empty_table_is_refused(tmp_path: Path, reader: Reader, body: bytes) -> None:
    assert re.search("header|empty|column|at least one", refused(reader, _file(tmp_path, body)))


@every_reader
def test_a_header_without_rows_is_refused(tmp_path: Path, reader: Reader) -> None:
    assert "at least one" in refused(reader, _file(tmp_path, written(reader, [])))


@every_reader
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (gzip.compress(b"a,b\n1,2\n"), "gzip"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\xd0\xcf\x11\xe0rest", "Excel"),
    ],
    ids=["gzip", "xlsx", "xls"],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, reader: Reader, body: bytes, told: str) -> None:
    assert told in refused(reader, _file(tmp_path, body))


# -- what is a price


@pytest.mark.parametrize(
    "price",
    ["1e300", "inf", "-inf", "nan", "NaN", "1e999", "-1", "0", "0.5", "1000000001", "1_000", "215,000"],
)
@pytest.mark.parametrize("name", ["training", "outcome file", "outcome body"])
def test_a_price_beyond_the_bounds_is_refused_with_line_and_column(
    tmp_path: Path, name: str, price: str
) -> None:
    reader = READERS[name]
    column = 1 if "price_dollars" in reader.header else -1
    rows = [list(row) for row in reader.rows]
    rows[2][column] = price
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert re.search(at_line(4), said)
    assert re.search("price_dollars|sale_price", said)
    assert "1,000,000,000" in said


@pytest.mark.parametrize(
    "names", [("SalePrice", "Sale Price"), ("SalePrice", "sale_price"), ("sale_price", "SALE-PRICE")]
)
def test_columns_of_sales_that_are_spelled_alike_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    reader = READERS["training"]
    alike = Reader([*NAMES, *names], [], reader.read, reader.refusals)
    said = refused(reader, _file(tmp_path, written(alike, [[*house, "1", "2"] for house in HOUSES])))
    assert "line 1" in said
    assert all(name in said for name in names)


def test_columns_that_are_not_learned_from_may_be_spelled_alike(tmp_path: Path) -> None:
    reader = READERS["training"]
    noted = Reader([*reader.header, "note", "note", ""], [], reader.read, reader.refusals)
    rows = [[*row, "a", "b", "c"] for row in reader.rows]
    assert reader.read(_file(tmp_path, written(noted, rows))) == 4


@pytest.mark.parametrize("day", ["20/11/2026", "2026-11-20 12:00:00", "20.11.2026", "2026-11-20T12:00"])
def test_a_day_in_another_form_is_refused_with_an_example(tmp_path: Path, day: str) -> None:
    reader = READERS["outcome file"]
    rows = [list(row) for row in reader.rows]
    rows[0][2] = day
    said = refused(reader, _file(tmp_path, written(reader, rows)))
    assert "line 2: sold_at" in said
    assert "2026-11-20, or" in said
    assert "2026-11-20T12:00:00Z" in said


def test_columns_that_are_no_field_of_an_outcome_are_named(tmp_path: Path) -> None:
    reader = READERS["outcome file"]
    noted = Reader([*reader.header, "agent", "note"], [], reader.read, reader.refusals)
    said = refused(reader, _file(tmp_path, written(noted, [[*row, "a", "b"] for row in reader.rows])))
    assert "line 1: agent" in said
    assert "line 1: note" in said


# -- where a file comes from


def _file(folder: Path, content: bytes | str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@contextmanager
def through_a_pipe(path: Path, content: bytes) -> Iterator[Path]:
    """A FIFO into which somebody writes the content."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    yield path
    writer.join()


@every_file_reader
def test_a_fifo_is_read_as_a_file_is(tmp_path: Path, reader: Reader) -> None:
    with through_a_pipe(tmp_path / "fifo", written(reader).encode("utf-8-sig")) as path:
        assert reader.read(path) == 4


@every_file_reader
def test_a_fault_that_comes_through_a_fifo_has_its_line(tmp_path: Path, reader: Reader) -> None:
    rows = [*reader.rows, [*reader.rows[0], "surplus"]]
    with through_a_pipe(tmp_path / "fifo", written(reader, rows).encode()) as path:
        assert re.search(at_line(6), refused(reader, path))


@every_file_reader
def test_a_directory_is_refused(tmp_path: Path, reader: Reader) -> None:
    assert "a directory" in refused(reader, tmp_path)


def test_more_than_the_bound_of_a_pipe_is_refused(tmp_path: Path) -> None:
    with through_a_pipe(tmp_path / "fifo", b"a" * 60_000) as path, pytest.raises(InvalidTable, match="pipe"):
        spool.Spool(path, most_bytes=50_000)


def test_a_file_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b\n1,2\n")
    file = spool.Spool(path)
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(InvalidTable, match="stays as it is"), file.reading():
        pass


def test_a_training_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b\n1,2\n")
    with pytest.raises(InvalidTable, match="stays as it is"), spool.Spool(path).reading():
        path.write_text("a,b\n1,2\n3,4\n")


def _commands(data: Path, path: str) -> dict[str, list[str]]:
    umbra = [sys.executable, "-c", "from umbra.command import main; main()"]
    return {
        "outcomes import": [*umbra, "outcomes", "import", path],
        "train": [*umbra, "train", "linear", "--data", path],
        "record": [
            sys.executable,
            "-m",
            "differential_tests",
            "record",
            "http://127.0.0.1:9",
            "-o",
            str(data / "run.jsonl"),
            "--payloads",
            path,
        ],
    }


@pytest.mark.parametrize("command", ["outcomes import", "train", "record"])
def test_an_interrupt_ends_the_waiting_for_a_fifo_without_a_writer(tmp_path: Path, command: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    environment = {**os.environ, "UMBRA_DATA_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        _commands(tmp_path, str(fifo))[command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            if "waiting for " in told:
                break
        assert str(fifo) in told
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 130
    assert "Traceback" not in told + rest


def test_standard_input_is_imported_as_a_file_is(tmp_path: Path) -> None:
    command = _commands(tmp_path, "/dev/stdin")["outcomes import"]
    done = subprocess.run(
        command,
        input=written(READERS["outcome file"]),
        env={**os.environ, "UMBRA_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "4 outcomes" in done.stdout
