"""Journal files as a process leaves them, what a disk makes of them, and what has to come out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from hypothesis import strategies as st

from model_package.reference import ModelRef
from shadow.journal import entries, journal_file
from shadow.journal.file_writer import JournalFileWriter
from shadow.records import Capture, Outcome, OutcomeState, capture_time, new_capture_ids

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
LIVE = ModelRef("linear", "1")
_SAID = journal_file.HEADER_BYTES - 1
_EXTENT_BYTES = 27  # rows, length and their checksum, at the beginning of a line


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a journal file holds, and which bytes of the file it is."""

    start: int
    end: int
    first: int
    captures: tuple[Capture, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class WrittenFile:
    """A sealed journal file, and what was put into it; a finished one has the number of its rows."""

    path: Path
    is_finished: bool
    lines: list[Line] = field(default_factory=list)
    rows: int = 0
    dropped: int = 0
    content: bytes = b""

    @classmethod
    def written(
        cls, path: Path, told: Sequence[tuple[int, int]], ids: Ids, *, is_finished: bool = False
    ) -> WrittenFile:
        """Write a file: `told` has the rows of each line (0: an outcome) and the drops before it."""
        made = cls(path, is_finished)
        name = journal_file.name_of(path)
        writer = JournalFileWriter.create(path.parent, name, {}, f"writer of {name}")
        for rows, drops in told:
            made.dropped += drops
            made._add(writer, rows, ids)
        if made.dropped:
            writer.write_dropped({"full": made.dropped})
        if is_finished:
            writer.finish()
        writer.close()
        made.content = path.read_bytes()
        return made

    def _add(self, writer: JournalFileWriter, rows: int, ids: Ids) -> None:
        names, start, request = ids.take(max(1, rows)), writer.size, f"request-{self.rows}"
        inputs = [{"lot_area": name.int % 9999 + 0.1, "lot_frontage": None, "zoning": "RL"} for name in names]
        dollars = [100_000 + (name.int % 10**6) / 3 for name in names]
        captures, outcomes = (), ()
        if rows:
            entry = entries.encode(request, LIVE, names, inputs, dollars)
            captures = tuple(
                Capture(name, capture_time(name), request, index, LIVE, dollars[index], inputs[index])
                for index, name in enumerate(names)
            )
        else:
            outcomes = (Outcome(names[0], OutcomeState.SOLD, dollars[0], NOW, "registry", NOW),)
            entry = entries.encode_outcomes(request, outcomes)
        writer.append(entries.numbered(entry, self.rows), rows)
        self.lines.append(Line(start, writer.size, self.rows, captures, outcomes))
        self.rows += rows

    def has_header(self, found: bytes) -> bool:
        """Whether a file has its header: only the newline behind it may be gone."""
        return len(found) >= journal_file.HEADER_BYTES and found[:_SAID] == self.content[:_SAID]

    def whole(self, found: bytes) -> list[Line]:
        """The lines whose entry stands in a file as it was written, where it was written."""
        return [line for line, is_whole in self._pieces(found) if line is not None and is_whole]

    def lost(self, found: bytes) -> Counter[str]:
        """The rows that are lost with what became of the file, by reason."""
        lost, expected, tail = Counter[str](), 0, 0
        for line, is_whole in self._pieces(found):
            if line is not None and is_whole:
                lost["damaged"] += line.first - expected
                expected, tail = line.first + len(line.captures), 0
            else:
                tail += 1 if line is None else len(line.captures)
        knows_total = self.is_finished and self.has_header(found)
        lost["damaged"] += self.rows - expected if knows_total else tail
        lost["full"] = self.dropped if self.has_header(found) else 0
        return +lost

    def damaged(self, found: bytes) -> int:
        """How many pieces of a file are no line of it, its header and half a line at its end among them."""
        pieces = self._pieces(found)
        end = self._ends(found)[-1] if pieces else journal_file.HEADER_BYTES
        damaged = sum(not (line is not None and is_whole) for line, is_whole in pieces)
        return damaged + (end < len(found)) + (not self.has_header(found))

    def _ends(self, found: bytes) -> list[int]:
        return [end for end, _, _ in self._walk(found)]

    def _pieces(self, found: bytes) -> list[tuple[Line | None, bool]]:
        return [(line, is_whole) for _, line, is_whole in self._walk(found) if is_whole is not None]

    def _walk(self, found: bytes) -> list[tuple[int, Line | None, bool | None]]:
        """Give of each piece its end, the line whose rows it tells, and whether its entry is whole.

        A blank one has None for that.
        """
        walked, at, starts = [], journal_file.HEADER_BYTES, {line.start: line for line in self.lines}
        while at < len(found):
            line = starts.get(at)
            knows_extent = line is not None and self._same(found, at, at + _EXTENT_BYTES)
            end = line.end if line is not None and knows_extent else found.find(b"\n", at) + 1
            if not at < end <= len(found):
                break
            is_entry = (
                line is not None and end == line.end and self._same(found, at + _EXTENT_BYTES, line.end - 1)
            )
            is_blank = not knows_extent and end == at + 1
            told = line if is_entry or knows_extent else None
            walked.append((end, told, None if is_blank else is_entry))
            at = end
        return walked

    def _same(self, found: bytes, start: int, end: int) -> bool:
        return found[start:end] == self.content[start:end] and len(found) >= end


class Ids:
    """Ids that no house had before, in this process."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, count: int) -> list[UUID]:
        self._taken += count
        return new_capture_ids(count, int(NOW.timestamp() * 1000) - self._taken, self._taken << 20)


TOLD = st.lists(
    st.tuples(st.sampled_from([0, 1, 1, 2, 3]), st.sampled_from([0, 0, 0, 1, 5])), min_size=1, max_size=6
)


@dataclass(frozen=True, slots=True)
class Damage:
    """Something a disk did to one of the files; `at` and `other` are shares of a file's length."""

    kind: str
    file: int
    at: float
    length: int
    other: float
    garbage: bytes

    def done(self, files: list[bytes]) -> None:
        """Do it."""
        which = self.file % len(files)
        found = files[which]
        at = int(self.at * len(found))
        flipped = bytes(byte ^ 1 << self.length % 8 for byte in found[at : at + 1])
        source = files[(self.file + self.length) % len(files)]
        begin = int(self.other * len(source))
        block = source[begin : begin + self.length]
        files[which] = {
            "bit": lambda: _over(found, at, flipped),
            "cut": lambda: found[:at],
            "zeros": lambda: _over(found, at, bytes(self.length)),
            "zero tail": lambda: found[:at] + bytes(len(found) - at),
            "garbage": lambda: _over(found, at, self.garbage),
            "more": lambda: found + self.garbage,
            "header": lambda: source[: journal_file.HEADER_BYTES] + found[journal_file.HEADER_BYTES :],
            "block": lambda: _over(found, at, block),
            "line": lambda: _over(found, _line(found, at), source[_line(source, begin) :][: self.length]),
        }[self.kind]()


def _line(found: bytes, at: int) -> int:
    """The start of the line that is at or before a place."""
    return max(found.rfind(b"\n", 0, at) + 1, min(journal_file.HEADER_BYTES, len(found)))


def _over(found: bytes, at: int, block: bytes) -> bytes:
    return (found[:at] + block + found[at + len(block) :])[: max(len(found), at)]


_SHARE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.builds(
        Damage,
        st.sampled_from(["bit", "cut", "zeros", "zero tail", "garbage", "more", "header", "block", "line"]),
        file=st.integers(0, 3),
        at=_SHARE,
        length=st.integers(1, 1000),
        other=_SHARE,
        garbage=st.sampled_from([b"\n", b"\n\n0", b"0\n"]) | st.binary(min_size=1, max_size=60),
    ),
    min_size=1,
    max_size=4,
)
