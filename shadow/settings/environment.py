"""The environment: reads `UMBRA_*` variables, and refuses names that no setting has."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from shadow.settings.values import InvalidSetting

PREFIX = "UMBRA_"
TEST_PREFIX = "UMBRA_TEST_"
_HIDDEN = "(not shown: it may hold a password)"
_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|URL|DSN")
_LISTS = frozenset({"recipe_modules", "masked_fields", "api_hosts", "api_proxies"})
_TEXTS = frozenset({"store_url", "api_path_prefix"})
_SERVICE_LINK = re.compile(
    r"_SERVICE_HOST\Z|_SERVICE_PORT(_[A-Z0-9_]+)?\Z|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?\Z"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:\d+\Z", re.ASCII)


def read(variables: Mapping[str, str], fields: Mapping[str, dataclasses.Field[Any]]) -> dict[str, Any]:
    """Read and check the variable of each field; raises InvalidSetting naming key and value."""
    own = {name: value for name, value in variables.items() if not _is_service_link(name, value)}
    _refuse_unknown(own, fields)
    return {field.name: _read(key, field, own) for key, field in fields.items()}


def _is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes set the variable, for a Service whose name begins with `umbra`.

    Such as UMBRA_SERVICE_HOST, UMBRA_PORT_8000_TCP, and UMBRA_API_PORT=tcp://10.96.0.12:8000.
    """
    if not name.startswith(PREFIX):
        return False
    is_address = name.endswith("_PORT") and _SERVICE_ADDRESS.match(value) is not None
    return is_address or _SERVICE_LINK.search(name) is not None


def _refuse_unknown(variables: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    for key, value in variables.items():
        if key.startswith(PREFIX) and not key.startswith(TEST_PREFIX) and key not in fields:
            text = _HIDDEN if _SECRET_NAME.search(key) else repr(value)
            raise InvalidSetting(f"{key}={text}: no such setting; `umbra settings` lists them all")


def _read(key: str, field: dataclasses.Field[Any], variables: Mapping[str, str]) -> Any:
    text = variables.get(key, "") or field.metadata["default"]
    if text == "":
        return () if field.name in _LISTS else "" if field.name in _TEXTS else None
    try:
        return field.metadata["read"](text)
    except InvalidSetting as fault:
        visible = _HIDDEN if field.metadata["secret"] else repr(text)
        raise InvalidSetting(f"{key}={visible}: {fault}") from None
