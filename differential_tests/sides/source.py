"""Sources: the address or directory that names a side."""

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
    """Return whether a source is the address of a service."""
    return source.startswith(("http://", "https://"))


def redacted(source: str) -> str:
    """Remove user, password, query and fragment from an address."""
    if not is_service(source):
        return source
    try:
        url = urlsplit(source)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))
