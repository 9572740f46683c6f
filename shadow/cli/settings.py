"""`umbra settings`: every setting with its value now, its default and its purpose."""

from __future__ import annotations

import dataclasses

import click
from rich.console import Console
from rich.table import Table

from shadow.settings import PREFIX, Settings


@click.command("settings", short_help="Every setting, its value now, its purpose.")
def settings_table() -> None:
    """List every setting, its value now and what it is for.

    Example: UMBRA_API_PORT=9000 umbra settings
    """
    now = Settings.from_environment()
    table = Table("Setting", "Value now", "Default", "Purpose", box=None, pad_edge=False)
    for field in dataclasses.fields(Settings):
        value = getattr(now, field.name)
        hidden = field.metadata["secret"] and value
        shown = "(set)" if hidden else "" if value in (None, ()) else str(value)
        default = field.metadata["default"]
        table.add_row(PREFIX + field.name.upper(), shown, default, field.metadata["purpose"])
    Console().print(table)
