"""Every command that a page tells people to type exists, with these options and in these services."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from umbra.command import main

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
OF_UMBRA = {name for name, service in SERVICES.items() if service["image"].startswith("umbra:")}
MONITORING = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
RUNBOOKS = dict(re.findall(r"^### (Umbra\w+)\n(.+?)(?=^#|\Z)", MONITORING, re.MULTILINE | re.DOTALL))
HOW = "(#how-to-run-a-command)"
OF_COMPOSE = {"build", "config", "cp", "down", "exec", "kill", "logs", "ps", "restart", "run"}
OF_COMPOSE |= {"start", "stop", "up"}
ENDS_A_COMMAND = re.compile(r"\s(?:\||&&|#|;|>|<|\|\||2>).*$")
PLACEHOLDER = re.compile(r"^[A-Z]|^\.\.\.$|^…$")


class Typed(NamedTuple):
    """One command as a page shows it."""

    page: str
    text: str


def pages() -> Iterator[Path]:
    for folder in (ROOT, ROOT / "docs", ROOT / "docs/decisions", ROOT / "benchmarks", ROOT / "notebooks"):
        yield from sorted(folder.glob("*.md"))


def code(text: str) -> Iterator[str]:
    """What is typed in blocks of code, and what stands between backticks."""
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def typed(pattern: str) -> list[Typed]:
    return sorted(
        {
            Typed(page.name, match[1])
            for page in pages()
            for line in code(page.read_text(encoding="utf-8"))
            for match in re.finditer(pattern, line)
        }
    )


UMBRA = typed(r"(?:^|^(?:\w+=\S+ )+|worker |-- |&& )(umbra(?: .+)?)$")
COMPOSE = typed(r"^(docker compose(?: .+)?)$")


def words(text: str) -> list[str]:
    return shlex.split(ENDS_A_COMMAND.sub("", text.rstrip(".")))


def checked(arguments: list[str]) -> None:
    """Follow the words of a command into the group they name; raises click's errors."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        if PLACEHOLDER.match(arguments[0]):
            return
        inner = command.get_command(context, arguments[0])
        if inner is None:
            raise click.UsageError(f"no such command: {arguments[0]}")
        command, arguments = inner, arguments[1:]
        context = click.Context(command, parent=context)
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    if rest:
        raise click.UsageError(f"too many words: {rest}")


def without_options(words: list[str]) -> list[str]:
    """From the service on, what follows `docker compose exec` or `run`."""
    words = list(words)
    while words[0].startswith("-"):
        words = words[2:] if words[0] in ("-v", "--entrypoint") else words[1:]
    return words


def test_there_are_commands_on_the_pages() -> None:
    assert len(UMBRA) > 60
    assert len(COMPOSE) > 30
    for wrong in ("no-such", "status --no-such", "verdict gbm@1 gbm@2", "candidates ad gbm@1"):
        with pytest.raises(click.UsageError):
            checked(wrong.split())


@pytest.mark.parametrize("command", UMBRA, ids=str)
def test_a_command_of_umbra_exists_with_these_options(command: Typed) -> None:
    name, *arguments = words(command.text)
    assert name == "umbra"
    checked(arguments)


@pytest.mark.parametrize("command", COMPOSE, ids=str)
def test_a_command_of_compose_names_services_that_can_do_it(command: Typed) -> None:
    rest = [word for word in words(command.text)[2:] if word not in ("-T", "--rm", "-d")]
    while rest[:1] in (["--profile"], ["-p"], ["--project-name"], ["--env-file"]):
        assert rest[0] != "--profile" or any(rest[1] in one.get("profiles", []) for one in SERVICES.values())
        rest = rest[2:]
    if not rest:
        return
    assert rest[0] in OF_COMPOSE, command
    if rest[0] in ("exec", "run") and rest[1:]:
        other_program = "--entrypoint" in rest
        service, *run = without_options(rest[1:])
        assert service in SERVICES
        if run[:1] == ["umbra"] or (rest[0] == "run" and not other_program):
            assert service in OF_UMBRA
            checked(run[1:] if run[:1] == ["umbra"] else run)
    elif rest[0] in ("restart", "logs", "ps", "stop", "start"):
        named = [word for word in rest[1:] if not word.startswith("-") and not word.isdigit()]
        assert set(named) <= SERVICES.keys(), command


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_a_runbook_gives_its_commands_as_compose_takes_them_and_says_how_elsewhere(alert: str) -> None:
    """A reader on the host of the stack has no `umbra`; one on Kubernetes no `docker compose`."""
    text = RUNBOOKS[alert]
    spans = re.findall(r"`([^`]+)`", text)
    assert [span for span in spans if span.startswith("umbra ")] == []
    if any(span.startswith("docker compose") or re.match(r"UMBRA_\w+", span) for span in spans):
        assert HOW in text or "UMBRA_STORE_DISK_DIR" in text or "UMBRA_JOURNAL_WRITE_SECONDS" in text


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_a_runbook_says_what_to_do(alert: str) -> None:
    text = RUNBOOKS[alert]
    assert re.search(r"\*\*Do\*\*|\*\*do\*\*|^As \[", text), alert


def test_how_to_run_a_command_tells_it_for_the_host_for_compose_and_for_kubernetes() -> None:
    (section,) = re.findall(r"^## How to run a command\n(.+?)^## ", MONITORING, re.MULTILINE | re.DOTALL)
    for beginning in ("`umbra status`", "`docker compose exec worker umbra status`", "`kubectl exec "):
        assert beginning in section
