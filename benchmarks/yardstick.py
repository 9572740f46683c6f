"""The yardstick of ingest: the captures of a journal as ready-made COPY text, and the database alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psycopg2

from shadow.journal.entries import Entry
from shadow.journal.file_reader import JournalFileReader
from shadow.journal.journal_file import paths
from shadow.records import Capture
from shadow.store import open_store
from shadow.store.captures import sample_key
from shadow.store.database import partitions

BATCH_ROWS = 1000
_COPY = (
    "COPY captures (id, source_id, seq, captured_at, request_id, row_index, live_name, live_version,"
    " prediction_dollars, inputs, sample_key) FROM STDIN"
)


@contextmanager
def rows_ready(url: str, journal_dir: Path) -> Iterator[Callable[[], int]]:
    """Yield a function that copies a journal's captures with a commit per batch and returns their number."""
    batches = list(_batches(journal_dir))
    store = open_store(url)
    with store.writing() as making:
        partitions.ensure(making, (capture.id for path in paths(journal_dir) for capture in _captures(path)))
    store.close()
    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute("INSERT INTO sources VALUES (1, 'yardstick', 0, now())")
    connection.commit()

    def copy() -> int:
        for text in batches:
            cursor.copy_expert(_COPY, io.BytesIO(text))
            connection.commit()
        return sum(text.count(b"\n") for text in batches)

    yield copy
    cursor.execute("TRUNCATE captures, sources CASCADE")
    connection.commit()
    connection.close()


def _batches(journal_dir: Path) -> Iterator[bytes]:
    lines = [
        _line(capture, seq)
        for seq, capture in enumerate(
            (capture for path in paths(journal_dir) for capture in _captures(path)), 1
        )
    ]
    for first in range(0, len(lines), BATCH_ROWS):
        yield b"".join(lines[first : first + BATCH_ROWS])


def _line(capture: Capture, seq: int) -> bytes:
    values = (
        capture.id.hex,
        "1",
        str(seq),
        capture.captured_at.isoformat(),
        capture.request_id,
        str(capture.row_index),
        capture.live.name,
        capture.live.version,
        repr(capture.prediction_dollars),
        orjson.dumps(capture.inputs).decode().replace("\\", r"\\"),
        repr(sample_key(capture.id)),
    )
    return ("\t".join(values) + "\n").encode()


def _captures(path: Path) -> Iterator[Capture]:
    with JournalFileReader(path) as reader:
        for payload in reader.read(0, 1 << 32).entries:
            entry = None if payload is None else Entry.parse(payload)
            if entry is not None:
                yield from entry.captures
