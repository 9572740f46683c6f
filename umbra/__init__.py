"""`umbra`, the command line: reads arguments, calls the engine, shows what came of it."""

from shadow.cli.command import main

__all__ = ["main"]
