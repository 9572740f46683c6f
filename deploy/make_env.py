#!/usr/bin/env python3
"""Write `.env`, from which docker-compose.yml takes its passwords: random ones, readable by you alone."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import mounted

# Letters and digits only: some of them stand in a URL, some pass through a shell.
KEYS = {
    "POSTGRES_PASSWORD": "PostgreSQL, user umbra",
    "UMBRA_ADMIN_TOKEN": "what promotes a candidate, or rolls back, over HTTP and on the pages",
    "GRAFANA_ADMIN_PASSWORD": "Grafana, user admin",
    "ELASTIC_PASSWORD": "Elasticsearch and Kibana, user elastic: everything",
    "KIBANA_READER_PASSWORD": "Kibana, user umbra_reader: looks at logs and dashboards",
    "KIBANA_SYSTEM_PASSWORD": "what Kibana itself logs in with",
    "LOGSTASH_WRITER_PASSWORD": "what Logstash writes with",
    "KIBANA_ENCRYPTION_KEY": "what Kibana encrypts its saved secrets with",
}
SECRET_BYTES = 24
ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / ".env"
# As docker compose reads it: `export` and blanks are allowed, a colon too. The last line of a key counts.
LINE = re.compile(r"\s*(?:export\s+)?(?P<key>\w+)\s*[=:](?P<value>.*)")
HEAD = "# Secrets of docker-compose.yml, made by deploy/make_env.py. Not for the repository.\n"
NEXT = """next:
  docker compose up -d                  API, worker, database, Prometheus, Alertmanager, Grafana
  docker compose --profile elk up -d    and Elasticsearch, Logstash, Kibana
  python3 deploy/check_stack.py         does all of it work?"""
CHANGED = """The volumes of a stack that has run before still know the old passwords: put them back, or start
afresh, which deletes every stored prediction: docker compose --profile elk down --volumes"""


class Unusable(Exception):
    """The file cannot be taken as it is; says what is wrong and what is expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is missing; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        message = prepared(options.file, afresh=options.force)
    except Unusable as fault:
        sys.stderr.write(f"make_env.py: {fault}\n")
        return 1
    sys.stdout.write(message)
    if closed := mounted.unreadable(ROOT):
        sys.stdout.write(f"{closed}; before anything else, in {ROOT}:\n  {mounted.MAKE_READABLE}\n")
    sys.stdout.write(f"{NEXT}\n")
    return 0


def prepared(path: Path, *, afresh: bool) -> str:
    """Write missing secrets (`afresh`: all of them), and describe what changed; raise Unusable."""
    before = text_of(path)
    missing = [key for key in KEYS if afresh or not value(before, key)]
    for key in KEYS.keys() - missing:
        refuse_special(path, key, value(before, key))
    if missing:
        write(path, with_secrets(before, missing))
        return f"{path}: made {', '.join(missing)}\n" + (f"{CHANGED}\n" if before and afresh else "")
    changed = "it could be read by others, now by you alone" if close(path) else "nothing was changed"
    return f"{path} has every secret already, {changed}; --force makes new ones\n"


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--file", type=Path, default=DEFAULT, help="instead of .env beside docker-compose.yml"
    )
    arguments.add_argument("--force", action="store_true", help="replace secrets that are there already")
    return arguments


def text_of(path: Path) -> str:
    """Read the file; return "" without one; raise Unusable."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise Unusable(f"{path} is not UTF-8 text: save it as UTF-8, or move it away") from None
    except OSError as fault:
        raise Unusable(
            f"{path} cannot be read: {fault.strerror}; a file of KEY=value lines is expected"
        ) from None


def value(text: str, key: str) -> str:
    """Return the last value of `key` in `text`; return "" without one."""
    values = [line["value"] for line in map(LINE.match, text.split("\n")) if line and line["key"] == key]
    return _unquoted(values[-1].strip()) if values else ""


def _unquoted(written: str) -> str:
    if (quote := written[:1]) in {'"', "'"}:
        return written[1:].partition(quote)[0]
    return written.partition(" #")[0].strip()


def refuse_special(path: Path, key: str, secret: str) -> None:
    """Raise Unusable for a secret that would mean something else in a URL, a shell or this file."""
    if not re.fullmatch(r"[A-Za-z0-9_.~-]+", secret):
        raise Unusable(
            f"{path}: {key} holds a character that is not allowed; allowed are letters, digits, _ . ~ - "
            "(take the line out, and a random one is made)"
        )


def with_secrets(text: str, keys: Sequence[str]) -> str:
    """`text` with a new secret for each of `keys`; all else stays as it is."""
    read = [(LINE.match(line), line) for line in text.splitlines()]
    lines_kept = [line for match, line in read if not match or match["key"] not in keys]
    lines = [f"{key}={secrets.token_hex(SECRET_BYTES)}" for key in keys]
    if not text:
        lines_kept = [*HEAD.splitlines()]
    return "\n".join([*lines_kept, *lines]) + "\n"


def write(link: Path, text: str) -> None:
    """Replace the file (behind a link: that one) whole; never readable by anyone else, not for a moment."""
    path = Path(os.path.realpath(link))
    if path.exists() and not path.is_file():
        raise Unusable(f"{link} is no ordinary file")
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        fresh.replace(path)
    except FileNotFoundError:
        raise Unusable(f"{link} cannot be written: make the folder {path.parent} first") from None
    except OSError as fault:
        raise Unusable(f"{link} cannot be written: {fault.strerror}") from None


def close(path: Path) -> bool:
    """Keep all others from reading the file; whether they could; raise Unusable."""
    if not path.stat().st_mode & 0o077:
        return False
    try:
        path.chmod(0o600)
    except OSError as fault:
        raise Unusable(f"others can read {path}, and that cannot be changed: {fault.strerror}") from None
    return True


def run(command: Callable[[], int]) -> int:
    """Run a command; return its exit status, or 1 without output if the reader of its output has ended."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # for Python flushes once more at its end
        return 1
    return status


if __name__ == "__main__":
    sys.exit(run(main))
