"""`umbra policy`: show and check the policies by which candidates are judged."""

from __future__ import annotations

import click

from monitoring import terminal
from shadow import policy as policies


@click.group()
def policy() -> None:
    """Show or check the policy that judges a candidate.

    \b
    umbra policy show > mine.toml
    umbra policy check mine.toml
    umbra candidates add gbm@2 --policy mine.toml
    """


@policy.command()
@click.argument("name", type=click.Choice(policies.SHIPPED), default="default")
def show(name: str) -> None:
    """Print a policy that comes with Umbra; the default one explains every key.

    Example: umbra policy show demo
    """
    terminal.print_text(policies.load(name).text)


@policy.command()
@click.argument("file")
def check(file: str) -> None:
    """Check the policy FILE (or `default`, `demo`); exits with 2, naming key and value, if it is wrong.

    Example: umbra policy check mine.toml
    """
    chosen = policies.load(file)
    segments = ", ".join(chosen.segment_names) or "none"
    terminal.say(f"{chosen.name}: {chosen.sha256}", f"segments: {segments}")
