"""Journal segments as a process leaves them, what a disk makes of them, and what has to come out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from hypothesis import strategies as st

from shadow import entries, journal
from shadow.records import Capture, ModelRef, Outcome, OutcomeState, capture_time, new_capture_ids

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
LIVE = ModelRef("linear", "1")
_SAID = journal.HEADER_BYTES - 1
_NEWLINE = ord("\n")


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a segment holds, and which bytes of the file it is."""

    start: int
    end: int
    first: int
    dropped: int
    captures: tuple[Capture, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class Segment:
    """A sealed segment: the file, and what was put into it."""

    path: Path
    lines: list[Line] = field(default_factory=list)
    offered: int = 0
    dropped: int = 0
    content: bytes = b""

    @classmethod
    def written(cls, path: Path, told: Sequence[tuple[int, int]], ids: Ids) -> Segment:
        """Write a segment: `told` has the houses of each line (0: an outcome) and the drops before it."""
        made = cls(path)
        writer = journal.SegmentWriter.create(path.parent, journal.name_of(path), {})
        for houses, drops in told:
            made.offered, made.dropped = made.offered + drops, made.dropped + drops
            made._add(writer, houses, ids)
        if made.dropped:
            writer.note_dropped({"full": made.dropped})
        writer.close()
        made.content = path.read_bytes()
        return made

    def _add(self, writer: journal.SegmentWriter, houses: int, ids: Ids) -> None:
        names, start, request = ids.take(max(1, houses)), writer.size, f"request-{self.offered}"
        inputs = [{"lot_area": name.int % 9999 + 0.1, "lot_frontage": None, "zoning": "RL"} for name in names]
        dollars = [100_000 + (name.int % 10**6) / 3 for name in names]
        captures, outcomes = (), ()
        if houses:
            entry = entries.encode(request, LIVE, names, inputs, dollars)
            captures = tuple(
                Capture(name, capture_time(name), request, index, LIVE, dollars[index], inputs[index])
                for index, name in enumerate(names)
            )
        else:
            outcomes = (Outcome(names[0], OutcomeState.SOLD, dollars[0], NOW, "registry", NOW),)
            entry = entries.encode_outcomes(request, outcomes)
        writer.append(entries.numbered(entry, self.offered, self.dropped))
        self.lines.append(Line(start, writer.size, self.offered, self.dropped, captures, outcomes))
        self.offered += houses

    def has_header(self, found: bytes) -> bool:
        """Whether a file has its header: only the newline behind it may be gone."""
        return len(found) >= journal.HEADER_BYTES and found[:_SAID] == self.content[:_SAID]

    def whole(self, found: bytes) -> list[Line]:
        """The lines that stand in a file as they were written, where they were written."""
        return [
            line
            for line in self.lines
            if found[line.start : line.end] == self.content[line.start : line.end]
            and (line.start == journal.HEADER_BYTES or found[line.start - 1] == _NEWLINE)
        ]

    def lost(self, found: bytes) -> Counter[str]:
        """The houses that are lost with what became of the file, by reason."""
        told, expected, seen, end = Counter[str](), 0, 0, journal.HEADER_BYTES
        for line in self.whole(found):
            explained = line.dropped - seen if self.has_header(found) else 0
            told["damaged"] += line.first - expected - explained
            expected, seen, end = line.first + len(line.captures), line.dropped, line.end
        told["damaged"] += sum(1 for piece in found[end:].split(b"\n")[:-1] if piece)
        told["full"] = self.dropped if self.has_header(found) else 0
        return +told

    def damaged(self, found: bytes) -> int:
        """How many pieces of a file are no line of it, its header among them."""
        pieces = [piece for piece in found[journal.HEADER_BYTES :].split(b"\n") if piece]
        return len(pieces) - len(self.whole(found)) + (not self.has_header(found))


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
    segment: int
    at: float
    length: int
    other: float
    garbage: bytes

    def done(self, files: list[bytes]) -> None:
        """Do it."""
        which = self.segment % len(files)
        found = files[which]
        at = int(self.at * len(found))
        flipped = bytes(byte ^ 1 << self.length % 8 for byte in found[at : at + 1])
        source = files[(self.segment + self.length) % len(files)]
        begin = int(self.other * len(source))
        block = source[begin : begin + self.length]
        files[which] = {
            "bit": lambda: _over(found, at, flipped),
            "cut": lambda: found[:at],
            "zeros": lambda: _over(found, at, bytes(self.length)),
            "zero tail": lambda: found[:at] + bytes(len(found) - at),
            "garbage": lambda: _over(found, at, self.garbage),
            "more": lambda: found + self.garbage,
            "header": lambda: source[: journal.HEADER_BYTES] + found[journal.HEADER_BYTES :],
            "block": lambda: _over(found, at, block),
            "line": lambda: _over(found, _line(found, at), source[_line(source, begin) :][: self.length]),
        }[self.kind]()


def _line(found: bytes, at: int) -> int:
    """The start of the line that is at or before a place."""
    return max(found.rfind(b"\n", 0, at) + 1, min(journal.HEADER_BYTES, len(found)))


def _over(found: bytes, at: int, block: bytes) -> bytes:
    return (found[:at] + block + found[at + len(block) :])[: max(len(found), at)]


_SHARE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.builds(
        Damage,
        st.sampled_from(["bit", "cut", "zeros", "zero tail", "garbage", "more", "header", "block", "line"]),
        segment=st.integers(0, 3),
        at=_SHARE,
        length=st.integers(1, 1000),
        other=_SHARE,
        garbage=st.sampled_from([b"\n", b"\n\n0", b"0\n"]) | st.binary(min_size=1, max_size=60),
    ),
    min_size=1,
    max_size=4,
)
