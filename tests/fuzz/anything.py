"""JSON of any shape, and JSON that is nearly right."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@st.composite
def changed(draw: st.DrawFn, value: Any, others: st.SearchStrategy[Any]) -> Any:
    """A value in which, at any depth, something is left out or replaced by one of the others."""
    if not isinstance(value, dict | list) or not value or not draw(st.integers(0, 5)):
        return draw(others)
    parts = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    key = draw(st.sampled_from(list(parts)))
    if draw(st.integers(0, 5)):
        parts[key] = draw(changed(parts[key], others))
    else:
        del parts[key]
    return parts if isinstance(value, dict) else list(parts.values())


@st.composite
def with_one_other(draw: st.DrawFn, rows: list[Any], others: st.SearchStrategy[Any]) -> list[Any]:
    """Rows of which one says something else in one field."""
    at = draw(st.integers(0, len(rows) - 1))
    row = {**rows[at], draw(st.sampled_from(list(rows[at]))): draw(others)}
    return [*rows[:at], row, *rows[at + 1 :]]


@st.composite
def with_one_twice(draw: st.DrawFn, rows: list[Any]) -> bytes:
    """JSON of rows of which one says one field twice, with the same value or with that of another row."""
    bodies = [json.dumps(row) for row in rows]
    at, name = draw(st.integers(0, len(rows) - 1)), draw(st.sampled_from(list(rows[0])))
    again = f"{json.dumps(name)}: {json.dumps(rows[0][name])}"
    inner = bodies[at][1:-1]
    bodies[at] = "{" + draw(st.sampled_from([f"{again}, {inner}", f"{inner}, {again}"])) + "}"
    return f"[{', '.join(bodies)}]".encode()
