"""The stack as Docker Compose sees it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoke.check import Wrong, short
from smoke.document import JsonDocument

ONE_SHOTS = frozenset({"migrate", "elastic-setup", "kibana-setup"})
NOT_CHECKED = frozenset({"load"})
STOPPED = frozenset({"created", "exited", "dead", "removing"})
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Compose:
    """`arguments` come before the command: project, files, environment file."""

    directory: Path = Path()
    arguments: Sequence[str] = ()

    def run(self, *command: str, secret: Mapping[str, str] | None = None) -> str:
        """Run `docker compose COMMAND` and return its output; raise Wrong."""
        try:
            done = subprocess.run(
                ["docker", "compose", *self.arguments, *command],  # noqa: S607 - the docker of this machine
                cwd=self.directory,
                env={**os.environ, **(secret or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise Wrong(
                "there is no `docker` here", "install Docker with its Compose plugin", final=True
            ) from None
        except OSError as fault:
            raise Wrong(f"`docker` cannot be run: {fault.strerror}", "docker info", final=True) from None
        except subprocess.TimeoutExpired:
            raise Wrong(f"docker compose {command[0]} took {TIMEOUT_SECONDS:g} s", "docker info") from None
        if done.returncode != 0:
            raise _failure("config" if "config" in command else command[0], done)
        return done.stdout

    def services(self) -> set[str]:
        """List what `docker compose up` would start: services without a profile and of COMPOSE_PROFILES."""
        return set(self.run("config", "--services").split())

    def declared(self, profile: str) -> JsonDocument:
        """Read docker-compose.yml with a profile and all variables; raise Wrong."""
        return self._json(self.run("--profile", profile, "config", "--format", "json"), "config")

    def containers(self) -> dict[str, dict[str, Any]]:
        """List the containers by service; raise Wrong."""
        text = self.run("ps", "--all", "--format", "json").strip()
        if text.startswith("["):
            listed = self._json(text, "ps").items()
        else:
            listed = [self._json(line, "ps") for line in text.splitlines()]
        return {
            container["Service"].text(): {name: container[name].content for name in container.names()}
            for container in listed
        }

    def url(self, service: str, port: int) -> str:
        """Return the address of a service's port on this machine; raise Wrong."""
        published = self.run("port", service, str(port)).strip()
        if not re.fullmatch(r"\S+:[1-9]\d*", published):
            seen = f"port {port} of {service} is not published: {short(published) or 'nothing'}"
            raise Wrong(seen, f"docker compose up -d {service}")
        return f"http://{published}"

    @staticmethod
    def _json(text: str, command: str) -> JsonDocument:
        return JsonDocument.read(
            text, f"docker compose {command}", "docker compose version; 2.20 is expected"
        )


def _failure(command: str, done: subprocess.CompletedProcess[str]) -> Wrong:
    message = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    advice, final = "docker compose ps -a", False
    if "required variable" in message:
        advice, final = "python3 deploy/make_env.py", True
    elif "docker daemon" in message.lower():
        advice, final = "start Docker, or become a user who may use it: docker info", True
    elif command == "config":
        advice, final = "correct what it names (-p, -f, --env-file): docker compose config --quiet", True
    return Wrong(f"docker compose {command}: {message}", advice, final=final)


def in_order(services: Mapping[str, Any]) -> list[str]:
    """Order names after their dependencies: those without a profile first, then the longest chain."""

    def chain(name: str) -> list[str]:
        needed = [
            dependency
            for dependency in sorted(services[name].get("depends_on") or {})
            if dependency in services
        ]
        return [
            *dict.fromkeys(dependency for needed_name in needed for dependency in chain(needed_name)),
            name,
        ]

    def rank(dependencies: list[str]) -> tuple[bool, int, str]:
        return bool(services[dependencies[-1]].get("profiles")), -len(dependencies), dependencies[-1]

    return list(dict.fromkeys(name for names in sorted(map(chain, services), key=rank) for name in names))


def state_of(service: str, container: Mapping[str, Any] | None, profile: str = "") -> str:
    """Return the state of a container; raise Wrong unless it is as expected."""
    start = f"docker compose --profile {profile} up -d" if profile else "docker compose up -d"
    if container is None:
        raise Wrong("not created", start, final=True)
    state, health = container.get("State") or "in no state", container.get("Health") or ""
    code = container.get("ExitCode") or 0
    if service in ONE_SHOTS and state == "exited" and code == 0:
        return "done"
    if service not in ONE_SHOTS and state == "running" and health == "healthy":
        return "healthy"
    seen = f"{state} with status {code}" if state == "exited" else f"{state} {health}".strip()
    if state == "paused":
        raise Wrong(state, f"docker compose unpause {service}", final=True)
    failed = service in ONE_SHOTS and state == "exited"
    if state in STOPPED and not failed:
        raise Wrong(seen, start, final=state != "created")
    raise Wrong(seen, f"docker compose logs {service}", final=failed)
