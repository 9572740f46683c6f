"""The only reader of the environment: `UMBRA_*` variables into one frozen object.

A value that cannot be right, or a name nobody knows, stops the start and says so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

Network = IPv4Network | IPv6Network

PREFIX = "UMBRA_"
TEST_PREFIX = "UMBRA_TEST_"
_HIDDEN = "(not shown: it may hold a password)"
_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|URL|DSN")
_SQLITE = "sqlite://"
_ADDRESSES = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:////PATH"
_ENCODED = f"{_ADDRESSES}; in a user, password or path percent-encode @ : / ? # [ ] and spaces (@ is %40)"
_LISTS = frozenset({"recipe_modules", "masked_fields", "api_hosts", "api_proxies"})
_TEXTS = frozenset({"store_url", "api_path_prefix"})
_HOST_NAME = re.compile(r"\*\Z|\[?[A-Za-z0-9._:-]+\]?\Z")
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")
_SERVICE_LINK = re.compile(
    r"_SERVICE_HOST\Z|_SERVICE_PORT(_[A-Z0-9_]+)?\Z|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?\Z"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:\d+\Z", re.ASCII)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own below it


class InvalidSetting(ValueError):
    """A setting whose name or value cannot be right; names the key and the value."""

    safe_to_log = True


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise InvalidSetting(f"expected a whole number from {low} to {high}")
        return int(text)

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidSetting(f"expected a number from {low:g} to {high:g}")
        return value

    return read


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise InvalidSetting(f"expected one of {', '.join(allowed)}")
        return text

    return read


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidSetting("expected true or false")
    return text == "true"


def _path(text: str) -> Path:
    try:
        text.encode()
        return Path(text).expanduser().absolute()
    except UnicodeError:
        raise InvalidSetting("expected a path in UTF-8") from None
    except RuntimeError:  # ~ of nobody
        raise InvalidSetting("~ names no home directory here; write it out in full") from None
    except OSError as fault:
        raise InvalidSetting(
            f"the current directory is gone ({fault.strerror}); change to another, or write the path in full"
        ) from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _modules(text: str) -> tuple[str, ...]:
    names = _listed(text)
    if not all(all(piece.isidentifier() for piece in name.split(".")) for name in names):
        raise InvalidSetting("expected importable module names, separated by commas")
    return names


def _field_names(text: str) -> tuple[str, ...]:
    names = _listed(text)
    # Only when there is something to check: the schema takes 16 MB that ingest has no other use for.
    from model_package.schema import NAMES  # noqa: PLC0415

    if unknown := [name for name in names if name not in NAMES]:
        raise InvalidSetting(f"{unknown[0]!r} is no field of a house; expected names from {', '.join(NAMES)}")
    return names


def sqlite_url(path: Path) -> str:
    """The address of an SQLite store, whatever its path is called."""
    return f"{_SQLITE}/{quote(str(path))}"


def _host(text: str) -> str:
    host = text.removeprefix("[").removesuffix("]")
    if not host.isascii() or any(character in host for character in " /@[]?#"):
        raise InvalidSetting("expected an address or a host name, such as 127.0.0.1, ::1 or 0.0.0.0")
    return host


def _hosts(text: str) -> tuple[str, ...]:
    names = _listed(text)
    if not all(_HOST_NAME.match(name) for name in names):
        raise InvalidSetting("expected host names without ports, separated by commas, or *")
    return names


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part) for part in _listed(text))
    except ValueError as fault:
        raise InvalidSetting(f"expected addresses or networks, such as 10.0.0.0/8: {fault}") from None


def _path_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if not _PATH_PREFIX.match(prefix):
        raise InvalidSetting("expected a path, such as /umbra")
    return prefix


def _store_url(text: str) -> str:
    if text.startswith(_SQLITE):
        return _sqlite_store(text.removeprefix(_SQLITE))
    try:
        parts = urlsplit(text)
        right = parts.scheme == "postgresql" and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is never closed
        right = False
    address = text.partition("://")[2]
    user = address.rpartition("@")[0]
    if not text.isprintable() or any(character in user for character in " @/?#[]") or "#" in address:
        raise InvalidSetting(_ENCODED)  # before libpq takes a part of a password for a host, and says so
    if not right:
        raise InvalidSetting(_ADDRESSES)
    return text


def _sqlite_store(rest: str) -> str:
    """The address of a file, from the root; `rest` is what stands behind sqlite://."""
    path, _, options = rest.partition("?")
    if options:
        raise InvalidSetting(
            f"an SQLite store has no options, got {options.partition('=')[0]!r}; write ? as %3F"
        )
    name = unquote(path.removeprefix("/"))
    if not path.startswith("/") or name.startswith("file:"):
        raise InvalidSetting(_ADDRESSES)
    if name in ("", ":memory:"):
        raise InvalidSetting("a database in memory is another one for each process; expected sqlite:////PATH")
    return sqlite_url(_path(name))


