"""Refused files: what ingest sets aside because the store or this version refuses it; put it back later.

A file set aside is a journal file with another ending, `.refused`: either a whole one, written by another
version, or a new one that holds the entries of one batch that the store refused. Putting one back gives it
its old ending again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from shadow.journal import journal_file
from shadow.journal.entries import Entry, numbered
from shadow.journal.file_reader import JournalFileReader
from shadow.journal.file_writer import JournalFileWriter

SUFFIX = ".refused"
_BEING_WRITTEN = ".refusing"
_NAME_CHARACTERS = 64  # of the store's column
_READ_BYTES = 1 << 20


class CannotPutBack(OSError):
    """The file was set aside and cannot be put back."""


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """One file that was set aside, with the captures and outcomes that can be read in it."""

    path: Path
    captures: int
    outcomes: int


def paths(directory: Path) -> list[Path]:
    """List the files of a journal directory that were set aside, oldest first."""
    return sorted(path for path in directory.glob(f"*{SUFFIX}"))


def name_for(name: str, position: int) -> str:
    """Make the name for the refused entries of one batch; a batch that is refused again has the same name."""
    ending = f"-{position}"
    return name[: _NAME_CHARACTERS - len(ending)] + ending


def set_aside(directory: Path, name: str, payloads: Sequence[bytes]) -> None:
    """Write journal entries into the refused file `name`; one that is there is replaced. Raises OSError."""
    folder = directory / _BEING_WRITTEN
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    writer = JournalFileWriter.create(folder, name, {})
    for payload in payloads:
        entry = Entry.parse(payload)
        facts = orjson.loads(payload)
        for count in ("first", "dropped"):  # the second before version 4 of the format
            facts.pop(count, None)
        rows = 0 if entry is None else len(entry.captures)
        writer.append(numbered(orjson.dumps(facts), writer.rows), rows)
    writer.finish()
    writer.close()
    journal_file.path_of(folder, name).rename(directory / (name + SUFFIX))
    folder.rmdir()


def set_aside_whole(path: Path) -> None:
    """Set a journal file aside as it is. Raises OSError."""
    path.rename(path.with_suffix(SUFFIX))


def put_back(path: Path) -> Path:
    """Give a file its old ending, so that ingest reads it again; return its new path.

    Raises CannotPutBack when there is a journal file of that name, OSError when the disk refuses.
    """
    target = path.with_suffix(journal_file.SUFFIX)
    if target.exists():
        raise CannotPutBack(f"{target} is there already: move it away, then put {path.name} back")
    path.rename(target)
    return target


def count(path: Path) -> RefusedFile:
    """Count what can be read in a journal file of any version, set aside or not; raises OSError.

    A line that cannot be read counts as one capture.
    """
    captures = outcomes = position = 0
    with JournalFileReader(path, name=path.stem) as reader:
        while True:
            chunk = reader.read(position, _READ_BYTES)
            for payload in chunk.entries:
                entry = None if payload is None else Entry.parse(payload)
                captures += 1 if entry is None else len(entry.captures)
                outcomes += 0 if entry is None else len(entry.outcomes)
            if chunk.end <= position or chunk.reached_end:
                return RefusedFile(path, captures, outcomes)
            position = chunk.end
