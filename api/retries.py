"""Retries: a request that comes again under its key gets the ids of the first time, and is captured once.

A client whose answer got lost sends its request again. It names the request by `Idempotency-Key`
(draft-ietf-httpapi-idempotency-key-header) or, where `UMBRA_API_RETRY_BY_REQUEST_ID` says so, by its
X-Request-ID. The API processes of one data directory share a table of keys in memory that outlives each of
them. A request locks its part of the table against the other processes, for which it tries fifty milliseconds
at most: without the lock it is answered as a new request. Two hosts do not know each other's keys.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from api.errors import InvalidKey, KeyReused
from monitoring import logs
from shadow.records import capture_time

HEADER = "Idempotency-Key"
KEPT_SECONDS = 86_400
_LONGEST_KEY = 255
_ENTRY = struct.Struct("<16s8s8s16s?7x8s")  # key, body, model, first id, settled, checksum of all before it
_CHECKED_BYTES = _ENTRY.size - 8
_BUCKET_ENTRIES = 4
_BUCKET_BYTES = _BUCKET_ENTRIES * _ENTRY.size
_BUCKETS = 8_192
_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 50, 0.001
_log = logging.getLogger("umbra.retries")


@dataclass(frozen=True, slots=True)
class Key:
    """What names a request: its digest, and whether the client promised to use it for this request only."""

    digest: bytes
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """The ids of a request under its key, and whether an earlier try settled what becomes of its capture.

    `offset` is where the table holds it; None: the table could not take it.
    """

    ids: list[UUID]
    settled: bool
    offset: int | None


class _Entry(NamedTuple):
    """A key of the table: digests of key, body and model, the id of the first row, whether it is settled."""

    key: bytes
    body: bytes
    model: bytes
    first: UUID
    settled: bool


def key_of(environ: dict[str, Any], *, retry_by_request_id: bool) -> Key | None:
    """Read the key of a request, None when it has none; raises InvalidKey."""
    text = environ.get("HTTP_IDEMPOTENCY_KEY")
    if text is not None:
        return Key(_digest(_checked(text), 16), exclusive=True)
    request_id = environ.get("HTTP_X_REQUEST_ID", "") if retry_by_request_id else ""
    # A request id may be shared by several calls of one user's action: another body is another request.
    return Key(_digest(f"request {request_id}", 16), exclusive=False) if request_id else None


def _checked(text: str) -> str:
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':  # the draft's form: a string of RFC 8941
        key = key[1:-1]
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidKey(
            f"{HEADER} {text[:80]!r}: expected 1 to {_LONGEST_KEY} printable ASCII characters, such as a UUID"
        )
    return key


class Retries:
    """The keys that the API processes of one data directory have answered."""

    def __init__(self, directory: Path) -> None:
        """Share keys through a file in `directory`, which is made when the first key comes."""
        self._directory = directory
        self._descriptor: int | None = None
        self._table: mmap.mmap | None = None

    def claim(self, key: Key, body: bytes, model: str, ids: list[UUID]) -> Claim:
        """Give the ids that this request had when it came first, or keep `ids` for its next time.

        A request that another model answered before is a new one: what was answered is what is captured.
        Raises KeyReused when the key came with another body before.
        """
        fresh = _Entry(key.digest, _digest(body, 8), _digest(model, 8), ids[0], settled=False)
        bucket = int.from_bytes(key.digest[:4], "little") % _BUCKETS * _BUCKET_BYTES
        table = self._open_table()
        with self._locked(bucket) as locked:
            if not locked:
                return Claim(ids, settled=False, offset=None)
            offset = _offset_of(table, bucket, key.digest)
            known = _read(table, offset)
            if known is not None and known.key == key.digest and _is_recent(known.first, ids[0]):
                if known.body != fresh.body and key.exclusive:
                    raise KeyReused(
                        f"this {HEADER} came with another body before: expected that body again, or a new key"
                    )
                if (known.body, known.model) == (fresh.body, fresh.model):
                    return Claim(_consecutive(known.first, len(ids)), known.settled, offset)
            _write(table, offset, fresh)
        return Claim(ids, settled=False, offset=offset)

    def settle(self, claim: Claim) -> None:
        """Remember that the rows of this claim are in the journal, or counted as dropped: once is enough."""
        if claim.offset is None:
            return
        table = self._open_table()
        entry = _read(table, claim.offset)
        if entry is not None and entry.first == claim.ids[0]:
            _write(table, claim.offset, entry._replace(settled=True))

    def _open_table(self) -> mmap.mmap:
        if self._table is None:
            size = _BUCKETS * _BUCKET_BYTES
            try:
                self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._descriptor = _allocate(self._directory / "keys", size)
                self._table = mmap.mmap(self._descriptor, size)
            except OSError as fault:
                logs.event(_log, "retries_not_shared", level=logging.WARNING, error=fault)
                self._table = mmap.mmap(-1, size)
        return self._table

    @contextmanager
    def _locked(self, bucket: int) -> Iterator[bool]:
        """Hold this bucket against other processes; False when one of them keeps holding it."""
        if self._descriptor is None:
            yield True
            return
        held = _lock(self._descriptor, bucket)
        try:
            yield held
        finally:
            if held:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _BUCKET_BYTES, bucket)


def _lock(descriptor: int, bucket: int) -> bool:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET_BYTES, bucket)
        except OSError:
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return True
    return False


def _allocate(path: Path, size: int) -> int:
    """Open the file with all of its memory: a page that could not be had later would end the process."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _offset_of(table: mmap.mmap, bucket: int, key: bytes) -> int:
    """Find the key in its bucket, or where it goes: into free space, else over the oldest."""
    entries = {offset: _read(table, offset) for offset in range(bucket, bucket + _BUCKET_BYTES, _ENTRY.size)}
    for offset, entry in entries.items():
        if entry is not None and entry.key == key:
            return offset
    return min(entries, key=lambda offset: _age_order(entries[offset]))


def _age_order(entry: _Entry | None) -> int:
    return 0 if entry is None else entry.first.int


def _read(table: mmap.mmap, offset: int) -> _Entry | None:
    """Read one entry; None when there is none, or a killed process wrote only a part of it."""
    raw = table[offset : offset + _ENTRY.size]
    key, body, model, first, settled, checksum = _ENTRY.unpack(raw)
    if checksum != _digest(raw[:_CHECKED_BYTES], 8):
        return None
    return _Entry(key, body, model, UUID(bytes=first), settled)


def _write(table: mmap.mmap, offset: int, entry: _Entry) -> None:
    facts = entry.key, entry.body, entry.model, entry.first.bytes, entry.settled
    raw = _ENTRY.pack(*facts, b"")[:_CHECKED_BYTES]
    table[offset : offset + _ENTRY.size] = raw + _digest(raw, 8)


def _is_recent(first: UUID, now: UUID) -> bool:
    return abs((capture_time(now) - capture_time(first)).total_seconds()) < KEPT_SECONDS


def _consecutive(first: UUID, count: int) -> list[UUID]:
    return [UUID(int=first.int + i) for i in range(count)]


def _digest(content: bytes | str, size: int) -> bytes:
    return blake2b(content.encode() if isinstance(content, str) else content, digest_size=size).digest()
