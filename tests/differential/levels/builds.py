"""Builds: copies of packages in which one text is another, and copies of artifacts with other files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from differential_tests.findings import Level
from differential_tests.reports import json_lines

MANIFEST = "manifest.json"
SECONDS = 120.0
RECIPES = ("linear", "gbm")
"""Those that are shipped: other tests of the same process make others known."""


@dataclass(frozen=True, slots=True)
class Patch:
    """In this file of a package one text, which is there once, is another."""

    file: str
    before: str
    after: str

    @property
    def package(self) -> str:
        return self.file.split("/")[0]

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")


def build(patch: Patch, directory: Path) -> Path:
    """Copy a patched package into a folder that goes first on the path."""
    shutil.copytree(_installed(patch.package), directory / patch.package)
    file = directory / patch.file
    text = file.read_text()
    assert text.count(patch.before) == 1, f"{patch.file} has not one text {patch.before!r}: mend the patch"
    file.write_text(text.replace(patch.before, patch.after))
    assert _runs(patch.module, directory) == file, "the copy is not what a process runs"
    return directory


def _installed(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _runs(module: str, code: Path) -> Path:
    """Find the file from which a process would import a module."""
    asking = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).origin)"
    return Path(_python(["-c", asking, module], code).stdout.strip())


def _python(arguments: list[str], code: Path | None) -> subprocess.CompletedProcess[str]:
    paths = [*([str(code)] if code else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=code,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a climb has shown: the levels that ran, and those that found something or could not run."""

    ran: frozenset[Level]
    failed: frozenset[Level]
    text: str

    @property
    def first(self) -> Level | None:
        return min(self.failed, default=None)


_TRAIN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from model_package import dataset, train
recipe, sales, models = sys.argv[1:]
when = datetime(2026, 11, 1, tzinfo=UTC)
train.train(recipe, dataset.read_csv(Path(sales)), Path(models), 7, trained_at=when)
"""


def train(code: Path, recipe: str, sales: Path, models: Path) -> Path:
    """Train with the code of a build; gives the artifact."""
    done = _python(["-c", _TRAIN, recipe, str(sales), str(models)], code)
    assert done.returncode == 0, done.stderr
    return models / recipe / "1"


def climb(code: Path, package: Path, levels: list[Level], *more: str) -> Seen:
    """`python -m differential_tests levels` with the code of a build, as a process of its own."""
    report = code / "levels.jsonl"
    chosen = [word for level in levels for word in ("--level", level)]
    done = _python(
        ["-m", "differential_tests", "levels", str(package), "--jsonl", str(report), *chosen, *more], code
    )
    assert report.is_file(), done.stderr
    checks = [record for record in json_lines.read(report) if isinstance(record, Mapping)]
    failed = {Level(check["level"]) for check in checks if check["state"] != "same"}
    assert done.returncode == (0 if not failed else done.returncode) != 130
    return Seen(
        frozenset(Level(check["level"]) for check in checks), frozenset(failed), done.stdout + done.stderr
    )


def artifact(original: Path, models: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Copy an artifact with other files and a matching manifest, which no hash can detect."""
    copy = models / original.parent.name / original.name
    shutil.copytree(original, copy)
    files = {path.name: path.read_bytes() for path in copy.iterdir() if path.name != MANIFEST}
    change(files)
    stated = json.loads((copy / MANIFEST).read_bytes())
    stated["files"] = {
        name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    for name, data in {**files, MANIFEST: json.dumps(stated).encode()}.items():
        (copy / name).chmod(0o644)
        (copy / name).write_bytes(data)
    return copy
