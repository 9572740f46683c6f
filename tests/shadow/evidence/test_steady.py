"""Looking at the evidence again and again keeps nothing: no object and no statement, though data grow."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from datetime import timedelta

from season import DAY, NOW, Season, outcome

from shadow.evidence.cycle import EvidenceCycle

WARM, LOOKS, HOUSES = 3, 6, 50


def kept(season: Season) -> tuple[int, int]:
    """Objects there are, and statements that were compiled."""
    gc.collect()
    return len(gc.get_objects()), len(season.store._engine._compiled_cache or {})


def test_a_look_keeps_no_object_and_no_statement_although_the_data_grow(
    make_season: Callable[..., Season],
) -> None:
    season = make_season("kept")
    look = EvidenceCycle(season.store, season.settings, threading.Event())
    counts = []
    for number in range(WARM + LOOKS):
        moment = NOW + number * timedelta(hours=1)
        ids = season.ask(moment, HOUSES)
        season.score(ids, 150_000.0, moment)
        season.report([outcome(name, 140_000.0, moment) for name in ids], moment)
        assert look.run(moment + DAY / 48) == 1
        counts.append(kept(season))
    objects, statements = zip(*counts[WARM:], strict=True)
    for every_other in (objects[::2], objects[1::2]):  # the number swings from one cycle to the next
        assert max(every_other) - min(every_other) < HOUSES * LOOKS / 2
    assert set(statements) == {statements[0]}
