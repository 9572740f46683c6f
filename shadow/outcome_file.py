"""An outcome file: the CSV that POST /v1/outcomes takes, of any length; judged whole, then journalled."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

from model_package.schema import Fault
from monitoring.phrases import count
from shadow.backoff import Backoff
from shadow.capture import DISK, Recorder
from shadow.outcomes import Judged, header_faults, judge_line
from shadow.records import Outcome, OutcomeState

ENTRY_ROWS = 1000
_FAULTS_TOLD = 50
_MARK = "\ufeff"


class InvalidFile(ValueError):
    """Some of the file is no outcome: nothing was imported. The message names the lines, fifty at most."""

    def __init__(self, path: Path, told: list[str], faults: int) -> None:
        more = [f"and {faults - len(told)} more"] if faults > len(told) else []
        super().__init__(
            "\n  ".join([f"{path}: nothing was imported; {count(faults, 'fault')}:", *told, *more])
        )


class JournalRefuses(OSError):
    """The journal's disk takes nothing more."""


@dataclass(frozen=True, slots=True)
class OutcomeFile:
    """One file; its outcomes count as received `now`."""

    path: Path
    now: datetime

    def check(self, advance: Callable[[int], None]) -> Counter[OutcomeState]:
        """Judge every row, telling how many characters were read; counts sold and withdrawn.

        Raises InvalidFile.
        """
        states, told, faults = Counter[OutcomeState](), list[str](), 0
        for line, judged in self._judged(advance):
            if judged.outcome is not None:
                states[judged.outcome.state] += 1
            faults += len(judged.faults)
            told += [_told(line, fault) for fault in islice(judged.faults, _FAULTS_TOLD - len(told))]
        if faults:
            raise InvalidFile(self.path, told, faults)
        if not states:
            raise InvalidFile(self.path, ["at least one outcome is expected"], 1)
        return states

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes of a file that was checked; raises InvalidFile if it has changed since."""
        for line, judged in self._judged(lambda _: None):
            if judged.outcome is None:
                told = [_told(line, fault) for fault in judged.faults]
                raise InvalidFile(self.path, told, len(told))
            yield judged.outcome

    def _judged(self, advance: Callable[[int], None]) -> Iterator[tuple[int, Judged]]:
        """Every row with the number of its line, a header that is wrong in place of all of them."""
        with self.path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(_heard(file, advance), strict=True)
            try:
                header = next(reader, [])
                faults = _header_faults(header)
                if faults:
                    yield 1, Judged(None, faults)
                    return
                for row, line in enumerate(reader):
                    yield reader.line_num, judge_line(header, line, row, self.now)
            except (csv.Error, UnicodeDecodeError) as fault:
                yield (
                    max(1, reader.line_num),
                    Judged(None, [Fault(None, None, "CSV in UTF-8", str(fault)[:200])]),
                )


def _header_faults(header: Sequence[str]) -> list[Fault]:
    if header and header[0].startswith(_MARK):
        return [Fault(None, None, "plain UTF-8", "a byte order mark")]
    return header_faults(header)


def _heard(file: Iterator[str], advance: Callable[[int], None]) -> Iterator[str]:
    for line in file:
        advance(len(line))
        yield line


def _told(line: int, fault: Fault) -> str:
    field = "" if fault.field is None else f"{fault.field}: "
    return f"line {line}: {field}expected {fault.expected}, got {fault.got}"


def append(
    outcomes: Iterator[Outcome],
    open_recorder: Callable[[], Recorder],
    told: Callable[[int, str | None], None],
    wait: Callable[[float], object],
) -> None:
    """Put outcomes into the journal, ENTRY_ROWS in an entry, waiting while it has no room for them.

    `told` is called with the outcomes that are in it since the last call, or with none and why it waits.
    Ended halfway, all of it can be done again: what is kept already is not kept twice. Raises JournalRefuses.
    """
    recorder, pause, request_id = open_recorder(), Backoff(0.1, 2.0), f"import-{uuid4()}"
    try:
        while some := list(islice(outcomes, ENTRY_ROWS)):
            while (missed := recorder.record_outcomes(request_id, some)) is not None:
                # Ingest removes only what is sealed; a write that was late has ended when this returns.
                recorder.close()
                if missed == DISK:
                    raise JournalRefuses("the journal's disk refuses to be written; import again later")
                told(0, missed)
                wait(pause.next())
                recorder = open_recorder()
            pause.reset()
            told(len(some), None)
    finally:
        recorder.close()
