"""An outcome file: the CSV that POST /v1/outcomes takes, of any length; check all of it, then journal it."""

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
from shadow.journal.capture_result import CaptureResult
from shadow.journal.recorder import Recorder
from shadow.outcomes import ParsedOutcome, header_faults, parse_line
from shadow.records import Outcome, OutcomeState

ENTRY_ROWS = 1000
_MAX_FAULTS = 50


class InvalidOutcomeFile(ValueError):
    """Some lines of the file are no outcomes. The message names them, fifty at most.

    Nothing was imported, unless the file changed meanwhile: then at most its first `imported` outcomes.
    """

    def __init__(self, path: Path, messages: list[str], faults: int, imported: int = 0) -> None:
        more = [f"and {faults - len(messages)} more"] if faults > len(messages) else []
        done = (
            f"at most its first {imported:,} outcomes were imported" if imported else "nothing was imported"
        )
        super().__init__("\n  ".join([f"{path}: {done}; {count(faults, 'fault')}:", *messages, *more]))


class JournalUnwritable(OSError):
    """The journal's disk refuses to be written."""


class OutcomeFile:
    """One file, or a pipe, read to its end; its outcomes count as received `now`."""

    def __init__(self, path: Path, now: datetime, announce: Callable[[str], None] = lambda _: None) -> None:
        """Open the file; `announce` gets a sentence for a pipe. Raises InvalidOutcomeFile or OSError."""
        self.path = path
        self._now = now
        try:
            self._file = Spool(path, announce)
        except InvalidTable as fault:
            raise InvalidOutcomeFile(path, [str(fault)], 1) from fault
        self.size = self._file.size

    def check(self, advance: Callable[[int], None]) -> Counter[OutcomeState]:
        """Check every row and count sold and withdrawn; `advance` gets the number of characters read.

        Raises InvalidOutcomeFile.
        """
        states, messages, faults = Counter[OutcomeState](), list[str](), 0
        try:
            for lines, parsed in self._parsed(advance):
                if parsed.outcome is not None:
                    states[parsed.outcome.state] += 1
                faults += len(parsed.faults)
                listed = islice(parsed.faults, _MAX_FAULTS - len(messages))
                messages += [_message(lines, fault) for fault in listed]
        except InvalidTable as fault:
            messages, faults = [*messages, str(fault)], faults + 1
        if faults:
            raise InvalidOutcomeFile(self.path, messages, faults)
        if not states:
            raise InvalidOutcomeFile(
                self.path, ["at least one outcome is expected, got a header and no row"], 1
            )
        return states

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes of a checked file; raises InvalidOutcomeFile if it has changed since."""
        imported = 0
        try:
            for lines, parsed in self._parsed(lambda _: None):
                if parsed.outcome is None:
                    messages = [_message(lines, fault) for fault in parsed.faults]
                    raise InvalidOutcomeFile(self.path, messages, len(messages), imported)
                yield parsed.outcome
                imported += 1
        except InvalidTable as fault:
            raise InvalidOutcomeFile(self.path, [str(fault)], 1, imported) from fault

    def _parsed(self, advance: Callable[[int], None]) -> Iterator[tuple[str, ParsedOutcome]]:
        """Yield every row with its lines; the faults of the header instead of all rows."""
        with self._file.reading() as file:
            table = tables.from_file(file, advance)
            if faults := header_faults(table.header):
                yield "line 1", ParsedOutcome(None, faults)
                return
            for row, line in enumerate(table):
                yield line.location, parse_line(table.header, line.cells, row, self._now)


def _message(lines: str, fault: Fault) -> str:
    field = "" if fault.field is None else f"{fault.field}: "
    return f"{lines}: {field}expected {fault.expected}, got {fault.got}"


def append_to_journal(
    outcomes: Iterator[Outcome],
    open_recorder: Callable[[], Recorder],
    report: Callable[[int, CaptureResult], None],
    wait: Callable[[float], object],
) -> None:
    """Put outcomes into the journal, ENTRY_ROWS in an entry, waiting while it has no room for them.

    Calls `report` with the number of outcomes that the journal took since the last call; it is 0 while this
    function waits, and the result is the reason. An import that ended halfway can run again: an outcome that
    is stored already counts once. Raises JournalUnwritable.
    """
    recorder, pause, request_id = open_recorder(), Backoff(0.1, 2.0), f"import-{uuid4()}"
    try:
        while batch := list(islice(outcomes, ENTRY_ROWS)):
            while not (result := recorder.record_outcomes(request_id, batch)).is_kept:
                # Ingest removes only what is sealed; a write that was late has ended when this returns.
                recorder.close()
                if result is CaptureResult.DISK:
                    raise JournalUnwritable("the journal's disk refuses to be written; import again later")
                report(0, result)
                wait(pause.next())
                recorder = open_recorder()
            pause.reset()
            report(len(batch), result)
    finally:
        recorder.close()
