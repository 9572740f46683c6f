"""An outcome file: the CSV that POST /v1/outcomes takes, of any length; judged whole, then journalled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

from model_package import tables
from model_package.schema import Fault
from model_package.spool import Spool
from model_package.tables import InvalidTable
from monitoring.phrases import count
from shadow.backoff import Backoff
from shadow.journal.recorder import DISK, Recorder
from shadow.outcomes import Judged, header_faults, judge_line
from shadow.records import Outcome, OutcomeState

ENTRY_ROWS = 1000
_FAULTS_TOLD = 50


class InvalidFile(ValueError):
    """Some of the file is no outcome. The message names the lines, fifty at most.

    Nothing was imported, unless the file changed meanwhile: then at most its first `imported` outcomes.
    """

    def __init__(self, path: Path, told: list[str], faults: int, imported: int = 0) -> None:
        more = [f"and {faults - len(told)} more"] if faults > len(told) else []
        done = (
            f"at most its first {imported:,} outcomes were imported" if imported else "nothing was imported"
        )
        super().__init__("\n  ".join([f"{path}: {done}; {count(faults, 'fault')}:", *told, *more]))


class JournalRefuses(OSError):
    """The journal's disk takes nothing more."""


class OutcomeFile:
    """One file, or a pipe that is read to its end; its outcomes count as received `now`."""

    def __init__(self, path: Path, now: datetime, waiting: Callable[[str], None] = lambda _: None) -> None:
        """Look at it; `waiting` is told in words when it is a pipe. Raises InvalidFile or OSError."""
        self.path = path
        self._now = now
        try:
            self._file = Spool(path, waiting)
        except InvalidTable as fault:
            raise InvalidFile(path, [str(fault)], 1) from fault
        self.size = self._file.size

    def check(self, advance: Callable[[int], None]) -> Counter[OutcomeState]:
        """Judge every row, telling how many characters were read; counts sold and withdrawn.

        Raises InvalidFile.
        """
        states, told, faults = Counter[OutcomeState](), list[str](), 0
        try:
            for place, judged in self._judged(advance):
                if judged.outcome is not None:
                    states[judged.outcome.state] += 1
                faults += len(judged.faults)
                told += [_told(place, fault) for fault in islice(judged.faults, _FAULTS_TOLD - len(told))]
        except InvalidTable as fault:
            told, faults = [*told, str(fault)], faults + 1
        if faults:
            raise InvalidFile(self.path, told, faults)
        if not states:
            raise InvalidFile(self.path, ["at least one outcome is expected, got a header and no row"], 1)
        return states

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes of a file that was checked; raises InvalidFile if it has changed since."""
        imported = 0
        try:
            for place, judged in self._judged(lambda _: None):
                if judged.outcome is None:
                    told = [_told(place, fault) for fault in judged.faults]
                    raise InvalidFile(self.path, told, len(told), imported)
                yield judged.outcome
                imported += 1
        except InvalidTable as fault:
            raise InvalidFile(self.path, [str(fault)], 1, imported) from fault

    def _judged(self, advance: Callable[[int], None]) -> Iterator[tuple[str, Judged]]:
        """Every row with its lines; what is wrong with the header in place of all of them."""
        with self._file.reading() as file:
            table = tables.of_file(file, advance)
            if faults := header_faults(table.header):
                yield "line 1", Judged(None, faults)
                return
            for row, line in enumerate(table):
                yield line.place, judge_line(table.header, line.cells, row, self._now)


def _told(place: str, fault: Fault) -> str:
    field = "" if fault.field is None else f"{fault.field}: "
    return f"{place}: {field}expected {fault.expected}, got {fault.got}"


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
