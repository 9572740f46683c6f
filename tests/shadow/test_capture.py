"""What the journal takes and how fast."""

from __future__ import annotations

from collections.abc import Callable

from shadow import journal
from shadow.settings import Settings


def test_a_journal_with_room_takes_more_at_once_than_one_allowance(
    asker, settings: Callable[..., Settings]
) -> None:
    people = asker()
    reasons = [people.ask(1000) for _ in range(12)]
    people.recorder.close()
    assert set(reasons) <= {None, "late"}
    assert journal.size_bytes(settings().journal_dir) > 10 << 20
