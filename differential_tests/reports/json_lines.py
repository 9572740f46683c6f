"""Lines: every finding as JSON lines, each check's own line before those of its findings.

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
    """The checks (as objects) and their findings, as they were written."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            told = _restored(json.loads(text))
            yield told if "check" in told else Finding(**told | {"kind": FindingKind(told["kind"])})


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


def _line(told: dict[str, Any]) -> str:
    return (_as_it_is(told) or _told_apart(told)) + "\n"


def _as_it_is(told: dict[str, Any]) -> str:
    """JSON, or nothing when something in it needs care; there may be a million lines."""
    try:
        text = _JSON.encode(told)
    except ValueError:
        return ""
    return "" if r"\ud" in text else text


def _told_apart(told: dict[str, Any]) -> str:
    places: list[Steps] = []
    plain = _plain(told, [], places)
    return _JSON.encode(plain | ({"not_finite": places} if places else {}))


def _plain(found: Any, place: Steps, places: list[Steps]) -> Any:
    if isinstance(found, float) and not math.isfinite(found):
        places.append(place)
        return _TEXTS.get(found, "NaN")
    if isinstance(found, str):
        return found.encode("utf-8", "backslashreplace").decode()
    if isinstance(found, Mapping):
        return {_plain(key, place, []): _plain(one, [*place, key], places) for key, one in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(one, [*place, index], places) for index, one in enumerate(found)]
    return found


def _restored(told: dict[str, Any]) -> dict[str, Any]:
    for *where, last in told.pop("not_finite", ()):
        holder: Any = told
        for step in where:
            holder = holder[step]
        holder[last] = float(holder[last])
    return told
