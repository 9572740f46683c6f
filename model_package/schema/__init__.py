"""What a house is: its fields, how requests are read, and how rows become numbers."""

from model_package.schema.csv_body import parse_csv
from model_package.schema.faults import Fault, InvalidRows, MalformedBody, TooManyRows
from model_package.schema.fields import (
    BY_NAME,
    EXAMPLE,
    FIELDS,
    NAMES,
    Field,
    Row,
    Value,
    digest,
    json_schema,
)
from model_package.schema.houses import Houses
from model_package.schema.json_body import parse_json
from model_package.schema.matrix import matrix

__all__ = [
    "BY_NAME",
    "EXAMPLE",
    "FIELDS",
    "NAMES",
    "Fault",
    "Field",
    "Houses",
    "InvalidRows",
    "MalformedBody",
    "Row",
    "TooManyRows",
    "Value",
    "digest",
    "json_schema",
    "matrix",
    "parse_csv",
    "parse_json",
]
