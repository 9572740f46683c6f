"""The index has the fields that lines have, and keeps lines as long as was promised."""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatch

from reading import index

from model_package.schema import FIELDS
from monitoring.logs import fields


def test_the_committed_component_is_what_the_declared_fields_make() -> None:
    script = index.FOLDER / "component.py"
    made = subprocess.run([sys.executable, script, "--print"], capture_output=True, check=True).stdout
    assert made == index.COMPONENT.read_bytes(), "python elasticsearch/component.py"


def test_every_own_field_and_every_field_of_a_house_is_mapped() -> None:
    mapped = index.mapped()
    assert {f"umbra.{field.name}": field.kind for field in fields.FIELDS}.items() <= mapped.items()
    inputs = {f"umbra.inputs.{field.name}" for field in FIELDS}
    assert inputs == {name for name in mapped if name.startswith("umbra.inputs.")}
    assert mapped["umbra.inputs.living_area"] == "double"
    assert mapped["umbra.inputs.neighborhood"] == "keyword"


def test_the_template_is_for_our_data_streams_and_beats_the_stacks_own() -> None:
    template = index.document(index.TEMPLATE)
    assert template["index_patterns"] == ["logs-umbra.*-*"]
    assert template["priority"] > 100
    assert template["data_stream"] == {}
    order = template["composed_of"]
    # Later ones win: ours over the stack's settings.
    assert order.index("logs@settings") < order.index("umbra@custom")
    assert set(order) == {"logs@mappings", "logs@settings", "umbra@custom", "ecs@mappings"}


def test_lines_are_deleted_after_14_days() -> None:
    policy = index.document(index.FOLDER / "ilm" / "umbra-logs.json")["policy"]
    assert policy["phases"]["delete"] == {"min_age": "14d", "actions": {"delete": {}}}
    assert policy["phases"]["hot"]["actions"]["rollover"]["max_age"] == "1d"
    settings = index.document(index.COMPONENT)["template"]["settings"]["index"]
    assert settings == {"lifecycle": {"name": "umbra-logs"}, "number_of_replicas": 0}


def test_the_writer_can_add_lines_to_our_streams_and_nothing_else() -> None:
    role = index.document(index.FOLDER / "roles" / "umbra_writer.json")
    (stream,) = role["indices"]
    assert stream["names"] == ["logs-umbra.*-*"]
    assert set(stream["privileges"]) == {"auto_configure", "create_doc", "view_index_metadata"}
    assert role["cluster"] == ["monitor"]
    assert "applications" not in role


def test_readers_can_only_read() -> None:
    role = index.document(index.FOLDER / "roles" / "umbra_reader.json")
    assert "cluster" not in role
    assert [set(one["privileges"]) for one in role["indices"]] == [{"read", "view_index_metadata"}]
    assert [one["privileges"] for one in role["applications"]] == [["read"]]


def test_every_stream_that_lines_go_to_is_covered() -> None:
    (pattern,) = index.document(index.TEMPLATE)["index_patterns"]
    for dataset in ("umbra.api", "umbra.worker", "umbra.unreadable"):
        assert fnmatch(f"logs-{dataset}-default", pattern)


def test_the_files_are_json_that_a_person_can_read() -> None:
    for path in index.FOLDER.rglob("*.json"):
        assert json.loads(path.read_text())
        assert max(map(len, path.read_text().splitlines())) <= 110, path
