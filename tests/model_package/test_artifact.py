from __future__ import annotations

import json
import os
import random
import stat
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_package import artifact, recipes, schema
from model_package.artifact import AlteredArtifact, InvalidArtifact, Model
from model_package.reference import ModelRef

FILES = {"model.json": b"{}", "card.json": b"{}", "card.md": b"#", "profile.json": b"{}"}


@pytest.fixture(scope="module", autouse=True)
def constant() -> None:
    """A recipe whose models say 100,000 dollars to everything."""
    recipes.add(
        recipes.Recipe(
            name="constant-for-artifacts",
            purpose="saying 100,000 dollars",
            train=lambda *_: recipes.Fitted({}, lambda houses: np.full(len(houses), 1e5)),
            load=lambda _: lambda matrix: np.full(len(matrix), 1e5),
        )
    )


def accepted(model: Model) -> None:
    assert model.predict([schema.EXAMPLE]).tolist() == [1e5]


def save(models: Path, check: Callable[[Model], None] = accepted) -> Path:
    return artifact.save(models, "house", "constant-for-artifacts", lambda _: FILES, check)


def rewrite_manifest(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    change(manifest)
    (directory / "manifest.json").write_text(json.dumps(manifest))


def refused(directory: Path, words: str) -> None:
    for use in (artifact.verify, artifact.load):
        with pytest.raises((AlteredArtifact, InvalidArtifact), match=words) as refusal:
            use(directory)
        assert str(directory) in str(refusal.value)


def test_versions_count_up_and_are_listed_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    paths = [save(tmp_path) for _ in range(11)]
    assert [path.name for path in paths] == [str(number) for number in range(1, 12)]
    assert paths[-1] == artifact.directory_of(tmp_path, ModelRef("house", "11"))
    assert artifact.listing(tmp_path) == [("house", str(number)) for number in range(1, 12)]


def test_nothing_is_listed_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "house" / ".3.draft").mkdir(parents=True)
    (tmp_path / "house" / "latest").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert artifact.listing(tmp_path) == []
    assert artifact.listing(tmp_path / "nowhere") == []


def test_a_number_left_by_a_crash_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "house" / ".1.draft").mkdir(parents=True)
    assert save(tmp_path).name == "2"


