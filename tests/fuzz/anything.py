"""JSON of any shape, and JSON that is nearly right."""

from __future__ import annotations

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
