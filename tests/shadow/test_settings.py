"""Settings stop a wrong start, naming key and value, and never show a secret."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from shadow.settings import InvalidSetting, Settings, sqlite_url
from shadow.store import open_store
from shadow.store.schema import migrate
from umbra import launch


def test_without_any_variable_everything_stays_on_this_machine() -> None:
    settings = Settings.from_environment({})
    assert settings.api_host == settings.metrics_host == "127.0.0.1"
    assert make_url(settings.store).database == str(Path("umbra-data").absolute() / "umbra.db")
    assert settings.models == Path("umbra-data").absolute() / "models"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("UMBRA_API_PORT", "80 80", "whole number from 1 to 65535"),
        ("UMBRA_API_PORT", "0", "whole number from 1 to 65535"),
        ("UMBRA_API_PORT", "٨٠", "whole number"),
        ("UMBRA_API_WORKERS", "two", "whole number from 1 to 256"),
        ("UMBRA_POLL_SECONDS", "nan", "number from 0.01 to 10"),
        ("UMBRA_POLL_SECONDS", "1e9", "number from 0.01 to 10"),
        ("UMBRA_LOG_LEVEL", "verbose", "DEBUG, INFO"),
        ("UMBRA_RECIPE_MODULES", "not a module", "importable module"),
        ("UMBRA_STORE_URL", "mysql://localhost/umbra", "postgresql://"),
        ("UMBRA_STORE_URL", "postgresql://u:p@db:port/umbra", "postgresql://"),
        ("UMBRA_STORE_URL", "postgresql://[::1/umbra", "postgresql://"),
        ("UMBRA_API_PROT", "8000", "no such setting"),
        ("UMBRA_PORT", "8000", "no such setting"),
        ("UMBRA_PORT", "tcp://", "no such setting"),
        ("UMBRA_API_PORT", "http://10.96.0.12:8000", "whole number"),
        ("UMBRA_API_PORT", "8001", "the API's metrics use that port"),
        ("UMBRA_DATA_DIR", "~nosuchuser/x", "write it out"),
    ],
)
def test_a_wrong_value_or_name_is_refused_with_key_and_reason(key: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidSetting, match=expected) as caught:
        Settings.from_environment({key: value})
    assert key in str(caught.value)
    if key != "UMBRA_STORE_URL":
        assert value in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "what?x=1",
        "feature%2Ffoo",
        "50%",
        "a#b",
        "[final] {v1}",
        'it\'s "quoted"',
        "two\nlines",
        "Zürich €",
        "a b+c&d;e",
        ":memory:",
        "file:x?mode=memory",
    ],
)
def test_a_data_directory_of_any_name_has_its_store_within(tmp_path: Path, name: str) -> None:
    settings = Settings.from_environment({"UMBRA_DATA_DIR": str(tmp_path / name)})
    assert make_url(settings.store).database == str(tmp_path / name / "umbra.db")
    again = Settings.from_environment({"UMBRA_STORE_URL": settings.store})
    assert again.store == settings.store
    store = open_store(settings.store)
    migrate(store)
    store.close()
    assert (tmp_path / name / "umbra.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "password",
    ["se@canary", "a/canary@", "12/canary", "1?canary", "1#canary", "[canary]", "a b canary", "a\tcanary"],
)
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(InvalidSetting, match="percent-encode") as caught:
        Settings.from_environment({"UMBRA_STORE_URL": f"postgresql://umbra:{password}@127.0.0.1/umbra"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://", "sqlite:////PATH"),
        ("sqlite:///", "in memory"),
        ("sqlite:///file:x.db?uri=true", "no options, got 'uri'"),
        ("sqlite:////tmp/x.db?ssl=true", "no options, got 'ssl'"),
        ("sqlite://host/x.db", "sqlite:////PATH"),
    ],
)
def test_an_sqlite_store_that_is_no_file_is_refused(url: str, expected: str) -> None:
    with pytest.raises(InvalidSetting, match=expected):
        Settings.from_environment({"UMBRA_STORE_URL": url})


def test_a_relative_sqlite_store_is_the_same_file_for_every_process() -> None:
    settings = Settings.from_environment({"UMBRA_STORE_URL": "sqlite:///rel.db"})
    assert settings.store == sqlite_url(Path("rel.db").absolute())


def test_a_home_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"UMBRA_DATA_DIR='~nosuchuser/x'.*in full"):
        Settings.from_environment({"UMBRA_DATA_DIR": "~nosuchuser/x"})


def test_the_example_command_can_be_pasted_whatever_the_directory_is_called(tmp_path: Path) -> None:
    directory = tmp_path / 'it\'s "a" $HOME `x`'
    settings = Settings.from_environment({"UMBRA_DATA_DIR": str(directory)})
    words = shlex.split(launch.example_command(settings))
    assert words[-1] == f"@{directory / 'example.json'}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("UMBRA_STORE_URL", "mysql://umbra:canary@db/umbra"),
        ("UMBRA_STORE_PASSWORD", "canary"),
        ("UMBRA_ADMIN_TOKEN", "canary"),
        ("UMBRA_ADMIN_TOKEN", "canary with spaces in it"),
        ("UMBRA_ADMIN_TOKENS", "canary"),
    ],
)
def test_what_may_be_a_secret_is_never_shown(key: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_environment({key: value})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "service", ["UMBRA", "UMBRA_API", "UMBRA_API_METRICS", "UMBRA_WORKER_METRICS", "UMBRA_X"]
)
@pytest.mark.parametrize("address", ["10.96.0.12", "[fd00::12]"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_what_kubernetes_says_of_a_service_called_like_us_is_no_setting(
    service: str, address: str, protocol: str
) -> None:
    url, port = f"{protocol}://{address}:8443", f"{service}_PORT_8443_{protocol.upper()}"
    links = {
        f"{service}_SERVICE_HOST": address,
        f"{service}_SERVICE_PORT": "8443",
        f"{service}_SERVICE_PORT_HTTP_METRICS": "8443",
        f"{service}_PORT": url,
        port: url,
        f"{port}_PROTO": protocol,
        f"{port}_PORT": "8443",
        f"{port}_ADDR": address,
    }
    assert Settings.from_environment(links) == Settings.from_environment({})


def test_metrics_are_shared_in_memory_only_where_nobody_else_can_put_anything(tmp_path: Path) -> None:
    settings = Settings.from_environment({"UMBRA_DATA_DIR": str(tmp_path)})
    shared = settings.metrics_files("api").parent
    assert shared.is_relative_to("/dev/shm")  # noqa: S108
    own = tmp_path / "metrics" / "api"
    try:
        shared.symlink_to(tmp_path)
        assert settings.metrics_files("api") == own
        shared.unlink()
        shared.mkdir(0o700)
        assert settings.metrics_files("api") == shared / "api"
        shared.chmod(0o777)
        assert settings.metrics_files("api") == own
        if os.getuid() == 0:
            shared.chmod(0o700)
            os.chown(shared, 65534, 65534)
            assert settings.metrics_files("api") == own
    finally:
        shared.rmdir() if shared.is_dir() and not shared.is_symlink() else shared.unlink()


def test_secrets_are_left_out_when_settings_are_printed() -> None:
    token, url = "canary-canary-canary", "postgresql://umbra:canary@db/umbra"
    settings = Settings.from_environment({"UMBRA_ADMIN_TOKEN": token, "UMBRA_STORE_URL": url})
    assert (settings.admin_token, settings.store_url) == (token, url)
    assert "canary" not in repr(settings)


def test_the_two_metrics_ports_must_differ() -> None:
    with pytest.raises(InvalidSetting, match="UMBRA_WORKER_METRICS_PORT=8001"):
        Settings.from_environment({"UMBRA_WORKER_METRICS_PORT": "8001"})


def test_variables_of_tests_and_of_others_are_not_settings() -> None:
    Settings.from_environment({"UMBRA_TEST_POSTGRES_URL": "x", "PATH": "/bin"})


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.metadata["purpose"] for field in dataclasses.fields(Settings))