def test_savers_at_the_same_time_get_different_versions(tmp_path: Path) -> None:
    threads = [threading.Thread(target=save, args=(tmp_path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(artifact.listing(tmp_path)) == 8
    for name, version in artifact.listing(tmp_path):
        artifact.verify(artifact.directory_of(tmp_path, ModelRef(name, version)))


def test_a_refused_model_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(model: Model) -> None:
        raise RuntimeError("not good enough")

    with pytest.raises(RuntimeError):
        save(tmp_path, refuse)
    assert list((tmp_path / "house").iterdir()) == []


def test_what_is_saved_cannot_be_written_to_by_mistake(tmp_path: Path) -> None:
    for file in save(tmp_path).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o222 == 0


def test_the_digest_is_that_of_the_manifest_which_names_every_other_file(saved: Path) -> None:
    model = artifact.load(saved)
    manifest = (saved / "manifest.json").read_bytes()
    assert model.digest == sha256(manifest).hexdigest()
    listed = json.loads(manifest)["files"]
    assert set(listed) | {"manifest.json"} == {file.name for file in saved.iterdir()}
    for name, entry in listed.items():
        data = (saved / name).read_bytes()
        assert entry == {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


def test_only_plain_data_files_are_kept(saved: Path) -> None:
    assert {file.suffix for file in saved.iterdir()} <= {".json", ".md", ".txt"}
    assert not any(file.read_bytes().startswith((b"\x80", b"PK")) for file in saved.iterdir())


def test_a_flipped_bit_anywhere_is_refused(saved: Path) -> None:
    chance = random.Random(5)
    for file in sorted(saved.iterdir()):
        data = file.read_bytes()
        places = [0, len(data) * 8 - 1, *(chance.randrange(len(data) * 8) for _ in range(8))]
        digest = artifact.load(saved).digest
        for place in places:
            spoiled = bytearray(data)
            spoiled[place // 8] ^= 1 << place % 8
            file.write_bytes(spoiled)
            try:
                altered = artifact.load(saved)
            except (AlteredArtifact, InvalidArtifact, recipes.UnknownRecipe):
                continue
            # A bit of the manifest's own white space: every file is whole, but it is another artifact.
            assert file.name == "manifest.json"
            assert altered.digest != digest
        file.write_bytes(data)


def test_an_altered_file_is_named_with_both_hashes(saved: Path) -> None:
    card = saved / "card.json"
    expected = sha256(card.read_bytes()).hexdigest()
    card.write_bytes(card.read_bytes().replace(b"1", b"2"))
    found = sha256(card.read_bytes()).hexdigest()
    refused(saved, rf"card\.json: altered: expected SHA-256 {expected} .* found {found}")


def test_a_longer_and_a_shorter_file_are_refused(saved: Path) -> None:
    data = (saved / "card.md").read_bytes()
    (saved / "card.md").write_bytes(data + b" ")
    refused(saved, "card.md: altered")
    (saved / "card.md").write_bytes(data[:-1])
    refused(saved, "card.md: altered")


def test_a_missing_file_is_refused(saved: Path) -> None:
    (saved / "profile.json").unlink()
    refused(saved, "missing profile.json")


def test_an_extra_file_is_refused(saved: Path) -> None:
    (saved / "model.pkl").write_bytes(b"\x80\x04")
    refused(saved, "model.pkl not in the manifest")


def test_a_link_in_place_of_a_file_is_refused(saved: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "card.json"
    elsewhere.write_bytes((saved / "card.json").read_bytes())
    (saved / "card.json").unlink()
    (saved / "card.json").symlink_to(elsewhere)
    refused(saved, "cannot be read as a plain file")


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting(saved: Path) -> None:
    (saved / "card.json").unlink()
    os.mkfifo(saved / "card.json")
    refused(saved, "not a plain file")


def test_a_directory_in_place_of_a_file_is_refused(saved: Path) -> None:
    (saved / "card.json").unlink()
    (saved / "card.json").mkdir()
    refused(saved, "not a plain file")


@pytest.mark.parametrize(
    "name", ["../card.json", "/etc/hostname", "a/b.json", "", ".hidden", "manifest.json", "C.json"]
)
def test_a_manifest_that_leads_elsewhere_is_refused(saved: Path, name: str) -> None:
    rewrite_manifest(
        saved, lambda manifest: manifest["files"].update({name: {"sha256": "0" * 64, "bytes": 1}})
    )
    refused(saved, "expected plain file names")


def test_an_artifact_of_another_schema_is_refused(saved: Path) -> None:
    rewrite_manifest(saved, lambda manifest: manifest.update(schema_sha256="0" * 64))
    refused(saved, "another schema")


def test_an_artifact_under_another_name_is_refused(saved: Path) -> None:
    moved = saved.rename(saved.with_name("2"))
    refused(moved, "expected it in")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"format": 2}',
        b"[" * 100_000,
        b'{"files": {"a.json": 5}}',
    ],
)
def test_a_manifest_that_is_none_is_refused(saved: Path, content: bytes) -> None:
    (saved / "manifest.json").write_bytes(content)
    refused(saved, "manifest.json")


def test_a_manifest_of_unbelievable_size_is_refused(saved: Path) -> None:
    (saved / "manifest.json").write_bytes(b" " * (1 << 20) + b"{}")
    refused(saved, "larger than the 1048576 bytes expected")


@pytest.mark.parametrize(
    "entry", [{"sha256": 5, "bytes": 2}, {"sha256": "0" * 64, "bytes": -1}, {"sha256": None, "bytes": "x"}]
)
def test_a_manifest_with_nonsense_entries_is_refused(saved: Path, entry: dict[str, object]) -> None:
    rewrite_manifest(saved, lambda manifest: manifest["files"].update({"card.md": entry}))
    refused(saved, r"card\.md: altered")


def test_a_file_that_fits_its_hash_but_not_its_recipe_is_refused(saved: Path) -> None:
    replace(saved, "encoder.json", b'{"fields": []}')
    with pytest.raises(InvalidArtifact, match="train the model again"):
        artifact.load(saved)


def replace(saved: Path, name: str, data: bytes) -> None:
    """Another content, with a manifest that agrees."""
    (saved / name).write_bytes(data)
    entry = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
    rewrite_manifest(saved, lambda manifest: manifest["files"].update({name: entry}))


@pytest.mark.parametrize("name", ["card.json", "profile.json", "encoder.json"])
@pytest.mark.parametrize("data", [b"[]", b"null", b'"card"', b"[" * 100_000])
def test_a_file_of_another_shape_is_refused(saved: Path, name: str, data: bytes) -> None:
    replace(saved, name, data)
    with pytest.raises(InvalidArtifact, match="train the model again"):
        artifact.load(saved)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "linear" / "1", "No such file")


@pytest.mark.parametrize(
    ("name", "version"), [("..", "1"), ("a/b", "1"), ("gbm", "../1"), ("gbm", "0"), ("gbm", "1\n")]
)
def test_names_that_lead_elsewhere_have_no_directory(tmp_path: Path, name: str, version: str) -> None:
    with pytest.raises(InvalidArtifact):
        artifact.directory_of(tmp_path, ModelRef(name, version))
