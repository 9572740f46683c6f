"""A history: pairs of many days in a Postgres store, made by the database itself.

As ingest, lanes and reports would have left it: ids that carry their time, partitions, sources, cursors. The
inputs hold only the fields that the default policy's segments need, so rows are about a third as wide as real
ones. A fifth of the captures says which house it is, each of these houses was asked about twice; four fifths
were sold, within two months; one in a hundred was timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg2

from shadow.store import Store, candidates, sources
from shadow.store.database import partitions, tables
from shadow.store.database.partitions import first_id, milliseconds

DAYS = 200
DIRECTORY = "benchmark"
DAY_MILLISECONDS = 86_400_000
_NORMAL = "((random() + random() + random() - 1.5) * 2)"  # mean 0, deviation 1

# Of a day: {first} and {last} number of its captures, {start} in milliseconds, {step} between two of them.
_HOUSES = """
CREATE TEMPORARY TABLE houses ON COMMIT DROP AS
SELECT *, to_timestamp(ms / 1000.0) AS at, price * exp(0.15 * {normal}) AS live,
  price * exp(0.14 * {normal}) AS candidate, ms + (random() * 60 * {day})::bigint AS told_ms
FROM (
  SELECT n, ms, 150000 * exp(0.4 * {normal}) AS price,
    (lpad(to_hex(ms), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id
  FROM (
    SELECT n, {start} + ((n - {first}) * {step})::bigint AS ms
    FROM generate_series({first}::bigint, {last}) AS n
  ) AS numbered
) AS priced
"""
_CAPTURES = """
INSERT INTO captures (id, source_id, seq, captured_at, request_id, row_index, live_name, live_version,
  prediction_dollars, inputs, sample_key, entity_id)
SELECT id, 1, n, at, 'request-' || n, 0, 'linear', '1', live,
  json_build_object(
    'neighborhood', (ARRAY['NAmes', 'OldTown', 'CollgCr', 'NridgHt', 'Edwards', 'Gilbert'])[1 + n % 6],
    'year_built', 1900 + (n * 7) % 110, 'year_sold', 2010,
    'lot_frontage', CASE WHEN n % 6 > 0 THEN 40 + n % 60 END
  ), random(), CASE WHEN n % 10 IN (4, 5) THEN 'house-' || n / 2 END
FROM houses
"""
_OBSERVATIONS = """
INSERT INTO observations (capture_id, candidate_id, state, prediction_dollars, latency_seconds, observed_at)
SELECT id, 1, 'scored', candidate, CASE WHEN n % 100 = 0 THEN 0.001 END, at FROM houses
"""
_OUTCOMES = """
INSERT INTO outcomes (source_id, seq, capture_id, state, price_dollars, sold_at, received_at, recorded_at,
  delay_seconds)
SELECT 1, n, id, 'sold', price, to_timestamp(told_ms / 1000.0), to_timestamp(told_ms / 1000.0),
  to_timestamp(told_ms / 1000.0), (told_ms - ms) / 1000.0
FROM houses WHERE n % 5 > 0 AND told_ms < {now}
"""


@dataclass(frozen=True, slots=True)
class History:
    """So many pairs, evenly over whole days that end now."""

    pairs: int
    now: datetime
    days: int = DAYS

    @property
    def start(self) -> datetime:
        """When the first house was asked about: midnight, UTC."""
        midnight = self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=self.days)

    def fill(self, store: Store, progress: Callable[[], None]) -> None:
        """Store everything, day by day, in the store of one live model and its first candidate."""
        with store.writing() as connection:
            source = sources.lock(connection, DIRECTORY, self.start)
            sources.advance(connection, source, self.pairs, self.pairs)
            (candidate,) = candidates.present(connection)
            (cursor,) = candidates.cursors_of(connection, candidate)
            candidates.move_cursor(connection, candidate, cursor, self.pairs)
        with psycopg2.connect(store.url) as connection:
            connection.cursor().execute("SET synchronous_commit = off; SELECT setseed(0.5)")
            for day in range(self.days):
                self._fill_day(store, connection, day)
                progress()
        _analyze(store)

    def _fill_day(self, store: Store, connection: psycopg2.extensions.connection, day: int) -> None:
        start = milliseconds(self.start) + day * DAY_MILLISECONDS
        first, last = (self.pairs * boundary // self.days for boundary in (day, day + 1))
        with store.writing() as writing:
            partitions.ensure(writing, [first_id(start), first_id(start + DAY_MILLISECONDS - 1)])
        values = {
            "first": first + 1,
            "last": last,
            "start": start,
            "step": DAY_MILLISECONDS / (last - first),
            "now": milliseconds(self.now),
            "day": DAY_MILLISECONDS,
            "normal": _NORMAL,
        }
        for query in (_HOUSES, _CAPTURES, _OBSERVATIONS, _OUTCOMES):
            connection.cursor().execute(query.format(**values))
        connection.commit()


def _analyze(store: Store) -> None:
    """As autovacuum would have by now: it looks at partitions, never at what they are partitions of."""
    with psycopg2.connect(store.url) as connection, store.reading() as reading:
        for name in [table.name for table in partitions.existing(reading)] + [tables.outcomes.name]:
            connection.cursor().execute(f"ANALYZE {name}")
