#!/usr/bin/env python3
"""Write `.env`, from which docker-compose.yml takes its passwords: random ones, readable by you alone."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

# Letters and digits only: some of them stand in a URL, some pass through a shell.
KEYS = {
    "POSTGRES_PASSWORD": "PostgreSQL, user umbra",
    "GRAFANA_ADMIN_PASSWORD": "Grafana, user admin",
    "ELASTIC_PASSWORD": "Elasticsearch and Kibana, user elastic: everything",
    "KIBANA_READER_PASSWORD": "Kibana, user umbra_reader: looks at logs and dashboards",
    "KIBANA_SYSTEM_PASSWORD": "what Kibana itself logs in with",
    "LOGSTASH_WRITER_PASSWORD": "what Logstash writes with",
    "KIBANA_ENCRYPTION_KEY": "what Kibana encrypts its saved secrets with",
}
SECRET_BYTES = 24
DEFAULT = Path(__file__).resolve().parents[1] / ".env"
HEAD = "# Secrets of docker-compose.yml, made by deploy/make_env.py. Not for the repository.\n"
NEXT = """next:
  docker compose up -d                  API, worker, database, Prometheus, Alertmanager, Grafana
  docker compose --profile elk up -d    and Elasticsearch, Logstash, Kibana
  python3 deploy/check_stack.py         does all of it work?"""
CHANGED = """The volumes of a stack that has run before still know the old passwords: put them back, or start
afresh, which deletes every stored prediction: docker compose --profile elk down --volumes"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is missing; returns the exit status."""
    options = parser().parse_args(arguments)
    path: Path = options.file
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [key for key in KEYS if options.force or not value(before, key)]
    if missing:
        write(path, with_secrets(before, missing))
        sys.stdout.write(f"{path}: made {', '.join(missing)}\n")
    else:
        sys.stdout.write(f"{path} has every secret already, nothing was changed; --force makes new ones\n")
    if before and options.force:
        sys.stdout.write(f"{CHANGED}\n")
    sys.stdout.write(f"{NEXT}\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--file", type=Path, default=DEFAULT, help="instead of .env beside docker-compose.yml")
    found.add_argument("--force", action="store_true", help="replace secrets that are there already")
    return found


def value(text: str, key: str) -> str:
    """What `text` sets `key` to; empty when it does not."""
    found = re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
    return str(found[-1]).strip() if found else ""


def with_secrets(text: str, keys: Sequence[str]) -> str:
    """`text` with a new secret for each of `keys`; all else stays as it is."""
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in keys]
    lines = [f"{key}={secrets.token_hex(SECRET_BYTES)}" for key in keys]
    if not text:
        kept = [*HEAD.splitlines()]
    return "\n".join([*kept, *lines]) + "\n"


def write(path: Path, text: str) -> None:
    """Replace the file whole; never readable by anyone else, not even for a moment."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
