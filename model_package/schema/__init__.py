"""The schema of a house: its fields, the parsers of requests, and the matrix of numbers."""

from model_package.schema.csv_body import column_faults, csv_lines, parse_csv, take_rows
from model_package.schema.faults import (
    MAX_FAULTS,
    Fault,
    InvalidRows,
    MalformedBody,
    TooManyRows,
    cut,
    first_faults,
    json_excerpt,
)
from model_package.schema.fields import (
    BY_NAME,
    ENTITY,
    EXAMPLE,
    FIELDS,
    NAMES,
    Field,
    Row,
    Value,
    digest,
    json_schema,
    request_json_schema,
)
from model_package.schema.houses import Houses
from model_package.schema.json_body import json_rows, parse_json, sorted_by_row
from model_package.schema.matrix import matrix

__all__ = [
    "BY_NAME",
    "ENTITY",
    "EXAMPLE",
    "FIELDS",
    "MAX_FAULTS",
    "NAMES",
    "Fault",
    "Field",
    "Houses",
    "InvalidRows",
    "MalformedBody",
    "Row",
    "TooManyRows",
    "Value",
    "column_faults",
    "csv_lines",
    "cut",
    "digest",
    "first_faults",
    "json_excerpt",
    "json_rows",
    "json_schema",
    "matrix",
    "parse_csv",
    "parse_json",
    "request_json_schema",
    "sorted_by_row",
    "take_rows",
]
