"""Model artifacts: a directory of plain data files, written once, verified before every use, never unpickled.

`models/NAME/VERSION/manifest.json` holds the SHA-256 and size of every other file; the SHA-256 of the
manifest is the digest of the artifact. Nothing here says who is live.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_package import manifest, recipes, schema
from model_package.manifest import ANEW, MANIFEST, AlteredArtifact, InvalidArtifact, Manifest
from model_package.recipes import Dollars, Scorer
from model_package.reference import ModelRef
from model_package.schema import Row

__all__ = [
    "AlteredArtifact",
    "InvalidArtifact",
    "Model",
    "NoSuchModel",
    "directory_of",
    "existing",
    "listing",
    "load",
    "save",
    "verify",
]

_MODEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_VERSION = re.compile(r"[1-9][0-9]{0,8}\Z")
_DRAFT = re.compile(r"\.([1-9][0-9]{0,8})\.draft\Z")


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model. `digest` is the artifact's SHA-256, `card` the content of card.json."""

    name: str
    version: str
    digest: str
    card: Mapping[str, Any]
    profile: Mapping[str, Any]
    scorer: Scorer

    def predict(self, rows: Sequence[Row]) -> Dollars:
        """Return US dollars, array of shape (n,): element i depends on row i alone, to the last bit."""
        return self.scorer(schema.matrix(rows))


class NoSuchModel(ValueError):
    """No artifact has this name and version."""


def directory_of(models: Path, reference: ModelRef) -> Path:
    """Return the directory of an artifact; raises InvalidArtifact for names that could lead elsewhere."""
    if not _MODEL_NAME.match(reference.name) or not _VERSION.match(reference.version):
        raise InvalidArtifact(f"{reference}: expected a name like gbm and a version like 2")
    return models / reference.name / reference.version


def existing(models: Path, reference: ModelRef) -> Path:
    """Return the directory of an artifact that exists; raises NoSuchModel."""
    directory = directory_of(models, reference)
    if not directory.is_dir():
        raise NoSuchModel(f"{reference}: no such model in {models}; `umbra models` lists those there are")
    return directory


def listing(models: Path) -> list[tuple[str, str]]:
    """List every (name, version) present, versions in the order of their numbers; verify nothing."""
    models_and_versions = [
        (model.name, int(version.name))
        for model in _directories(models, _MODEL_NAME)
        for version in _directories(model, _VERSION)
    ]
    return [(name, str(version)) for name, version in sorted(models_and_versions)]


def _directories(parent: Path, pattern: re.Pattern[str]) -> list[Path]:
    if not parent.is_dir():
        return []
    return [child for child in parent.iterdir() if pattern.match(child.name) and child.is_dir()]


def load(directory: Path) -> Model:
    """Verify everything, then make the scorer from the very bytes that were verified.

    Raises AlteredArtifact, InvalidArtifact, or recipes.UnknownRecipe.
    """
    return _model(directory, *_verified(directory))


def verify(directory: Path) -> None:
    """Check every SHA-256, the schema and the set of files; raises AlteredArtifact or InvalidArtifact."""
    _verified(directory)


def save(
    models: Path,
    name: str,
    recipe: str,
    compose: Callable[[str], Mapping[str, bytes]],
    check: Callable[[Model], None],
) -> Path:
    """Write the next version of NAME and return its directory: it appears whole or not at all.

    `compose(version)` returns the files; `check` gets the model as read back from disk, and raises to refuse
    it.
    """
    version, draft = _draft(models, name)
    try:
        files = compose(version)
        for file, data in {**files, MANIFEST: manifest.compose(name, version, recipe, files)}.items():
            _write(draft / file, data)
        stated = manifest.read(draft)
        check(_model(draft, stated, manifest.contents(draft, stated)))
        final = draft.rename(directory_of(models, ModelRef(name, version)))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync_directory(final.parent)
    return final


def _verified(directory: Path) -> tuple[Manifest, dict[str, bytes]]:
    stated = manifest.read(directory)
    if directory.absolute().parts[-2:] != (stated.name, stated.version):
        raise InvalidArtifact(
            f"{directory}: the manifest is of {stated.name}@{stated.version}: expected it in "
            f"{stated.name}/{stated.version}; move it back, or train the model again"
        )
    return stated, manifest.contents(directory, stated)


def _model(directory: Path, stated: Manifest, files: Mapping[str, bytes]) -> Model:
    recipe = recipes.get(stated.recipe)
    try:
        card, profile = _object(files["card.json"]), _object(files["profile.json"])
        scorer = recipe.load(files)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InvalidArtifact(
            f"{directory}: recipe {recipe.name} cannot read it ({error!r}): {ANEW}"
        ) from error
    return Model(stated.name, stated.version, stated.digest, card, profile, scorer)


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(data)
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, found {value!r:.80}")
    return value


def _draft(models: Path, name: str) -> tuple[str, Path]:
    """Claim the next number by making its hidden directory: two savers at once never get the same."""
    home = directory_of(models, ModelRef(name, "1")).parent
    home.mkdir(parents=True, exist_ok=True)
    while True:
        version = str(max(_numbers(home), default=0) + 1)
        draft = home / f".{version}.draft"
        try:
            draft.mkdir()
        except FileExistsError:
            continue
        if int(version) > max(_numbers(home, drafts=False), default=0):
            return version, draft
        draft.rmdir()


def _numbers(home: Path, *, drafts: bool = True) -> list[int]:
    """Return the version numbers taken in a model's directory, with those of drafts."""
    names = [child.name for child in home.iterdir()]
    numbers = [int(name) for name in names if _VERSION.match(name)]
    return numbers + [int(match[1]) for name in names if drafts and (match := _DRAFT.match(name))]


def _write(path: Path, data: bytes) -> None:
    """Write a new read-only file, and sync it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
