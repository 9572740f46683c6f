"""The manifest of an artifact: the SHA-256 and size of every other file, and their verification."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from model_package import schema

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
MAX_DOCUMENT_BYTES = 1 << 18
ANEW = "train the model again, or copy the version directory anew from where it was made"
_FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\.[a-z0-9]{1,16}\Z")


class InvalidArtifact(ValueError):
    """Not a complete, readable artifact of this schema."""

    safe_to_log = True


class AlteredArtifact(ValueError):
    """A file that differs from its manifest."""

    safe_to_log = True


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact is made of. `files`: name to (SHA-256, bytes)."""

    name: str
    version: str
    recipe: str
    schema_sha256: str
    files: Mapping[str, tuple[str, int]]
    digest: str


def compose(name: str, version: str, recipe: str, files: Mapping[str, bytes]) -> bytes:
    """Write the manifest of these files, as bytes."""
    entries = {
        file: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for file, data in sorted(files.items())
    }
    document = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "recipe": recipe,
        "schema_sha256": schema.digest(),
        "files": entries,
    }
    return json.dumps(document, indent=1).encode()


def read(directory: Path) -> Manifest:
    """Read the manifest alone; raises InvalidArtifact."""
    data = _bytes(directory / MANIFEST, MAX_MANIFEST_BYTES)
    try:
        document = json.loads(data)
        files = {name: (entry["sha256"], entry["bytes"]) for name, entry in document["files"].items()}
        texts = {key: document[key] for key in ("name", "version", "recipe", "schema_sha256")}
        form = document["format"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidArtifact(f"{directory / MANIFEST}: not a manifest ({error!r}): {ANEW}") from error
    if form != FORMAT or not all(isinstance(text, str) for text in texts.values()):
        raise InvalidArtifact(f"{directory / MANIFEST}: expected format {FORMAT}, found {form!r}: {ANEW}")
    return Manifest(**texts, files=files, digest=sha256(data).hexdigest())


def contents(directory: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read each file once, and verify it against the manifest; raises AlteredArtifact or InvalidArtifact."""
    present = {entry.name for entry in os.scandir(directory)} - {MANIFEST}
    _refuse_names(directory, manifest, present)
    if manifest.schema_sha256 != schema.digest():
        raise InvalidArtifact(
            f"{directory}: made for another schema ({manifest.schema_sha256[:12]}..., this one is "
            f"{schema.digest()[:12]}...): train the model again with this version of Umbra"
        )
    return {name: _file(directory / name, *expected) for name, expected in manifest.files.items()}


def document(directory: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    """Read one JSON object of an artifact, of at most MAX_DOCUMENT_BYTES, and verify it.

    Raises AlteredArtifact or InvalidArtifact. Follows no link and waits for no pipe.
    """
    if name not in manifest.files:
        raise InvalidArtifact(f"{directory}: the manifest lists no {name}: {ANEW}")
    data = _file(directory / name, *manifest.files[name], limit=MAX_DOCUMENT_BYTES)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArtifact(f"{directory / name}: not JSON ({error!r}): {ANEW}") from error
    if not isinstance(value, dict):
        raise InvalidArtifact(f"{directory / name}: expected a JSON object, found {value!r:.80}: {ANEW}")
    return value


def _refuse_names(directory: Path, manifest: Manifest, present: set[str]) -> None:
    for name in manifest.files:
        if not _FILE_NAME.match(name) or name == MANIFEST:
            raise InvalidArtifact(
                f"{directory}: the manifest lists {name!r}, expected plain file names: {ANEW}"
            )
    missing, extra = sorted(set(manifest.files) - present), sorted(present - set(manifest.files))
    if missing:
        raise AlteredArtifact(f"{directory}: missing {', '.join(missing)}: {ANEW}")
    if extra:
        raise AlteredArtifact(f"{directory}: {', '.join(extra)} not in the manifest: remove what was added")


def _file(path: Path, expected: object, size: object, limit: int = MAX_FILE_BYTES) -> bytes:
    data = _bytes(path, limit)
    digest = sha256(data).hexdigest()
    if digest != expected or len(data) != size:
        raise AlteredArtifact(
            f"{path}: altered: expected SHA-256 {expected} of {size} bytes, "
            f"found {digest} of {len(data)}: {ANEW}"
        )
    return data


def _bytes(path: Path, limit: int) -> bytes:
    """Read at most `limit` bytes of a regular file; follows no link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidArtifact(f"{path}: cannot be read as a plain file: {error.strerror}: {ANEW}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArtifact(f"{path}: not a plain file: {ANEW}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # No more than is there: a buffer of `limit` would be allocated whole, where memory is limited.
            data = file.read(min(status.st_size, limit) + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise AlteredArtifact(f"{path}: larger than the {limit} bytes expected: {ANEW}")
    return data
