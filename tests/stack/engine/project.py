"""The compose stack under a name, ports and passwords of its own, and what people do with it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.waiting import wait_until
from ports import free_ports

from model_package import schema

ROOT = Path(__file__).parents[3]
CORE = ("postgres", "migrate", "worker", "api", "prometheus", "alertmanager")
PUBLISHED = ("API", "GRAFANA", "ELASTICSEARCH", "KIBANA", "DEMO_API")
OFFICIAL = {"STACK_BASE_IMAGE": "python:3.13.16-slim-trixie", "STACK_POSTGRES_IMAGE": "postgres:17.11-trixie"}
STAND_INS = {"STACK_BASE_IMAGE": "python:3.13-slim-trixie", "STACK_POSTGRES_IMAGE": "postgres:17-trixie"}
BODY = json.dumps(schema.EXAMPLE).encode()


def run(*command: str, environment: Mapping[str, str] | None = None, seconds: float = 300) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def is_here(image: str) -> bool:
    """Whether the engine has an image already."""
    return (
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
        == 0
    )


def images() -> dict[str, str]:
    """The images to use: those the compose file names where the engine has them, else the stand-ins."""
    return OFFICIAL if all(map(is_here, OFFICIAL.values())) else STAND_INS


@dataclass
class Project:
    """One `docker compose` project."""

    name: str
    env_file: Path
    environment: dict[str, str] = field(default_factory=dict)
    files: Sequence[str] = ("docker-compose.yml",)

    @classmethod
    def create(cls, name: str, directory: Path) -> Project:
        """Write the passwords, choose ports and images."""
        env_file = directory / ".env"
        run(sys.executable, "deploy/make_env.py", "--file", str(env_file))
        chosen = images()
        ports = {f"STACK_{what}_PORT": str(port) for what, port in zip(PUBLISHED, free_ports(5), strict=True)}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("UMBRA_", "COMPOSE_"))}
        # As long as answers are right, they may take their time: nothing here is timed.
        load = {"STACK_LOAD_TIME": "8s", "STACK_LOAD_MAX_P99_MILLISECONDS": "60000"}
        made = cls(name, env_file, {**kept, **ports, **chosen, **load, "STACK_TAG": name})
        if chosen is STAND_INS:
            user = run(
                "docker",
                "run",
                "--rm",
                "--entrypoint",
                "id",
                chosen["STACK_POSTGRES_IMAGE"],
                "-u",
                "postgres",
            )
            made.environment["STACK_POSTGRES_UID"] = user.strip()
            made.files = ("docker-compose.yml", "tests/stack/standins.yml")
        return made

    @property
    def arguments(self) -> list[str]:
        """What both `docker compose` and check_stack.py are told first."""
        files = [word for file in self.files for word in ("--file", file)]
        return ["--project-name", self.name, "--env-file", str(self.env_file), *files]

    def compose(self, *arguments: str, seconds: float = 300) -> str:
        """`docker compose ARGUMENTS`, which must succeed."""
        return run(
            "docker", "compose", *self.arguments, *arguments, environment=self.environment, seconds=seconds
        )

    def check(self) -> str:
        """The smoke command, which must succeed."""
        command = [sys.executable, "deploy/check_stack.py", "--without", "grafana", *self.arguments]
        return run(*command, environment=self.environment)

    def remove(self) -> None:
        """Take everything away: containers, networks, volumes, images."""
        self.compose(
            "--profile",
            "load",
            "--profile",
            "demo",
            "down",
            "--volumes",
            "--remove-orphans",
            "--timeout",
            "20",
        )
        for image in (f"umbra:{self.name}", f"umbra-load:{self.name}"):
            subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)

    # -- looking

    def inspect(self, service: str) -> dict[str, Any]:
        """`docker inspect` of a service's container."""
        found: list[dict[str, Any]] = json.loads(run("docker", "inspect", f"{self.name}-{service}-1"))
        return found[0]

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *command)

    def wait_healthy(self, *services: str) -> None:
        """Until the health checks of these services say so."""

        def healthy() -> bool:
            return all(
                self.inspect(one)["State"].get("Health", {}).get("Status") == "healthy" for one in services
            )

        wait_until(healthy, 90, lambda: self.compose("ps", "--all") + self.compose("logs", "--tail", "20"))

    def status(self) -> dict[str, Any]:
        """`umbra status --json`; `{}` when it cannot be had."""
        command = ["docker", "compose", *self.arguments, "exec", "-T", "worker", "umbra", "status", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def wait_stored(self, houses: int) -> dict[str, Any]:
        """Until that many houses are in the store, all of them scored, and the ledger balances."""

        def stored() -> dict[str, Any]:
            now = self.status()
            done = now.get("intake") and now["intake"]["stored"] == houses and now["balanced"]
            return now if done and all(c["scored"] == houses for c in now["candidates"]) else {}

        return wait_until(stored, 90, lambda: f"{houses} were answered: {self.status()}")

    def predict(self) -> int:
        """Ask for one price; gives the status."""
        port = int(self.environment["STACK_API_PORT"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/v1/predictions", BODY, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()


class Traffic:
    """One caller who asks again and again, in a thread of its own, and keeps what came of it."""

    def __init__(self, project: Project) -> None:
        self.statuses: list[int] = []
        self.faults: list[Exception] = []
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self.statuses.append(self._project.predict())
            except (OSError, http.client.HTTPException) as fault:
                self.faults.append(fault)

    def more(self, count: int) -> None:
        """Until that many more requests were answered."""
        wanted = len(self.statuses) + count
        wait_until(lambda: len(self.statuses) >= wanted or self.faults, 60, lambda: self.faults)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
