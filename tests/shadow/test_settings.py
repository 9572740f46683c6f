"""Settings stop a wrong start, naming key and value, and never show a secret."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from shadow.settings import InvalidSetting, Settings


def test_without_any_variable_everything_stays_on_this_machine() -> None:
    settings = Settings.from_environment({})
    assert settings.api_host == settings.metrics_host == "127.0.0.1"
    assert settings.store == f"sqlite:///{Path('umbra-data').absolute() / 'umbra.db'}"
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
