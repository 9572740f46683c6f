"""Write every dashboard: `python -m grafana.source [DIRECTORY]`, by default grafana/dashboards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana.source import evidence, live_and_shadow, service, shadow_pipeline

HERE = Path(__file__).parents[1]
DASHBOARDS = (service.DASHBOARD, live_and_shadow.DASHBOARD, shadow_pipeline.DASHBOARD, evidence.DASHBOARD)


def write(directory: Path) -> None:
    """Write the JSON that Grafana reads."""
    for dashboard in DASHBOARDS:
        path = directory / dashboard.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dashboard.as_json(DASHBOARDS), indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
