"""Which Umbra this is."""

from importlib import metadata


def umbra_version() -> str:
    """The installed version; `0` when run from a tree that was never installed."""
    try:
        return metadata.version("umbra-shadow")
    except metadata.PackageNotFoundError:
        return "0"
