"""Data directories of 0.1.0, packed with their models, and what people see in them."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg2
from databases import make_database
from harness.stack import Stack
from harness.waiting import wait_until
from patience import PATIENCE_SECONDS

RECORDED = Path(__file__).parent / "recorded"
DUMP = "dump.sql"
_NOT_PACKED = ("logs", "metrics", "run")
# NumPy rounds otherwise with it, and answers are compared to the last bit.
_AVX_512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
_COUNTS = ("state", "eligible", "scored", "sampled_out", "failed", "dropped", "pending")
_STORED_AT = re.compile(r'("(?:observed|recorded)_at":)"[^"]+"')


def pack(data: Path, database: str) -> None:
    """Pack a data directory whose processes have stopped, without logs and files of processes."""
    with tarfile.open(RECORDED / f"{database}.tar.xz", "w:xz", preset=9) as file:
        for path in sorted(data.iterdir()):
            if path.name not in _NOT_PACKED:
                file.add(path, path.name)


def unpack(database: str, data: Path) -> Path:
    """Unpack the data directory whose store was on that database; returns it."""
    data.mkdir(mode=0o700)
    with tarfile.open(RECORDED / f"{database}.tar.xz") as file:
        file.extractall(data, filter="data")
    return data


@contextmanager
def stack(directory: Path, **settings: object) -> Iterator[Stack]:
    """Make a stack over `data` in a directory, and end it afterwards; neither user nor processor matter."""
    own = Stack(directory, directory / "data" / "models", api_workers=1, journal_write_seconds=5, **settings)
    own.environment |= {"LOGNAME": "operator", "NPY_DISABLE_CPU_FEATURES": _AVX_512}
    try:
        yield own
    finally:
        own.end()


@contextmanager
def taken_over(database: str, directory: Path, server_url: str = "") -> Iterator[Stack]:
    """Have `umbra up` take over a data directory; while the context lasts it runs, and nothing waits."""
    data = unpack(database, directory / "data")
    url = _restored(data / DUMP, server_url) if server_url else ""
    with stack(directory, store_url=url, candidate_latency_share=0) as old:
        old.up()
        old.wait_drained()
        yield old


def _restored(dump: Path, server_url: str) -> str:
    """Restore a dump into a new database; returns its URL."""
    url = make_database(server_url)
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(dump.read_text(encoding="utf-8"))
    connection.close()
    return url


def view(old: Stack, predictions: Iterable[str], moment: str) -> dict[str, Any]:
    """Collect what people see of a stack in which nothing waits.

    The predictions with these ids are compared by every byte, but for the moments at which Umbra stored
    something about them. The verdict is that of now, and that computed again as of `moment`.
    """
    status = json.loads(old.done("status", "--json"))
    outcomes = json.loads(_get(old, "/v1/outcomes"))
    del outcomes["counted_at"]
    return {
        "captures": {name: status["intake"][name] for name in ("numbered", "stored", "dropped")},
        "ledger": {
            account["candidate"]: {name: account[name] for name in _COUNTS}
            for account in status["candidates"]
        },
        "outcomes": outcomes,
        **json.loads(_get(old, "/v1/deployments")),
        "verdict": _verdict(old)["state"],
        "verdict_then": _verdict(old, "--as-of", moment),
        "predictions": {identifier: _prediction(old, identifier) for identifier in predictions},
    }


def _verdict(old: Stack, *options: str) -> dict[str, str]:
    verdict = json.loads(old.done("verdict", "linear@1", "--json", *options))
    return {name: verdict[name] for name in ("state", "since")}


def _prediction(old: Stack, identifier: str) -> str:
    return _STORED_AT.sub(r'\1"<moment>"', _get(old, f"/v1/predictions/{identifier}"))


def decide(own: Stack, live: str, *command: str) -> None:
    """Promote or roll back, and wait until the model that is live then answers."""
    own.done(*command, "--reason", "a trial")
    answers = f'"model":"{live}"'.encode()
    wait_until(lambda: answers in own.ask("GET", "/readyz")[1], PATIENCE_SECONDS, own.explain)


def _get(old: Stack, path: str) -> str:
    """GET a path, again while the store takes its time; returns the body."""

    def body() -> str | None:
        status, answer = old.ask("GET", path)
        return answer.decode() if status == HTTPStatus.OK else None

    return wait_until(body, PATIENCE_SECONDS, old.explain) or ""
