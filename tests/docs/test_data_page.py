"""The data page names a table that is fetched; without a network one line says that it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_without_a_network_the_public_table_is_missed_in_one_line(tmp_path: Path) -> None:
    assert "openml" in PAGE
    own = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    nobody = "http://127.0.0.1:9"  # the port of `discard`: nobody listens there
    environment = own | {"UMBRA_DATA_DIR": str(tmp_path / "umbra-data"), "HOME": str(tmp_path)}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nobody)
    done = subprocess.run(
        [Path(sys.executable).with_name("umbra"), "train", "gbm", "--data", "openml"],
        env=environment | {"no_proxy": "", "NO_PROXY": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("umbra: ")
