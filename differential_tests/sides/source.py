"""Sources: what is typed to say which side is meant."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


class UnknownSource(ValueError):
    """Neither the address of a service nor the directory of an artifact."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{redacted(source)!r}: expected http://HOST:PORT of a service, or the directory of an artifact, "
            "such as models/linear/1 (with manifest.json in it)"
        )


def is_service(source: str) -> bool:
    """Whether it is asked over HTTP."""
    return source.startswith(("http://", "https://"))


def redacted(source: str) -> str:
    """As runs and reports may have it: of an address without user, password, query and fragment."""
    if not is_service(source):
        return source
    try:
        parts = urlsplit(source)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
