"""The journal survives whatever happens to its files."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.journal import journal_file
from shadow.journal.file_reader import Chunk, JournalFileHeader, JournalFileReader, UnreadableJournalFile
from shadow.journal.file_writer import JournalFileWriter
from shadow.journal.journal_file import HEADER_BYTES


def write(directory: Path, *payloads: bytes, name: str = "a") -> Path:
    writer = JournalFileWriter.create(directory, name, {})
    for payload in payloads:
        writer.append(payload)
    writer.close()
    return directory / f"{name}.journal"


def read(path: Path, start: int = 0) -> Chunk:
    with JournalFileReader(path) as reader:
        return reader.read(start, 1 << 20)


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"n":1}', b'{"n":2}')
    chunk = read(path)
    assert chunk.entries == (b'{"n":1}', b'{"n":2}')
    assert chunk.end == path.stat().st_size
    assert read(path, chunk.end).entries == ()


def test_a_small_reading_window_still_gives_a_long_entry_whole(tmp_path: Path) -> None:
    long = b'"' + b"x" * 5000 + b'"'
    with JournalFileReader(write(tmp_path, long, b"1")) as reader:
        first = reader.read(0, 64)
        assert first.entries[0] == long
        assert reader.read(first.end, 64).entries[-1:] in ((b"1",), ())


def test_a_segment_is_sealed_only_when_its_writer_is_gone(tmp_path: Path) -> None:
    writer = JournalFileWriter.create(tmp_path, "a", {})
    with JournalFileReader(tmp_path / "a.journal") as reader:
        assert not reader.seal()
        writer.close()
        assert reader.seal()


def test_half_an_entry_is_waited_for_and_never_read(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"n":1}', b'{"n":2}')
    size = path.stat().st_size
    for cut in range(1, len(journal_file.frame(b'{"n":2}'))):
        os.truncate(path, size - cut)
        assert read(path).entries == (b'{"n":1}',)
        assert read(path).reached_end


def test_drops_are_told_by_the_header_while_entries_stay(tmp_path: Path) -> None:
    writer = JournalFileWriter.create(tmp_path, "a", {"disk": 2})
    writer.append(b"1")
    writer.write_dropped({"disk": 2, "full": 40})
    writer.close()
    with JournalFileReader(tmp_path / "a.journal") as reader:
        assert reader.dropped() == {"disk": 2, "full": 40}
        assert reader.read(0, 1024).entries == (b"1",)


def test_another_version_of_the_format_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, b"1")
    header = journal_file.frame(
        b'{"format":"umbra-journal","version":9,"dropped":{}}'.ljust(HEADER_BYTES - 10)
    )
    path.write_bytes(header + path.read_bytes()[HEADER_BYTES:])
    with JournalFileReader(path) as reader, pytest.raises(UnreadableJournalFile, match="version 9"):
        reader.dropped()


def test_every_reader_since_the_first_recognises_the_header_of_a_version_it_cannot_read(
    tmp_path: Path,
) -> None:
    line = write(tmp_path, b"1").read_bytes()[:HEADER_BYTES]
    checksum, payload = line[:8], line[9:-1]
    assert checksum == b"%08x" % zlib.crc32(payload)  # of the payload alone, as versions 1 and 2 had it
    assert orjson.loads(payload)["version"] == journal_file.VERSION


def test_a_damaged_header_says_nothing_and_hides_no_entry(tmp_path: Path) -> None:
    path = write(tmp_path, b"1")
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with JournalFileReader(path) as reader:
        assert reader.dropped() is None
        assert reader.read(0, 1024).entries == (b"1",)


def test_a_finished_file_tells_its_writer_its_rows_and_its_drops(tmp_path: Path) -> None:
    writer = JournalFileWriter.create(tmp_path, "a", {"disk": 2}, "w")
    writer.append(b"1", 3)
    writer.append(b"2", 4)
    with JournalFileReader(tmp_path / "a.journal") as reader:
        assert reader.header() == JournalFileHeader(4, {"disk": 2}, "w", None)
        assert writer.finish()
        assert reader.seal()
        assert reader.header() == JournalFileHeader(4, {"disk": 2}, "w", 7)
    writer.close()


def test_a_damaged_line_tells_how_many_rows_it_had_and_where_it_ends(tmp_path: Path) -> None:
    writer = JournalFileWriter.create(tmp_path, "a", {})
    for payload, rows in ((b'"first"', 5), (b'"second"', 6)):
        writer.append(payload, rows)
    writer.close()
    path = tmp_path / "a.journal"
    content = path.read_bytes()
    at = content.index(b"first")
    path.write_bytes(content[:at] + b"\n\n\n\n\n" + content[at + 5 :])
    chunk = read(path)
    assert (chunk.entries, chunk.damaged_rows) == ((None, b'"second"'), (5,))


def test_a_file_that_is_missing_in_its_directory_is_put_back_and_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    directory.mkdir()
    writer = JournalFileWriter.create(directory, "a", {})
    writer.append(b'"before"')
    assert not writer.is_missing(directory)
    directory.rename(tmp_path / "elsewhere")
    assert writer.is_missing(directory)
    writer.put_back(directory)
    assert not writer.is_missing(directory)
    writer.append(b'"after"')
    writer.close()
    assert read(directory / "a.journal").entries == (b'"before"', b'"after"')
    assert read(tmp_path / "elsewhere" / "a.journal").entries == (b'"before"',)


def test_a_line_is_good_only_in_its_own_place(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"n":1}', b'{"n":2}')
    other = write(tmp_path, b'{"n":3}', b'{"n":4}', name="b")
    (first, second), (third, _) = lines(path), lines(other)
    header = path.read_bytes()[:HEADER_BYTES]
    for found, entries in (
        (first + second, (b'{"n":1}', b'{"n":2}')),
        (second + second, (None, b'{"n":2}')),
        (first + second + first, (b'{"n":1}', b'{"n":2}', None)),
        (third + second, (None, b'{"n":2}')),
    ):
        path.write_bytes(header + found)
        assert read(path).entries == entries


def test_the_header_of_another_segment_is_a_damaged_one(tmp_path: Path) -> None:
    path, writer = write(tmp_path, b"1"), JournalFileWriter.create(tmp_path, "b", {"full": 7})
    writer.close()
    header = (tmp_path / "b.journal").read_bytes()
    path.write_bytes(header + path.read_bytes()[HEADER_BYTES:])
    with JournalFileReader(path) as reader:
        assert reader.dropped() is None
        assert reader.read(0, 1024).entries == (b"1",)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes()[HEADER_BYTES:].splitlines(keepends=True)


@pytest.mark.parametrize(("version", "entries"), [(1, (b'{"n":1}',)), (2, (b'{"n":1}',)), (3, (None,))])
def test_lines_without_a_place_are_read_in_segments_of_the_versions_that_wrote_them(
    tmp_path: Path, version: int, entries: tuple[bytes | None, ...]
) -> None:
    path = write(tmp_path)
    facts = f'{{"format":"umbra-journal","version":{version},"dropped":{{}}}}'
    path.write_bytes(
        journal_file.frame(facts.encode().ljust(HEADER_BYTES - 10)) + journal_file.frame(b'{"n":1}')
    )
    assert read(path).entries == entries


@pytest.mark.parametrize("told", ["", '"dropped":5', '"dropped":{"full":"5"}', '"dropped":{"full":true}'])
def test_a_header_without_counts_is_a_damaged_one(tmp_path: Path, told: str) -> None:
    path = write(tmp_path, b"1")
    facts = ",".join(filter(None, ['"format":"umbra-journal","version":3', told]))
    header = journal_file.frame(f"{{{facts}}}".encode().ljust(HEADER_BYTES - 10))
    path.write_bytes(header + path.read_bytes()[HEADER_BYTES:])
    with JournalFileReader(path) as reader:
        assert reader.dropped() is None
        assert reader.read(0, 1024).entries == (b"1",)


PAYLOADS = st.lists(st.integers(0, 10**12).map(lambda n: b'{"n":%d}' % n), min_size=1, max_size=6)


@given(payloads=PAYLOADS, position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_its_own_entry_and_never_changes_one(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], position: int, bit: int
) -> None:
    path = write(tmp_path_factory.mktemp("journal"), *payloads)
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + position % (len(content) - HEADER_BYTES)] ^= 1 << bit
    path.write_bytes(content)
    found = [entry for entry in read(path).entries if entry is not None]
    assert all(entry in payloads for entry in found)
    assert len(found) >= len(payloads) - 2  # a flipped newline joins two lines


@given(garbage=st.binary(max_size=300))
def test_no_garbage_is_ever_taken_for_an_entry(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("journal"), b"1")
    with path.open("ab") as file:
        file.write(b"\n" + garbage + b"\n")
        file.write(journal_file.encode_line(b"2", 1, journal_file.checksum_start("a", file.tell())))
    entries = read(path).entries
    assert entries[0] == b"1"
    assert entries[-1] == b"2"
    assert all(entry is None for entry in entries[1:-1])
