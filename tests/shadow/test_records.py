"""Ids carry their time, stay in order and never collide in one request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_package.reference import InvalidReference, ModelRef
from shadow.records import capture_time, new_capture_ids

MOMENTS = st.integers(0, (1 << 47) - 1).filter(lambda ms: ms < 253_402_300_800_000)
BITS = st.integers(0, (1 << 74) - 1)


@given(count=st.integers(0, 1000), milliseconds=MOMENTS, bits=BITS)
def test_ids_are_version_7_consecutive_and_tell_their_time(count: int, milliseconds: int, bits: int) -> None:
    names = new_capture_ids(count, milliseconds, bits)
    assert [name.int - names[0].int for name in names] == list(range(count))
    assert all(name.version == 7 and name.variant == "specified in RFC 4122" for name in names)
    assert all(capture_time(name) == datetime.fromtimestamp(milliseconds / 1000, UTC) for name in names[-1:])


@pytest.mark.parametrize(
    "text", ["", "gbm", "gbm@", "@1", "GBM@1", "gbm@one", "../gbm@1", "gbm@1\n", "gbm@1@2"]
)
def test_what_is_no_reference_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidReference, match="NAME@VERSION"):
        ModelRef.parse(text)


def test_a_reference_reads_back_as_it_is_written() -> None:
    assert ModelRef.parse(str(ModelRef("gbm", "12"))) == ModelRef("gbm", "12")
