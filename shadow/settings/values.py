"""The values of settings: each reader checks and converts a text, or raises InvalidSetting."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

Network = IPv4Network | IPv6Network

_SQLITE = "sqlite://"
_ADDRESSES = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:////PATH"
_ENCODED = f"{_ADDRESSES}; in a user, password or path percent-encode @ : / ? # [ ] and spaces (@ is %40)"
_HOST_NAME = re.compile(r"\*\Z|\[?[A-Za-z0-9._:-]+\]?\Z")
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")


class InvalidSetting(ValueError):
    """A setting has an unknown name or an impossible value; the message names key and value."""

    safe_to_log = True


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Make a reader of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise InvalidSetting(f"expected a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Make a reader of numbers from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidSetting(f"expected a number from {low:g} to {high:g}")
        return value

    return read


def choice(*allowed: str) -> Callable[[str], str]:
    """Make a reader of one of several texts."""

    def read(text: str) -> str:
        if text not in allowed:
            raise InvalidSetting(f"expected one of {', '.join(allowed)}")
        return text

    return read


def switch(text: str) -> bool:
    """Read true or false."""
    if text not in ("true", "false"):
        raise InvalidSetting("expected true or false")
    return text == "true"


def path(text: str) -> Path:
    """Read a path; the result is absolute."""
    try:
        text.encode()
        return Path(text).expanduser().absolute()
    except UnicodeError:
        raise InvalidSetting("expected a path in UTF-8") from None
    except RuntimeError:  # ~ without such a user
        raise InvalidSetting("~ names no home directory here; write it out in full") from None
    except OSError as fault:
        raise InvalidSetting(
            f"the current directory is gone ({fault.strerror}); change to another, or write the path in full"
        ) from None


def texts(text: str) -> tuple[str, ...]:
    """Read texts separated by commas."""
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def modules(text: str) -> tuple[str, ...]:
    """Read names of modules."""
    names = texts(text)
    if not all(all(piece.isidentifier() for piece in name.split(".")) for name in names):
        raise InvalidSetting("expected importable module names, separated by commas")
    return names


def field_names(text: str) -> tuple[str, ...]:
    """Read names of fields of the schema."""
    names = texts(text)
    # Imported only when there are names to check: the schema takes 16 MB that ingest does not need.
    from model_package.schema import NAMES  # noqa: PLC0415

    if unknown := [name for name in names if name not in NAMES]:
        raise InvalidSetting(f"{unknown[0]!r} is no field of a house; expected names from {', '.join(NAMES)}")
    return names


def sqlite_url(file: Path) -> str:
    """Write the URL of an SQLite store, whatever characters its path has."""
    return f"{_SQLITE}/{quote(str(file))}"


def host(text: str) -> str:
    """Read an address or a host name, without the brackets of an IPv6 address."""
    name = text.removeprefix("[").removesuffix("]")
    if not name.isascii() or any(character in name for character in " /@[]?#"):
        raise InvalidSetting("expected an address or a host name, such as 127.0.0.1, ::1 or 0.0.0.0")
    return name


def hosts(text: str) -> tuple[str, ...]:
    """Read host names, or *."""
    names = texts(text)
    if not all(_HOST_NAME.match(name) for name in names):
        raise InvalidSetting("expected host names without ports, separated by commas, or *")
    return names


def networks(text: str) -> tuple[Network, ...]:
    """Read IP addresses and networks."""
    try:
        return tuple(ip_network(network) for network in texts(text))
    except ValueError as fault:
        raise InvalidSetting(f"expected addresses or networks, such as 10.0.0.0/8: {fault}") from None


def path_prefix(text: str) -> str:
    """Read the prefix of a URL's path, without a slash at its end."""
    prefix = text.rstrip("/")
    if not _PATH_PREFIX.match(prefix):
        raise InvalidSetting("expected a path, such as /umbra")
    return prefix


def store_url(text: str) -> str:
    """Read the URL of a store: Postgres or SQLite."""
    if text.startswith(_SQLITE):
        return _sqlite_store(text.removeprefix(_SQLITE))
    try:
        url = urlsplit(text)
        is_postgres = url.scheme == "postgresql" and url.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        is_postgres = False
    address = text.partition("://")[2]
    user = address.rpartition("@")[0]
    if not text.isprintable() or any(character in user for character in " @/?#[]") or "#" in address:
        raise InvalidSetting(
            _ENCODED
        )  # before libpq takes a piece of the password for the host, and prints it
    if not is_postgres:
        raise InvalidSetting(_ADDRESSES)
    return text


def _sqlite_store(rest: str) -> str:
    """Read the absolute path of an SQLite file; `rest` follows sqlite:// in the URL."""
    quoted, _, options = rest.partition("?")
    if options:
        raise InvalidSetting(
            f"an SQLite store has no options, got {options.partition('=')[0]!r}; write ? as %3F"
        )
    name = unquote(quoted.removeprefix("/"))
    if not quoted.startswith("/") or name.startswith("file:"):
        raise InvalidSetting(_ADDRESSES)
    if name in ("", ":memory:"):
        raise InvalidSetting("a database in memory is another one for each process; expected sqlite:////PATH")
    return sqlite_url(path(name))


def token(text: str) -> str:
    """Read a secret token."""
    if len(text) < 16 or not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidSetting("expected at least 16 characters of ASCII, without spaces")
    return text
