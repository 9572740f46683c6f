"""Try it: a form made from the schema, filled in with an example or with what was asked before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from api.pages.charts import embedded
from api.pages.formatting import dollars, moment, plain, whole
from model_package.schema import EXAMPLE, FIELDS, NAMES, Field
from shadow.records import Candidate, CandidateState, Prediction


@dataclass(frozen=True, slots=True)
class FormSource:
    """Where the values in the form come from; `failed`: not from where they were asked for."""

    text: str
    failed: bool = False


def shown(
    candidates: list[Candidate],
    found: Prediction | None,
    source: FormSource | None,
    masked: Collection[str] = (),
) -> dict[str, Any]:
    """What the template and the script are given; masked fields of a house of the store are left empty."""
    values: Mapping[str, Any] = EXAMPLE if found is None else _open(found.capture.inputs, masked)
    active = [one for one in candidates if one.state is CandidateState.ACTIVE]
    return {
        "candidates": [str(one.model) for one in active],
        "fields": [_shown(field, values.get(field.name)) for field in FIELDS],
        "source": source,
        "data": embedded(
            {
                "names": NAMES,
                "example": EXAMPLE,
                "candidates": [{"model": str(one.model), "sample": one.sample} for one in active],
            }
        ),
    }


def _open(inputs: Mapping[str, Any], masked: Collection[str]) -> Mapping[str, Any]:
    return {name: value for name, value in inputs.items() if name not in masked}


def _shown(field: Field, value: Any) -> dict[str, Any]:
    figure = plain if field.unit == "year" else whole
    ends = f"{figure(field.minimum)} to {figure(field.maximum)}"
    return {**asdict(field), "value": value, "range": ends}


def asked_before(found: Prediction, masked: Collection[str] = ()) -> FormSource:
    """Says that the form holds a house of the store."""
    taken = found.capture
    left_out = " Masked fields are left empty." if masked else ""
    return FormSource(
        f"This is the house of prediction {taken.id}: {taken.live} said {dollars(taken.prediction_dollars)} "
        f"at {moment(taken.captured_at)}.{left_out}"
    )
