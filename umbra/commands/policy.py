"""`umbra policy`: what a candidate is judged by."""

from __future__ import annotations

import click

from monitoring import terminal
from shadow import policy as policies


@click.group()
def policy() -> None:
    """Show or check the policy a candidate is judged by.

    \b
    umbra policy show > mine.toml
    umbra policy check mine.toml
    umbra candidates add gbm@2 --policy mine.toml
    """


@policy.command()
@click.argument("name", type=click.Choice(policies.SHIPPED), default="default")
def show(name: str) -> None:
    """Print a policy that comes with Umbra; every key is explained in the default one.

    Example: umbra policy show demo
    """
    terminal.say_lines(policies.chosen(name).text)


@policy.command()
@click.argument("file")
def check(file: str) -> None:
    """Check the policy FILE (or `default`, `demo`); exits with 2, naming key and value, if it is wrong.

    Example: umbra policy check mine.toml
    """
    found = policies.chosen(file)
    terminal.say(f"{found.name}: {found.sha256}", f"segments: {', '.join(found.segment_names) or 'none'}")
