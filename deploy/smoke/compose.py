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
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            unset = "required variable" in said
            raise Wrong(
                f"docker compose {command[0]}: {said}",
                "python3 deploy/make_env.py" if unset else "docker compose ps -a",
                final=unset,
            )
        return done.stdout

    def services(self, *profiles: str) -> list[str]:
        """Services of docker-compose.yml with these profiles, those without any always."""
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        return sorted(self.run(*chosen, "config", "--services").split())

    def containers(self) -> dict[str, dict[str, Any]]:
        """The containers there are, by service."""
        text = self.run("ps", "--all", "--format", "json").strip()
        listed = json.loads(text) if text.startswith("[") else [json.loads(one) for one in text.splitlines()]
        return {one["Service"]: one for one in listed}

    def url(self, service: str, port: int) -> str:
        """Where a port of a service is published on this machine."""
        return f"http://{self.run('port', service, str(port)).strip()}"


def state_of(service: str, container: Mapping[str, Any] | None) -> str:
    """What a container is doing, when that is as it should be; raises Wrong."""
    if container is None:
        raise Wrong("not started", "docker compose up -d", final=True)
    state, health, code = container["State"], container.get("Health", ""), container.get("ExitCode", 0)
    if service in ONE_SHOTS and state == "exited" and code == 0:
        return "done"
    if service not in ONE_SHOTS and state == "running" and health == "healthy":
        return "healthy"
    seen = f"{state} with status {code}" if state == "exited" else f"{state} {health}".strip()
    failed = service in ONE_SHOTS and state == "exited"
    raise Wrong(seen, f"docker compose logs {service}", final=failed)
