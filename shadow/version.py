"""The version of the installed package."""

from importlib import metadata


def umbra_version() -> str:
    """Return the installed version, `0` when run from a tree that was never installed."""
    try:
        return metadata.version("umbra-shadow")
    except metadata.PackageNotFoundError:
        return "0"
