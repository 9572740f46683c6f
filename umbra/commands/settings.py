"""`umbra settings`: every setting with its current value, its default and its purpose."""

from __future__ import annotations

import dataclasses
import os

import click

from monitoring import terminal
from shadow.settings import PREFIX, TEST_PREFIX, Settings


@click.command("settings", short_help="Every setting, its current value, its purpose.")
def settings_table() -> None:
    """List every setting with its current value, default and purpose.

    Example: UMBRA_API_PORT=9000 umbra settings
    """
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    now = Settings.from_environment({key: os.environ[key] for key in known & os.environ.keys()})
    for key in sorted(key for key in os.environ if key.startswith(PREFIX) and key not in known):
        if not key.startswith(TEST_PREFIX):
            terminal.say(f"umbra: {key}: no such setting", err=True)
    rows = []
    for field in dataclasses.fields(Settings):
        value = getattr(now, field.name)
        hidden = field.metadata["secret"] and value
        text = "(set)" if hidden else "" if value in (None, ()) else str(value)
        default = field.metadata["default"]
        rows.append((PREFIX + field.name.upper(), text, default, field.metadata["purpose"]))
    terminal.show(terminal.table(("Setting", "Value now", "Default", "Purpose"), rows))
