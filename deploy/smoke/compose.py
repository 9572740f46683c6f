"""The stack as Docker Compose sees it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoke.check import Wrong

ONE_SHOTS = frozenset({"migrate", "elastic-setup", "kibana-setup"})
NOT_CHECKED = frozenset({"load"})
STOPPED = frozenset({"created", "exited", "dead", "removing"})
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Compose:
    """`arguments` come before the command: project, files, environment file."""

    directory: Path
    arguments: Sequence[str] = ()

    def run(self, *command: str, secret: Mapping[str, str] | None = None) -> str:
        """What `docker compose COMMAND` prints; raises Wrong."""
        try:
            done = subprocess.run(
                ["docker", "compose", *self.arguments, *command],  # noqa: S607 - the docker of this machine
                cwd=self.directory, env={**os.environ, **(secret or {})}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise Wrong(
                "there is no `docker` here", "install Docker with its Compose plugin", final=True
            ) from None
        except subprocess.TimeoutExpired:
            raise Wrong(f"docker compose {command[0]} took {TIMEOUT_SECONDS:g} s", "docker info") from None
        if done.returncode != 0:
            raise _failure("config" if "config" in command else command[0], done)
        return done.stdout

    def services(self) -> set[str]:
        """What `docker compose up` would start: services without a profile and of COMPOSE_PROFILES."""
        return set(self.run("config", "--services").split())

    def declared(self, profile: str) -> dict[str, Any]:
        """What docker-compose.yml says with a profile, all variables filled in."""
        return dict(json.loads(self.run("--profile", profile, "config", "--format", "json")))

    def containers(self) -> dict[str, dict[str, Any]]:
        """The containers there are, by service."""
        text = self.run("ps", "--all", "--format", "json").strip()
        listed = json.loads(text) if text.startswith("[") else [json.loads(one) for one in text.splitlines()]
        return {one["Service"]: one for one in listed}

    def url(self, service: str, port: int) -> str:
        """Where a port of a service is published on this machine."""
        return f"http://{self.run('port', service, str(port)).strip()}"


def _failure(command: str, done: subprocess.CompletedProcess[str]) -> Wrong:
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    advice, final = "docker compose ps -a", False
    if "required variable" in said:
        advice, final = "python3 deploy/make_env.py", True
    elif "docker daemon" in said.lower():
        advice, final = "start Docker, or become a user who may use it: docker info", True
    elif command == "config":
        advice, final = "correct what it names (-p, -f, --env-file): docker compose config --quiet", True
    return Wrong(f"docker compose {command}: {said}", advice, final=final)


def in_order(services: Mapping[str, Any]) -> list[str]:
    """All names, each after those it needs; what has no profile first, then the longest chain."""

    def chain(name: str) -> list[str]:
        needed = [one for one in sorted(services[name].get("depends_on") or {}) if one in services]
        return [*dict.fromkeys(one for other in needed for one in chain(other)), name]

    def rank(found: list[str]) -> tuple[bool, int, str]:
        return bool(services[found[-1]].get("profiles")), -len(found), found[-1]

    return list(dict.fromkeys(one for found in sorted(map(chain, services), key=rank) for one in found))


def state_of(service: str, container: Mapping[str, Any] | None, profile: str = "") -> str:
    """What a container is doing, when that is as it should be; raises Wrong."""
    start = f"docker compose --profile {profile} up -d" if profile else "docker compose up -d"
    if container is None:
        raise Wrong("not created", start, final=True)
    state, health, code = container["State"], container.get("Health", ""), container.get("ExitCode", 0)
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
