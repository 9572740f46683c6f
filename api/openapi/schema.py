"""JSON Schema: generated from the declaration of view records, and the blocks of what is written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"
_SUFFIX = "View"


def ref(name: str) -> Schema:
    """Refer to a schema of the document by its name."""
    return {"$ref": PREFIX + name}


def name_of(record: type) -> str:
    """Name a view record as the document does: PredictionView is `Prediction` there."""
    return record.__name__.removesuffix(_SUFFIX)


def object_of(**properties: Schema) -> Schema:
    """Describe an object that has all these properties, and may have more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def closed_object(required: list[str], **properties: Schema) -> Schema:
    """Describe an object that has no other properties, such as the body of a request."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def one_or_more(schema: Schema, most: int) -> Schema:
    """Describe one value, or an array of at most so many."""
    return {"oneOf": [schema, {"type": "array", "items": schema, "minItems": 1, "maxItems": most}]}


def count(description: str) -> Schema:
    """Describe a number of things."""
    return {"type": "integer", "minimum": 0, "description": description}


def of_records(records: Iterable[type]) -> Schema:
    """Generate the schemas of view records and of all that they refer to, by name."""
    adapters: list[Any] = [(record, "serialization", TypeAdapter(record)) for record in records]
    _, document = TypeAdapter.json_schemas(
        adapters,
        ref_template=PREFIX + "{model}",
        schema_generator=_Generator,
    )
    renamed = _renamed(document["$defs"])
    return {name.removesuffix(_SUFFIX): schema for name, schema in renamed.items()}


class _Generator(GenerateJsonSchema):
    """Schemas as people write them: no titles, `type: [string, "null"]`, enumerations without a type."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Leave the title out: it repeats the name."""
        return False

    def handle_ref_overrides(self, json_schema: JsonSchemaValue) -> JsonSchemaValue:
        """Leave references as they are: some are to schemas that are written by hand."""
        return json_schema

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """Describe a record by its fields alone; its docstring is for those who read the code."""
        described = super().dataclass_schema(schema)
        return {key: value for key, value in described.items() if key not in ("title", "description")}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Add null to the types."""
        inner = self.generate_inner(schema["schema"])
        if "type" in inner:
            return inner | {"type": [inner["type"], "null"]}
        return {"oneOf": [inner, {"type": "null"}]}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """List the values."""
        return {"enum": [member.value for member in schema["members"]]}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:  # noqa: ARG002
        """Describe any object."""
        return {"type": "object"}


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _referred(value) if key == "$ref" else _renamed(value) for key, value in node.items()}
    return [_renamed(value) for value in node] if isinstance(node, list) else node


def _referred(reference: str) -> str:
    return reference.removesuffix(_SUFFIX)
