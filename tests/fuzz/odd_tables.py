"""Tables as people write them, and as nobody should; and another reading of what a cell says."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

ODD_CELLS = st.sampled_from(
    [
        "NaN",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_000",
        "+5",
        "-0",
        "-0.0",
        "1e5",
        "1E+2",
        "1e-2",
        "1e999",
        "1e-999",
        ".5",
        "5.",
        "05",
        "00",
        "-1",
        "1,5",
        "1.5",
        "7.0",
        "true",
        "null",
        "12",
        "१२",
        "9" * 400,
        "1" + "0" * 31,
        "",
        " ",
        " 5",
        "5 ",
        "\t5",
        "5\n",
        "5\0",
        "=1+1",
        "'5'",
        '"',
        '""',
        "\ufeff5",
        "RL",
        "RL ",
        "rl",
        "sold",
        "withdrawn",
        "2026-11-20",
        "a" * 140_000,
        "parcel:7",
        "\u2028",
    ]
)
_PIECES = st.sampled_from(
    [
        b'"',
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b" ",
        b"\t",
        b"'",
        b";",
        b"\\",
        b"\n\n",
        b",,",
        b'""',
        b'"\n',
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"-",
        b"e",
        b".",
        b"NaN",
        b"Infinity",
        b"null",
        b'"\\ud800"',
        b'"a":1,',
        b"\xe2\x80\xa8",
    ]
) | st.binary(min_size=1, max_size=4)


@st.composite
def spoiled(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in which a few bytes are others, are gone or are more, or which is in another encoding."""
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, len(body))), draw(st.sampled_from([0, 0, 1, 5, len(body)]))
        body = body[:at] + draw(_PIECES) + body[at + length :]
    other = draw(st.sampled_from([None] * 12 + ["utf-16", "utf-32", "utf-8-sig", "cp037"]))
    return body if other is None else body.decode("latin-1").encode(other)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], chance: random.Random) -> bytes:
    """A table, with quotes and line ends as chance has it."""
    file = io.StringIO()
    writer = csv.writer(
        file,
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        lineterminator=chance.choice(["\n", "\r\n", "\r"]),
    )
    writer.writerow(header)
    writer.writerows(rows)
    body = file.getvalue().encode()
    end = chance.choice([b"", b"\n", b"\r\n\r\n", b"  \n\n", b"\t"])
    mark = chance.choice([b"", b"", b"", b"\xef\xbb\xbf"])
    return mark + (body + end if chance.random() < 0.5 else body.rstrip(b"\r\n"))


def cells(body: bytes) -> list[dict[str, str]]:
    """The rows as the library reads them, without mark and empty lines; raises ValueError for ragged ones."""
    lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    header, *rows = [line for line in lines if "".join(line).strip() or len(line) > 1 or line == [""]]
    if len(set(header)) != len(header) or any(len(row) != len(header) for row in rows):
        raise ValueError("cells without a column, or columns without a cell")
    return [dict(zip(header, row, strict=True)) for row in rows]


def number(text: str) -> float | int:
    """A number as JSON has it, and nothing else; raises ValueError."""
    value = json.loads(text, parse_constant=_refuse)
    if isinstance(value, bool) or not isinstance(value, int | float) or text != text.strip():
        raise ValueError(text)
    return value


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def once(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    """A JSON object of which no key comes twice; for `json.loads`."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)