def _token(text: str) -> str:
    if len(text) < 16 or not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidSetting("expected at least 16 characters of ASCII, without spaces")
    return text


def _setting(default: str, read: Callable[[str], Any], purpose: str, *, secret: bool = False) -> Any:
    return field(
        repr=not secret, metadata={"default": default, "read": read, "purpose": purpose, "secret": secret}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured; the variable of `api_port` is `UMBRA_API_PORT`."""

    data_dir: Path = _setting("umbra-data", _path, "journal, embedded store, models, logs and run files")
    store_url: str = _setting(
        "", _store_url, "where captures and observations go; empty: SQLite in the data directory", secret=True
    )
    store_disk_dir: Path | None = _setting(
        "",
        _path,
        "a directory on the database's disk, whose free bytes are watched; empty: that of the SQLite file",
    )
    models_dir: Path | None = _setting("", _path, "model artifacts; empty: models/ in the data directory")
    recipe_modules: tuple[str, ...] = _setting(
        "", _modules, "importable modules, comma separated, that add recipes of your own"
    )

    api_host: str = _setting("127.0.0.1", _host, "address the API listens on")
    api_port: int = _setting("8000", _whole(1, 65535), "port of the API")
    api_hosts: tuple[str, ...] = _setting(
        "",
        _hosts,
        "host names, comma separated, under which the API may be asked besides those of loopback and of the "
        "address it listens on; `*`: any",
    )
    api_proxies: tuple[Network, ...] = _setting(
        "", _networks, "addresses or networks, comma separated, of proxies whose X-Forwarded-For is believed"
    )
    api_path_prefix: str = _setting(
        "", _path_prefix, "path below which a proxy shows the API, such as `/umbra`; links begin with it"
    )
    api_workers: int = _setting("2", _whole(1, 256), "API processes")
    api_pinned: bool = _setting(
        "true",
        _switch,
        "keep each API process on one CPU, while there is one for each of them that nobody else has claimed",
    )
    api_max_rows: int = _setting("1000", _whole(1, 100_000), "houses in one request at most")
    api_max_body_bytes: int = _setting("4194304", _whole(1024, 1 << 30), "bytes of one request body at most")
    api_retry_by_request_id: bool = _setting(
        "false", _switch, "take a request with the X-Request-ID and body of an earlier one for its retry"
    )

    admin_token: str | None = _setting(
        "",
        _token,
        "whoever sends it may promote and roll back over HTTP, at least 16 characters; empty: nobody may",
        secret=True,
    )

    metrics_host: str = _setting("127.0.0.1", _host, "address of both metrics ports")
    api_metrics_port: int = _setting("8001", _whole(1, 65535), "/metrics of the API")
    worker_metrics_port: int = _setting("8002", _whole(1, 65535), "/metrics of the worker")
    metrics_dir: Path | None = _setting(
        "", _path, "files that share metrics between processes; empty: shared memory, else the data directory"
    )

    journal_max_bytes: int = _setting(
        "1073741824",
        _whole(65536, 1 << 44),
        "bytes of journal on disk; past it captures are dropped, counted",
    )
    journal_segment_bytes: int = _setting(
        "33554432", _whole(65536, 1 << 32), "bytes of one journal file before the next is begun"
    )
    journal_write_seconds: float = _setting(
        "0.05", _number(0.001, 5), "longest an answer waits for the journal's disk"
    )

    journal_keep_seconds: float = _setting(
        "86400",
        _number(0, 31_536_000),
        "how long journal files stay after they were stored, in case the store goes back in time",
    )
    journal_keep_bytes: int = _setting(
        "1073741824",
        _whole(0, 1 << 44),
        "bytes of such files at most, beside the journal's own; less when the disk is short of space",
    )

    ingest_batch_bytes: int = _setting(
        "2097152", _whole(4096, 1 << 30), "bytes of each journal file moved into the store in one transaction"
    )
    poll_seconds: float = _setting(
        "0.1", _number(0.01, 10), "pause of ingest and scoring when there is nothing"
    )

    candidate_batch_rows: int = _setting("1000", _whole(1, 100_000), "captures scored in one batch at most")
    candidate_deadline_seconds: float = _setting(
        "10", _number(0.1, 3600), "longest a candidate may take over one batch before it is killed"
    )
    candidate_memory_bytes: int = _setting(
        "2147483648", _whole(1 << 28, 1 << 44), "address space of one candidate process"
    )
    candidate_threads: int = _setting("1", _whole(1, 256), "threads of one candidate's numerical libraries")
    candidate_latency_share: float = _setting(
        "0.01", _number(0, 1), "share of captures on which a candidate's single-row latency is measured"
    )

    evidence_seconds: float = _setting(
        "30", _number(0.5, 86400), "pause between two looks at the evidence; longer when a look takes long"
    )

    worker_niceness: int = _setting(
        "10", _whole(0, 19), "how far the worker's processes stand back from live answers when CPU is short"
    )

    log_level: str = _setting(
        "INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR"), "least severe line written"
    )
    log_stdout: bool = _setting("true", _switch, "write log lines to standard output; `umbra up` does not")
    log_dir: Path | None = _setting(
        "", _path, "write log lines to files here as well, one per process; empty: to none"
    )
    log_houses_share: float = _setting(
        "0.1", _number(0, 1), "share of houses that have log lines of their own, chosen by their id"
    )
    log_inputs: bool = _setting("true", _switch, "say in those lines what was asked: the fields of the house")
    masked_fields: tuple[str, ...] = _setting(
        "",
        _field_names,
        "fields of a house, comma separated, that never reach a log, a metric, a page, a report or a "
        "harvested question",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and check every `UMBRA_*` variable; raises InvalidSetting naming key and value."""
        given = os.environ if environment is None else environment
        source = {name: value for name, value in given.items() if not _is_service_link(name, value)}
        fields = {PREFIX + f.name.upper(): f for f in dataclasses.fields(cls)}
        _refuse_unknown(source, fields)
        values = {f.name: _read(key, f, source) for key, f in fields.items()}
        settings = cls(**values)
        if (settings.api_port, settings.api_host) == (settings.api_metrics_port, settings.metrics_host):
            raise InvalidSetting(f"UMBRA_API_PORT={settings.api_port}: the API's metrics use that port")
        if settings.api_metrics_port == settings.worker_metrics_port:
            raise InvalidSetting(
                f"UMBRA_WORKER_METRICS_PORT={settings.worker_metrics_port}: the API's metrics use that port"
            )
        return settings

    @property
    def store(self) -> str:
        """The store's URL, with the embedded default filled in."""
        return self.store_url or sqlite_url(self.data_dir / "umbra.db")

    @property
    def models(self) -> Path:
        """The directory of model artifacts."""
        return self.models_dir or self.data_dir / "models"

    @property
    def journal_dir(self) -> Path:
        """The directory of journal segments."""
        return self.data_dir / "journal"

    def metrics_files(self, half: str) -> Path:
        """Where the processes of one half (`api`, `worker`) share their metrics; in memory if it can be."""
        if self.metrics_dir is not None:
            return self.metrics_dir / half
        this = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        shared = _SHARED_MEMORY / f"umbra-{os.getuid()}-{this}"
        return (shared if _is_ours(shared) else self.data_dir / "metrics") / half

    @property
    def tally_dirs(self) -> tuple[Path, Path]:
        """Where API processes count what they drop: in memory if it can be, and on the disk of the data."""
        return self.metrics_files("tallies"), self.run_dir

    @property
    def withholds_texts(self) -> bool:
        """Whether no words of models, errors and clients, which may repeat a house's fields, reach a log."""
        return bool(self.masked_fields) or not self.log_inputs

    @property
    def run_dir(self) -> Path:
        """The directory of the files by which processes tell of themselves."""
        return self.data_dir / "run"


def _is_ours(path: Path) -> bool:
    """Whether this is a directory of this user alone, or can become one; others may know its name, too."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return os.access(path.parent, os.W_OK)
    except OSError:
        return False
    others_write = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not others_write


SECRETS = tuple(PREFIX + f.name.upper() for f in dataclasses.fields(Settings) if f.metadata["secret"])
"""The variables whose values nobody may see who does not need them."""


def _is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes made the variable, for a Service that is called as Umbra or a part of it is.

    Such as UMBRA_SERVICE_HOST, UMBRA_PORT_8000_TCP, and UMBRA_API_PORT=tcp://10.96.0.12:8000.
    """
    if not name.startswith(PREFIX):
        return False
    is_address = name.endswith("_PORT") and _SERVICE_ADDRESS.match(value) is not None
    return is_address or _SERVICE_LINK.search(name) is not None


def _refuse_unknown(source: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if key.startswith(PREFIX) and not key.startswith(TEST_PREFIX) and key not in fields:
            shown = _HIDDEN if _SECRET_NAME.search(key) else repr(value)
            raise InvalidSetting(f"{key}={shown}: no such setting; `umbra settings` lists them all")


def _read(key: str, f: dataclasses.Field[Any], source: Mapping[str, str]) -> Any:
    text = source.get(key, "") or f.metadata["default"]
    if text == "":
        return () if f.name in _LISTS else "" if f.name in _TEXTS else None
    try:
        return f.metadata["read"](text)
    except InvalidSetting as fault:
        shown = _HIDDEN if f.metadata["secret"] else repr(text)
        raise InvalidSetting(f"{key}={shown}: {fault}") from None
