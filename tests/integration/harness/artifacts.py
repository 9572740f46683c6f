"""Artifacts for tests: ones that misbehave, further versions, altered ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import poison_recipe

from model_package import artifact

MANIFEST = "manifest.json"
assert poison_recipe.POISON


def poisonous(models: Path, mode: str, *, always: bool = False) -> str:
    """Save a candidate that misbehaves in this way; gives NAME@VERSION."""
    files = {
        "card.json": b'{"metrics": {}}',
        "profile.json": b"{}",
        "mode.json": json.dumps([mode, always]).encode(),
    }
    saved = artifact.save(models, mode, "poison", lambda _: files, lambda _: None)
    return f"{saved.parent.name}@{saved.name}"


def again(models: Path, name: str) -> str:
    """Save what version 1 of a model is as its next version; gives NAME@VERSION."""
    first = models / name / "1"
    files = {path.name: path.read_bytes() for path in first.iterdir() if path.name != MANIFEST}
    recipe = json.loads((first / MANIFEST).read_bytes())["recipe"]
    saved = artifact.save(models, name, recipe, lambda _: files, lambda _: None)
    return f"{name}@{saved.name}"


@contextmanager
def altered(path: Path) -> Iterator[None]:
    """One byte of a file is another one while the context lasts."""
    as_saved = path.read_bytes()
    _replace(path, as_saved.replace(b"1", b"2", 1))
    assert path.read_bytes() != as_saved
    try:
        yield
    finally:
        _replace(path, as_saved)


def _replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)
