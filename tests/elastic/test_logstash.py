"""Logstash's configuration has only options that there are, and sends each line where it belongs."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from reading import index, pipeline

from monitoring.logs import file as log_file
from monitoring.logs.file import LogFile

FOLDER = Path(__file__).resolve().parents[2] / "logstash"
TEXT = (FOLDER / "pipeline" / "umbra.conf").read_text()
PLUGINS = pipeline.read(TEXT)
COMMON = {"add_field", "add_tag", "enable_metric", "id", "remove_field", "remove_tag", "periodic_flush"}
# From the documentation of each plugin, Logstash 9.5; options that were removed in 9.0 are not here.
OPTIONS = {
    "file": {
        "check_archive_validity",
        "close_older",
        "codec",
        "delimiter",
        "discover_interval",
        "exit_after_read",
        "exclude",
        "file_chunk_count",
        "file_chunk_size",
        "file_completed_action",
        "file_completed_log_path",
        "file_sort_by",
        "file_sort_direction",
        "ignore_older",
        "max_open_files",
        "mode",
        "path",
        "sincedb_clean_after",
        "sincedb_path",
        "sincedb_write_interval",
        "start_position",
        "stat_interval",
        "tags",
        "type",
    },
    "mutate": {
        "capitalize",
        "coerce",
        "convert",
        "copy",
        "gsub",
        "join",
        "lowercase",
        "merge",
        "rename",
        "replace",
        "split",
        "strip",
        "tag_on_failure",
        "update",
        "uppercase",
    },
    "elasticsearch": {
        "api_key",
        "bulk_path",
        "ca_trusted_fingerprint",
        "cloud_auth",
        "cloud_id",
        "compression_level",
        "custom_headers",
        "data_stream",
        "data_stream_auto_routing",
        "data_stream_dataset",
        "data_stream_namespace",
        "data_stream_sync_fields",
        "data_stream_type",
        "dlq_custom_codes",
        "dlq_on_failed_indexname_interpolation",
        "drop_error_types",
        "ecs_compatibility",
        "failure_type_logging_whitelist",
        "healthcheck_path",
        "hosts",
        "http_compression",
        "parameters",
        "password",
        "path",
        "pipeline",
        "pool_max",
        "pool_max_per_route",
        "proxy",
        "resurrect_delay",
        "retry_initial_interval",
        "retry_max_interval",
        "silence_errors_in_log",
        "sniffing",
        "sniffing_delay",
        "sniffing_path",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_enabled",
        "ssl_key",
        "ssl_keystore_password",
        "ssl_keystore_path",
        "ssl_keystore_type",
        "ssl_supported_protocols",
        "ssl_truststore_password",
        "ssl_truststore_path",
        "ssl_truststore_type",
        "ssl_verification_mode",
        "timeout",
        "user",
        "validate_after_inactivity",
    },
}
SECTION = {"file": "input", "mutate": "filter", "elasticsearch": "output"}
SETTINGS = {
    "api.http.host",
    "log.format",
    "pipeline.ecs_compatibility",
    "queue.type",
    "queue.max_bytes",
    "queue.page_capacity",
    "dead_letter_queue.enable",
    "dead_letter_queue.max_bytes",
    "dead_letter_queue.storage_policy",
    "dead_letter_queue.retain.age",
}
PASSWORD = "LOGSTASH_WRITER_PASSWORD"  # noqa: S105 (the variable's name)
DATA = "/usr/share/logstash/data/"


def only(name: str) -> pipeline.Plugin:
    (found,) = (plugin for plugin in PLUGINS if plugin.name == name)
    return found


def adds(*, under: str) -> dict[str, str]:
    """The fields that are added under a condition that begins so."""
    found: dict[str, str] = {}
    for plugin in PLUGINS:
        if plugin.name == "mutate" and "".join(plugin.under).startswith(under):
            found |= plugin.options.get("add_field", {}) | plugin.options.get("copy", {})
    return found


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: f"{plugin.section}-{plugin.name}")
def test_a_plugin_stands_in_its_section_and_has_only_options_that_there_are(plugin: pipeline.Plugin) -> None:
    assert plugin.section == SECTION[plugin.name]
    assert set(plugin.options) <= OPTIONS[plugin.name] | COMMON


def test_files_are_followed_from_their_beginning_and_the_position_survives_a_restart() -> None:
    options = only("file").options
    assert options["mode"] == "tail"
    assert options["start_position"] == "beginning"
    assert options["codec"] == "json"
    assert options["sincedb_path"].startswith(DATA)


def test_how_far_a_file_was_read_is_known_for_as_long_as_the_file_is_there() -> None:
    """It lies there for so long after its last line, and as long again empty."""
    known_seconds = float(only("file").options["sincedb_clean_after"]) * 24 * 3600
    assert known_seconds > 2 * log_file.UNUSED_SECONDS


def test_every_file_that_a_process_writes_is_read_also_when_it_was_rotated(tmp_path: Path) -> None:
    (pattern,) = only("file").options["path"]
    assert pattern.startswith("/logs/")
    file = LogFile(tmp_path, "umbra.api", 10)
    for _ in range(3):
        descriptor = file.descriptor(8)
        os.write(descriptor, b"12345678")
    file.close()
    written = [path.name for path in tmp_path.iterdir()]
    assert len(written) == 3
    assert all(fnmatch(f"/logs/{name}", pattern) for name in written)


def test_the_line_is_not_sent_twice() -> None:
    first = next(plugin for plugin in PLUGINS if plugin.name == "mutate")
    assert first.options == {"remove_field": ["[event][original]"]}
    assert first.under == ()


def test_a_line_goes_to_the_stream_of_its_dataset() -> None:
    assert adds(under="else if [ event ] [ dataset ] in") == {"[event][dataset]": "[data_stream][dataset]"}
    condition = next("".join(plugin.under) for plugin in PLUGINS if "dataset" in "".join(plugin.under))
    assert set(re.findall(r'"(.*?)"', condition)) == {"umbra.api", "umbra.worker"}


@pytest.mark.parametrize("under", ['if "_jsonparsefailure" in [ tags ]', "else "])
def test_what_is_no_line_of_ours_has_a_stream_of_its_own(under: str) -> None:
    exact = [plugin for plugin in PLUGINS if "".join(plugin.under).strip() == under.strip()]
    assert [plugin.options for plugin in exact] == [
        {"add_field": {"[data_stream][dataset]": "umbra.unreadable"}}
    ]


def test_every_stream_is_of_the_template_and_of_the_namespace() -> None:
    assert adds(under="")["[data_stream][type]"] == "logs"
    assert adds(under="")["[data_stream][namespace]"] == "default"
    (pattern,) = index.document(index.TEMPLATE)["index_patterns"]
    options = only("elasticsearch").options
    stream = "-".join(options[f"data_stream_{part}"] for part in ("type", "dataset", "namespace"))
    assert fnmatch(stream, pattern)


def test_lines_are_written_by_the_writer_whose_password_is_in_the_environment() -> None:
    options = only("elasticsearch").options
    assert options["data_stream"] == "true"
    assert options["user"] == "umbra_writer"
    assert options["password"] == f"${{{PASSWORD}}}"
    assert PASSWORD in (index.FOLDER / "setup.sh").read_text()
    # Start-up errors together with data_stream.
    assert not {"index", "action", "document_id", "manage_template"} & set(options)


def test_what_logstash_holds_survives_a_kill_and_what_is_refused_is_kept() -> None:
    settings = yaml.safe_load((FOLDER / "config" / "logstash.yml").read_text())
    assert set(settings) <= SETTINGS
    assert settings["queue.type"] == "persisted"
    assert settings["dead_letter_queue.enable"] is True
    assert settings["pipeline.ecs_compatibility"] == "v8"
    assert settings["api.http.host"] == "0.0.0.0"  # noqa: S104 (within its container)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("filter {", "filter"),
        (
            "}\n",
            "",
        ),
        ('mode => "tail"', 'mode "tail"'),
        ('"tail"', '"tail'),
    ],
)
def test_a_pipeline_with_a_slip_in_its_grammar_is_noticed(old: str, new: str) -> None:
    spoilt = TEXT.replace(old, new, 1)
    assert spoilt != TEXT
    with pytest.raises(pipeline.NotAPipeline):
        pipeline.read(spoilt)
