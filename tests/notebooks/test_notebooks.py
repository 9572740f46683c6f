"""The notebooks run from a clean kernel to their end, and what they assert can fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import filled_store
import nbformat
import pytest
import town
from nbmake.nb_result import NotebookResult
from nbmake.nb_run import NotebookRun

from shadow.settings import Settings

FOLDER = Path(filled_store.__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_SECONDS = 110
BY_HAND = "02_shadow_vs_live.ipynb"

pytestmark = pytest.mark.xdist_group("notebooks")  # the store they share takes long to fill

Run = Callable[..., NotebookResult]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a notebook on a store, in a kernel that leaves nothing in the user's directories."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.delenv("SALES_CSV", raising=False)

    def one(notebook: Path, store: Settings) -> NotebookResult:
        monkeypatch.setenv("UMBRA_DATA_DIR", str(store.data_dir))
        monkeypatch.setenv("UMBRA_MODELS_DIR", str(store.models))
        monkeypatch.setenv("UMBRA_STORE_URL", store.store_url)
        return NotebookRun(notebook, CELL_SECONDS).execute()

    return one


def outputs(notebook: Mapping[str, Any]) -> list[str]:
    """The cells that have an output or a number."""
    ran = (cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count"))
    return [cell["id"] for cell in ran]


def plots(result: NotebookResult) -> int:
    """How many pictures there are."""
    shown = (output for cell in result.nb.cells for output in cell.get("outputs", []))
    return sum("image/png" in output.get("data", {}) for output in shown)


def succeeded(result: NotebookResult) -> bool:
    assert result.error is None, result.error.trace
    return True


def test_there_are_three() -> None:
    assert [notebook.name[:2] for notebook in NOTEBOOKS] == ["01", "02", "03"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: str(notebook.stem))
def test_a_notebook_is_valid_and_committed_without_outputs(notebook: Path) -> None:
    read = nbformat.read(notebook, as_version=4)
    nbformat.validate(read)
    assert outputs(read) == []


def test_an_output_left_in_a_notebook_is_seen() -> None:
    read = nbformat.read(NOTEBOOKS[0], as_version=4)
    cell = next(cell for cell in read.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="a house")]
    assert outputs(read) == [cell.id]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: str(notebook.stem))
def test_a_notebook_runs_and_draws(notebook: Path, filled: Settings, run: Run) -> None:
    result = run(notebook, filled)
    assert succeeded(result)
    assert plots(result) >= 3


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_the_verdict_by_hand_is_the_same_on_postgres(
    store_url: str, filled: Settings, run: Run, tmp_path: Path
) -> None:
    there = replace(filled, data_dir=tmp_path / "data", models_dir=filled.models, store_url=store_url)
    filled_store.fill(there, filled_store.END, town.TownPlan(looks=()))
    assert succeeded(run(FOLDER / BY_HAND, there))


def test_a_verdict_worked_out_otherwise_fails_the_notebook(
    filled: Settings, run: Run, tmp_path: Path
) -> None:
    wrong = tmp_path / "notebooks"
    shutil.copytree(FOLDER, wrong, ignore=shutil.ignore_patterns("umbra-data*"))
    text = (wrong / BY_HAND).read_text(encoding="utf-8")
    assert "np.geomspace(0.02, 0.95, 10)" in text
    (wrong / BY_HAND).write_text(text.replace("np.geomspace(0.02, 0.95, 10)", "np.linspace(0.02, 0.95, 10)"))
    error = run(wrong / BY_HAND, filled).error
    assert error is not None
    assert "Not equal to tolerance" in error.trace
    assert "assert_allclose(compared" in error.trace


def test_a_store_that_somebody_uses_is_not_filled(filled: Settings) -> None:
    with pytest.raises(filled_store.NotEmpty, match="linear@1 is live in this store"):
        filled_store.fill(filled, filled_store.END)
