"""JSON lines: the line of a check, then a line for each of its findings.

Strict readers (jq, orjson) know no NaN: it is the text "NaN", and `not_finite` says where such texts are
numbers. Half a surrogate pair, which is no character, is written as the escape it came as.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from differential_tests.findings import Check, Finding, FindingKind
from differential_tests.reports import summary

Steps = list[str | int]
_JSON = json.JSONEncoder(allow_nan=False)
_TEXTS = {math.inf: "Infinity", -math.inf: "-Infinity"}


def write(path: Path, checks: Sequence[Check]) -> None:
    """Write all findings of all checks."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_lines(checks))


def read(path: Path) -> Iterator[Mapping[str, Any] | Finding]:
    """Read the checks (as objects) and their findings."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            record = _restore(json.loads(text))
            yield record if "check" in record else Finding(**record | {"kind": FindingKind(record["kind"])})


def _lines(checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        yield _line(_header(check))
        for finding in check.findings:
            yield _line({name: getattr(finding, name) for name in Finding.__slots__})


def _header(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "dataset": check.dataset,
        "level": check.level,
        "state": summary.state(check),
        "rows": check.rows,
        "findings": len(check.findings),
        "kinds": summary.kinds(check),
        "error": check.error,
        "asked": [asdict(kind) for kind in check.kind_counts],
        "unanswered": check.unanswered,
        "seconds": check.seconds,
        "facts": summary.facts(check),
        "spreads": [asdict(spread) for spread in check.spreads],
    }


def _line(record: dict[str, Any]) -> str:
    return (_encoded(record) or _without_nan(record)) + "\n"


def _encoded(record: dict[str, Any]) -> str:
    """Encode a record as JSON; return "" if it needs `_without_nan`."""
    try:
        text = _JSON.encode(record)
    except ValueError:
        return ""
    return "" if r"\ud" in text else text


def _without_nan(record: dict[str, Any]) -> str:
    not_finite: list[Steps] = []
    plain = _replace_nan(record, [], not_finite)
    return _JSON.encode(plain | ({"not_finite": not_finite} if not_finite else {}))


def _replace_nan(value: Any, steps: Steps, not_finite: list[Steps]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        not_finite.append(steps)
        return _TEXTS.get(value, "NaN")
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {
            _replace_nan(key, steps, []): _replace_nan(child, [*steps, key], not_finite)
            for key, child in value.items()
        }
    if isinstance(value, list | tuple):
        return [_replace_nan(child, [*steps, index], not_finite) for index, child in enumerate(value)]
    return value


def _restore(record: dict[str, Any]) -> dict[str, Any]:
    for *where, last in record.pop("not_finite", ()):
        holder: Any = record
        for step in where:
            holder = holder[step]
        holder[last] = float(holder[last])
    return record
