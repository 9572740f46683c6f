"""Whatever an artifact's files hold: it is refused in one of three ways, or it is a model that prices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anything import ANYTHING, changed
from how_long import examples
from hypothesis import given
from hypothesis import strategies as st
from spoiled_boosters import SPOILINGS, Reader, Spoiling, fewer_trees, resized

from model_package import artifact, manifest, train
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe
from model_package.schema import EXAMPLE, FIELDS
from model_package.synthetic import synthetic

REFUSALS = (AlteredArtifact, InvalidArtifact, UnknownRecipe)
HOUSES = [dict(EXAMPLE), {field.name: None if field.nullable else EXAMPLE[field.name] for field in FIELDS}]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """The files of each recipe's model without their manifest, as small as they can be."""
    models, sales = tmp_path_factory.mktemp("models"), synthetic(400, seed=3)
    found = {}
    for recipe in ("linear", "gbm"):
        saved = train.train(recipe, sales, models, 7, trained_at=datetime(2026, 11, 1, tzinfo=UTC))
        found[recipe] = {file.name: file.read_bytes() for file in saved.iterdir()} | {"profile.json": b"{}"}
        del found[recipe][manifest.MANIFEST]
    found["gbm"]["model.txt"] = fewer_trees(found["gbm"]["model.txt"], 4)
    return found


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Makes a model's directory of these files anew, with a manifest that agrees with them."""

    def write(recipe: str, files: Files) -> Path:
        directory = tmp_path / recipe / "1"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name, data in {**files, manifest.MANIFEST: manifest.compose(recipe, "1", recipe, files)}.items():
            (directory / name).write_bytes(data)
        return directory

    return write


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """Reads artifacts in another process."""
    made = Reader()
    yield made
    made.end()


def loaded(directory: Path) -> artifact.Model | None:
    """The model, which then has all that a model has, or None when it was refused as it should be."""
    try:
        model = artifact.load(directory)
    except REFUSALS:
        return None
    dollars = model.predict(HOUSES)
    assert (dollars.shape, dollars.dtype) == ((2,), "float64")
    assert isinstance(model.card, dict)
    assert isinstance(model.profile, dict)
    return model


def test_what_is_not_spoiled_is_a_model(trained, put, reader) -> None:
    assert loaded(put("linear", trained["linear"]))
    assert reader.says(put("gbm", trained["gbm"])) == "priced (3,) float64"


@st.composite
def tampering(draw: st.DrawFn) -> Callable[[Path], None]:
    """Something done to a file of a directory, as an accident or somebody would."""
    share, other = draw(st.floats(0, 1, exclude_max=True)), draw(st.floats(0, 1, exclude_max=True))
    kind, bit = (
        draw(st.sampled_from(["bit", "cut", "more", "swap", "remove", "add", "link", "directory"])),
        draw(st.integers(0, 7)),
    )

    def done(directory: Path) -> None:
        files = sorted(file for file in directory.iterdir() if file.is_file())
        if not files:
            return
        file, second = files[int(share * len(files))], files[int(other * len(files))]
        data = file.read_bytes()
        at = int(other * len(data))
        if kind == "bit":
            flipped = bytes(byte ^ 1 << bit for byte in data[at : at + 1])
            file.write_bytes(data[:at] + flipped + data[at + 1 :])
        elif kind == "cut":
            file.write_bytes(data[:at])
        elif kind == "more":
            file.write_bytes(data + data[:bit])
        elif kind == "swap":
            file.write_bytes(second.read_bytes())
            second.write_bytes(data)
        elif kind == "add":
            (directory / f"{'.' * (bit % 2)}more{len(files)}.json").write_bytes(data)
        else:
            file.unlink()
            if kind == "link":
                file.symlink_to(second)
            elif kind == "directory":
                file.mkdir()

    return done


@examples(200)
@given(data=st.data())
def test_a_directory_that_is_not_as_it_was_written_is_refused(trained, put, data: st.DataObject) -> None:
    directory = put("linear", trained["linear"])
    digest = artifact.load(directory).digest
    for done in data.draw(st.lists(tampering(), min_size=1, max_size=3)):
        done(directory)
    model = loaded(directory)
    if model is not None:  # the manifest says the same in other white space: then it is another artifact
        found = {path.name: path.read_bytes() for path in directory.iterdir()}
        stated = found.pop(manifest.MANIFEST)
        assert found == trained["linear"]
        same = stated == manifest.compose("linear", "1", "linear", trained["linear"])
        assert (model.digest == digest) is same


ODD = st.sampled_from(
    [
        "5",
        "",
        True,
        10**400,
        -(10**400),
        float("nan"),
        float("inf"),
        1e308,
        [],
        {},
        [[]],
        [1.0],
        "linear",
        "1",
        "gbm",
        "\ud800",
        "../x",
        2**63,
    ]
)
TEXTS = st.sampled_from(
    [b"", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b"{}", b"[]", b'{"fields":[]}', b"1" * 5000]
) | st.binary(max_size=30)


@examples(300)
@given(data=st.data())
def test_files_of_any_content_with_the_right_hashes_are_refused_or_priced_with(
    trained, put, data: st.DataObject
) -> None:
    files = dict(trained["linear"])
    for name in data.draw(st.sets(st.sampled_from(["model.json", "encoder.json", "card.json"]), min_size=1)):
        document = st.just(json.loads(files[name])).flatmap(lambda told: changed(told, ANYTHING | ODD))
        files[name] = data.draw(document.map(lambda told: json.dumps(told).encode()) | TEXTS)
    loaded(put("linear", files))


@examples(200)
@given(data=st.data())
def test_a_manifest_of_any_content_is_refused_or_says_what_is_there(
    trained, put, data: st.DataObject
) -> None:
    directory = put("linear", trained["linear"])
    path = directory / manifest.MANIFEST
    told = json.loads(path.read_bytes())
    others = ANYTHING | ODD
    path.write_bytes(data.draw(changed(told, others).map(lambda one: json.dumps(one).encode()) | TEXTS))
    model = loaded(directory)
    if model is not None:
        assert json.loads(path.read_bytes())["files"] == told["files"]
        assert (model.name, model.version) == ("linear", "1")


@examples(600)
@given(spoilings=SPOILINGS, sizes_are_right=st.booleans())
def test_no_text_of_a_booster_ends_or_stops_the_process_that_reads_it(
    trained, put, reader, spoilings: list[Spoiling], sizes_are_right: bool
) -> None:
    text = trained["gbm"]["model.txt"]
    for spoiling in spoilings:
        text = spoiling.done(text)
    if sizes_are_right:
        text = resized(text)
    said = reader.says(put("gbm", {**trained["gbm"], "model.txt": text}))
    assert said in ("refused", "priced (3,) float64")
