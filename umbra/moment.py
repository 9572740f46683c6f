"""A date or time as an argument: commands accept every form that Umbra prints."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r" ?(UTC|Z)$", re.IGNORECASE)


class Moment(click.ParamType):  # type: ignore[type-arg] # generic only since click 8.4
    """A date, or a date and a time, with a zone or in UTC: `2026-11-01`, `2026-11-01 09:30:00 UTC`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> datetime:
        """Parse the argument; the result is in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(_ZONE.sub("+00:00", value.strip()))
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return self._fail(value, param, context)
        return moment if moment >= _EARLIEST else self._fail(value, param, context)

    def _fail(self, value: str, param: click.Parameter | None, context: click.Context | None) -> datetime:
        return self.fail(
            f"{value!r} is no moment since 1970: expected a date such as 2026-11-01, or a time such as "
            "2026-11-01T09:30:00+00:00 (without a zone: UTC)",
            param,
            context,
        )


MOMENT = Moment()
