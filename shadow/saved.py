"""Saved models by their reference."""

from __future__ import annotations

from pathlib import Path

from model_package import artifact
from shadow.records import ModelRef


class NoSuchModel(ValueError):
    """No artifact has this name and version."""


def existing(models: Path, reference: ModelRef) -> Path:
    """The artifact's directory; raises NoSuchModel."""
    directory = artifact.directory_of(models, reference.name, reference.version)
    if not directory.is_dir():
        raise NoSuchModel(f"{reference}: no such model in {models}; `umbra models` lists those there are")
    return directory
