"""LightGBM's text with something wrong in it, and the process that has to survive reading it."""

from __future__ import annotations

import re
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

_LONGEST_SECONDS = 30.0
_CHILD = """
import os, sys
from pathlib import Path
from model_package import artifact
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.schema import EXAMPLE
said = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # LightGBM prints
for line in sys.stdin:
    try:
        dollars = artifact.load(Path(line.strip())).predict([EXAMPLE] * 3)
        said.write(f"priced {dollars.shape} {dollars.dtype}\\n")
    except (AlteredArtifact, InvalidArtifact):
        said.write("refused\\n")
    except Exception as fault:
        said.write(f"raised {fault!r}\\n")
"""


class Reader:
    """A process that loads artifacts and prices houses with them; a new one whenever one has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def says(self, directory: Path) -> str:
        """What became of it: `priced ...`, `refused`, `raised ...`, `ended ...` or `hangs`."""
        process = self._process or subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{directory}\n")
        heard, _, _ = select.select([process.stdout], [], [], _LONGEST_SECONDS)
        said = process.stdout.readline().strip() if heard else "hangs"
        if not said or said == "hangs":
            self.end()
        return said or f"ended with {process.returncode}"

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _started() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", _CHILD], stdin=pipe, stdout=pipe, text=True, bufsize=1)


def fewer_trees(text: bytes, count: int) -> bytes:
    """A booster's first trees."""
    begin, end = text.index(b"Tree=0\n"), text.index(b"Tree=%d\n" % count)
    return resized(text[:begin] + text[begin:end] + text[text.index(b"end of trees\n") :])


def resized(text: bytes) -> bytes:
    """The text with the sizes its trees have: a reader of sizes comes to what is wrong within a tree."""
    pieces = re.split(rb"(?=^Tree=)|(?=^end of trees)", text, flags=re.MULTILINE)
    sizes = b" ".join(b"%d" % len(piece) for piece in pieces if piece.startswith(b"Tree="))
    return re.sub(rb"^tree_sizes=.*$", b"tree_sizes=" + sizes, text, count=1, flags=re.MULTILINE)


_ODD = [
    *b"-1 0 1 2 7 8 9 39 40 99 -8 -9 2147483647 -2147483648 4294967296 1e300 nan inf x 0.5 1_0 +".split(),
    b"5.5.5",
    b"",
    b" ",
    b"1 2",
    b"\0",
    b"\xc3",
]


@dataclass(frozen=True, slots=True)
class Spoiling:
    """One change of a text, at a share of it."""

    kind: str
    at: float
    other: float
    value: bytes
    bit: int

    def done(self, text: bytes) -> bytes:
        """Do it."""
        lines = text.split(b"\n")
        here, there = int(self.at * len(lines)), int(self.other * len(lines))
        changes: dict[str, Callable[[], None]] = {
            "number": lambda: lines.__setitem__(here, self._number(lines[here])),
            "leave out": lambda: lines.__delitem__(here),
            "twice": lambda: lines.insert(there, lines[here]),
            "swap": lambda: lines.__setitem__(slice(None), _swapped(lines, here, there)),
            "value": lambda: lines.__setitem__(here, lines[here].partition(b"=")[0] + b"=" + self.value),
        }
        if self.kind in changes:
            changes[self.kind]()
            return b"\n".join(lines)
        place = int(self.at * len(text))
        if self.kind == "cut":
            return text[:place]
        return (
            text[:place] + bytes(byte ^ 1 << self.bit for byte in text[place : place + 1]) + text[place + 1 :]
        )

    def _number(self, line: bytes) -> bytes:
        key, equals, value = line.partition(b"=")
        numbers = value.split(b" ")
        numbers[int(self.other * len(numbers))] = self.value
        return key + equals + b" ".join(numbers)


def _swapped(lines: list[bytes], here: int, there: int) -> list[bytes]:
    """Two lines in each other's place."""
    changed = list(lines)
    changed[here], changed[there] = lines[there], lines[here]
    return changed


_SHARE = st.floats(0, 1, exclude_max=True)
SPOILINGS = st.lists(
    st.builds(
        Spoiling,
        st.sampled_from(["number", "number", "number", "value", "leave out", "twice", "swap", "cut", "bit"]),
        _SHARE,
        _SHARE,
        st.sampled_from(_ODD),
        st.integers(0, 7),
    ),
    min_size=1,
    max_size=3,
)
