"""What the tests of Elasticsearch, Logstash and Kibana share: their readers, on the path."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# At the end: other folders of tests put theirs in front.
for folder in (HERE, HERE.parent / "integration", HERE.parent / "integration" / "plug_in"):
    sys.path.append(str(folder))
