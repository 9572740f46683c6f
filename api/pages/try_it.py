"""Try it: a form of the schema's fields, filled in with the example or with a stored house."""

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
    """The origin of the values in the form; `failed`: the requested prediction is not available."""

    text: str
    failed: bool = False


def context(
    candidates: list[Candidate],
    prediction: Prediction | None,
    source: FormSource | None,
    masked: Collection[str] = (),
) -> dict[str, Any]:
    """Give the context of the template and the script; masked fields of a stored house stay empty."""
    values: Mapping[str, Any] = (
        EXAMPLE if prediction is None else _unmasked(prediction.capture.inputs, masked)
    )
    active = [candidate for candidate in candidates if candidate.state is CandidateState.ACTIVE]
    return {
        "candidates": [str(candidate.model) for candidate in active],
        "fields": [_input(field, values.get(field.name)) for field in FIELDS],
        "source": source,
        "data": embedded(
            {
                "names": NAMES,
                "example": EXAMPLE,
                "candidates": [
                    {"model": str(candidate.model), "sample": candidate.sample} for candidate in active
                ],
            }
        ),
    }


def _unmasked(inputs: Mapping[str, Any], masked: Collection[str]) -> Mapping[str, Any]:
    return {name: value for name, value in inputs.items() if name not in masked}


def _input(field: Field, value: Any) -> dict[str, Any]:
    figure = plain if field.unit == "year" else whole
    ends = f"{figure(field.minimum)} to {figure(field.maximum)}"
    return {**asdict(field), "value": value, "range": ends}


def source_of(prediction: Prediction, masked: Collection[str] = ()) -> FormSource:
    """Describe the stored prediction whose house is in the form."""
    capture = prediction.capture
    left_out = " Masked fields are left empty." if masked else ""
    return FormSource(
        f"This is the house of prediction {capture.id}: {capture.live} said "
        f"{dollars(capture.prediction_dollars)} at {moment(capture.captured_at)}.{left_out}"
    )
