"""The settings: every `UMBRA_*` variable once, with default, check and purpose, in one frozen object."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shadow.settings import environment, values
from shadow.settings.environment import PREFIX
from shadow.settings.values import InvalidSetting, Network, sqlite_url

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own below it


def _setting(default: str, read: Callable[[str], Any], purpose: str, *, secret: bool = False) -> Any:
    return field(
        repr=not secret, metadata={"default": default, "read": read, "purpose": purpose, "secret": secret}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured; the variable of `api_port` is `UMBRA_API_PORT`."""

    data_dir: Path = _setting(
        "umbra-data", values.path, "journal, embedded store, models, logs and run files"
    )
    store_url: str = _setting(
        "",
        values.store_url,
        "where captures and observations go; empty: SQLite in the data directory",
        secret=True,
    )
    store_disk_dir: Path | None = _setting(
        "",
        values.path,
        "a directory on the database's disk, whose free bytes are watched; empty: that of the SQLite file",
    )
    models_dir: Path | None = _setting(
        "", values.path, "model artifacts; empty: models/ in the data directory"
    )
    recipe_modules: tuple[str, ...] = _setting(
        "", values.modules, "importable modules, comma separated, that add recipes of your own"
    )

    api_host: str = _setting("127.0.0.1", values.host, "address the API listens on")
    api_port: int = _setting("8000", values.whole_number(1, 65535), "port of the API")
    api_hosts: tuple[str, ...] = _setting(
        "",
        values.hosts,
        "host names, comma separated, that requests may use besides those of loopback and of the address the "
        "API listens on; `*`: any",
    )
    api_proxies: tuple[Network, ...] = _setting(
        "",
        values.networks,
        "addresses or networks, comma separated, of proxies whose X-Forwarded-For is believed",
    )
    api_path_prefix: str = _setting(
        "",
        values.path_prefix,
        "path below which a proxy shows the API, such as `/umbra`; links begin with it",
    )
    api_workers: int = _setting("2", values.whole_number(1, 256), "API processes")
    api_pinned: bool = _setting(
        "true",
        values.switch,
        "keep each API process on a CPU of its own, while there are enough that no other program claims",
    )
    api_max_rows: int = _setting("1000", values.whole_number(1, 100_000), "houses in one request at most")
    api_max_body_bytes: int = _setting(
        "4194304", values.whole_number(1024, 1 << 30), "bytes of one request body at most"
    )
    api_retry_by_request_id: bool = _setting(
        "false",
        values.switch,
        "treat a request with the X-Request-ID and body of an earlier one as its retry",
    )

    admin_token: str | None = _setting(
        "",
        values.token,
        "token for promoting and rolling back over HTTP, at least 16 characters; empty: nobody may",
        secret=True,
    )

    metrics_host: str = _setting("127.0.0.1", values.host, "address of both metrics ports")
    api_metrics_port: int = _setting("8001", values.whole_number(1, 65535), "/metrics of the API")
    worker_metrics_port: int = _setting("8002", values.whole_number(1, 65535), "/metrics of the worker")
    metrics_dir: Path | None = _setting(
        "",
        values.path,
        "files that share metrics between processes; empty: shared memory, else the data directory",
    )

    journal_max_bytes: int = _setting(
        "1073741824",
        values.whole_number(65536, 1 << 44),
        "bytes of journal on disk; past it captures are dropped, counted",
    )
    journal_segment_bytes: int = _setting(
        "33554432", values.whole_number(65536, 1 << 32), "bytes of one journal file before the next is begun"
    )
    journal_write_seconds: float = _setting(
        "0.05", values.number(0.001, 5), "longest an answer waits for the journal's disk"
    )

    journal_keep_seconds: float = _setting(
        "86400",
        values.number(0, 31_536_000),
        "how long journal files stay after they were stored, in case the store goes back in time",
    )
    journal_keep_bytes: int = _setting(
        "1073741824",
        values.whole_number(0, 1 << 44),
        "bytes of such files at most, beside the journal's own; less when the disk is short of space",
    )

    ingest_batch_bytes: int = _setting(
        "2097152",
        values.whole_number(4096, 1 << 30),
        "bytes of each journal file moved into the store in one transaction",
    )
    poll_seconds: float = _setting(
        "0.1", values.number(0.01, 10), "pause of ingest and scoring when there is nothing"
    )

    candidate_batch_rows: int = _setting(
        "1000", values.whole_number(1, 100_000), "captures scored in one batch at most"
    )
    candidate_deadline_seconds: float = _setting(
        "10", values.number(0.1, 3600), "longest a candidate may take over one batch before it is killed"
    )
    candidate_memory_bytes: int = _setting(
        "2147483648", values.whole_number(1 << 28, 1 << 44), "address space of one candidate process"
    )
    candidate_threads: int = _setting(
        "1", values.whole_number(1, 256), "threads of one candidate's numerical libraries"
    )
    candidate_latency_share: float = _setting(
        "0.01", values.number(0, 1), "share of captures on which a candidate's single-row latency is measured"
    )

    evidence_seconds: float = _setting(
        "30",
        values.number(0.5, 86400),
        "pause between two evaluations of the evidence; longer when one takes long",
    )

    worker_niceness: int = _setting(
        "10",
        values.whole_number(0, 19),
        "niceness of the worker's processes, so that live answers get the CPU first",
    )

    log_level: str = _setting(
        "INFO", values.choice("DEBUG", "INFO", "WARNING", "ERROR"), "least severe line written"
    )
    log_stdout: bool = _setting(
        "true", values.switch, "write log lines to standard output; `umbra up` does not"
    )
    log_dir: Path | None = _setting(
        "", values.path, "write log lines to files here as well, one per process; empty: to none"
    )
    log_houses_share: float = _setting(
        "0.1", values.number(0, 1), "share of houses that have log lines of their own, chosen by their id"
    )
    log_inputs: bool = _setting("true", values.switch, "write the fields of the house into those lines")
    masked_fields: tuple[str, ...] = _setting(
        "",
        values.field_names,
        "fields of a house, comma separated, that never reach a log, a metric, a page, a report or a "
        "harvested question",
    )

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read and check every `UMBRA_*` variable; raises InvalidSetting naming key and value."""
        fields = {PREFIX + field.name.upper(): field for field in dataclasses.fields(cls)}
        settings = cls(**environment.read(os.environ if variables is None else variables, fields))
        settings._check_ports()
        return settings

    def _check_ports(self) -> None:
        if (self.api_port, self.api_host) == (self.api_metrics_port, self.metrics_host):
            raise InvalidSetting(f"UMBRA_API_PORT={self.api_port}: the API's metrics use that port")
        if self.api_metrics_port == self.worker_metrics_port:
            raise InvalidSetting(
                f"UMBRA_WORKER_METRICS_PORT={self.worker_metrics_port}: the API's metrics use that port"
            )

    @property
    def store(self) -> str:
        """The URL of the store; SQLite in the data directory if none is set."""
        return self.store_url or sqlite_url(self.data_dir / "umbra.db")

    @property
    def models(self) -> Path:
        """The directory of model artifacts."""
        return self.models_dir or self.data_dir / "models"

    @property
    def journal_dir(self) -> Path:
        """The directory of journal files."""
        return self.data_dir / "journal"

    def metrics_files(self, half: str) -> Path:
        """Give the directory in which `api` or `worker` processes share metrics; in memory if possible."""
        if self.metrics_dir is not None:
            return self.metrics_dir / half
        directory_hash = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        shared = _SHARED_MEMORY / f"umbra-{os.getuid()}-{directory_hash}"
        return (shared if _is_ours(shared) else self.data_dir / "metrics") / half

    @property
    def tally_dirs(self) -> tuple[Path, Path]:
        """The directories where API processes count drops: in memory if possible, and on the data's disk."""
        return self.metrics_files("tallies"), self.run_dir

    @property
    def withholds_texts(self) -> bool:
        """Whether logs omit texts of models, errors and clients, which may repeat fields of a house."""
        return bool(self.masked_fields) or not self.log_inputs

    @property
    def run_dir(self) -> Path:
        """The directory of heartbeat files."""
        return self.data_dir / "run"


def _is_ours(path: Path) -> bool:
    """Tell whether only this user writes to the directory, or can create it; others may know its name."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return os.access(path.parent, os.W_OK)
    except OSError:
        return False
    others_write = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not others_write


SECRETS = tuple(PREFIX + f.name.upper() for f in dataclasses.fields(Settings) if f.metadata["secret"])
"""The variables with secret values: only processes that need them get them."""
