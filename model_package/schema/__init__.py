"""The schema of a house: its fields, the parsers of requests, and the matrix of numbers."""

from model_package.schema.csv_body import at_most, column_faults, csv_lines, parse_csv
from model_package.schema.faults import (
    FAULTS_MOST,
    Fault,
    InvalidRows,
    MalformedBody,
    TooManyRows,
    cut,
    first_faults,
    shown,
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
    asked_json_schema,
    digest,
    json_schema,
)
from model_package.schema.houses import Houses
from model_package.schema.json_body import by_row, json_rows, parse_json
from model_package.schema.matrix import matrix

__all__ = [
    "BY_NAME",
    "ENTITY",
    "EXAMPLE",
    "FAULTS_MOST",
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
    "asked_json_schema",
    "at_most",
    "by_row",
    "column_faults",
    "csv_lines",
    "cut",
    "digest",
    "first_faults",
    "json_rows",
    "json_schema",
    "matrix",
    "parse_csv",
    "parse_json",
    "shown",
]
