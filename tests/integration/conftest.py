"""Real processes on real stores: a stack for each test, models trained once for all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE / "plug_in"):
    sys.path.insert(0, str(folder))

from harness.stack import MakeStack, Stack  # noqa: E402 (found only now)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models` and `data` as `umbra prepare` leaves them: linear@1 live, gbm@1 its candidate, store empty."""
    directory = tmp_path_factory.mktemp("prepared")
    Stack(directory, directory / "models").done("prepare")
    return directory


@pytest.fixture
def models(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the trained models that a test may add to, or spoil."""
    return Path(shutil.copytree(prepared / "models", tmp_path / "models"))


@pytest.fixture
def make_stack(prepared: Path, tmp_path: Path, models: Path) -> Iterator[MakeStack]:
    """Makes the stack of a test, prepared; whatever is left of it in the end is ended."""
    numbers = count()
    with ExitStack() as ends:

        def make(**settings: object) -> Stack:
            directory = tmp_path / f"stack-{next(numbers)}"
            directory.mkdir()
            shutil.copytree(prepared / "data", directory / "data")
            stack = Stack(directory, models, **settings)
            ends.callback(stack.end)
            return stack

        yield make


@pytest.fixture
def mounted() -> Iterator[Callable[..., None]]:
    """Mounts a file system; skips where that is not allowed. Unmounted at the end, thawed if need be."""
    places: list[Path] = []

    def mount(place: Path, *arguments: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            ["mount", *arguments, str(place)], capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            pytest.skip(f"needs to mount a file system: {result.stderr.strip()}")
        places.append(place)

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
