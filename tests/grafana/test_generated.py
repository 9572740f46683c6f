"""The committed JSON is what the source writes, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from committed import DIRECTORY, ROOT


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_writing_the_dashboards_again_changes_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "grafana.source", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    written, present = _files(tmp_path), _files(DIRECTORY)
    assert written.keys() == present.keys()
    changed = [name for name in written if written[name] != present[name]]
    assert changed == [], "run `python -m grafana.source` and commit what it wrote"
