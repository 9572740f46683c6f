"""Limits: how much one request may hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The most rows and bytes in one request."""

    rows: int
    body_bytes: int
