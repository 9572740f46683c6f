#!/usr/bin/env python3
"""Does the whole platform work? One line per check; stops at the first that fails, with exit status 1.

Run it after `docker compose up -d`. It asks for predictions, and looks; it changes nothing else.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import make_env
import mounted
from smoke import elastic, grafana, prometheus, umbra
from smoke.check import CheckReport, Wrong
from smoke.compose import NOT_CHECKED, Compose, in_order, state_of
from smoke.site import HttpSite, Inside
from smoke.umbra import PredictionAnswer

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check; returns the exit status."""
    options = parser().parse_args(arguments)
    report = CheckReport(sys.stdout, options.wait)
    compose_options = compose_arguments(options)
    try:
        secrets = read_files(report, options)
        Examination(report, Compose(ROOT, compose_options), secrets).whole(set(options.without))
    except Wrong as fault:
        report.say("FAIL", report.at, str(fault))
        same_stack = shlex.join(["docker", "compose", *compose_options])
        report.say("", "what to do", fault.advice.replace("docker compose", same_stack))
        return 1
    sys.stdout.write(f"{report.passed} checks, all ok\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="SERVICE",
        help="a service that was left out on purpose; may be given several times",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=90.0,
        metavar="SECONDS",
        help="how long a check may look again (default: %(default)g)",
    )
    parser.add_argument("-p", "--project-name", help="as for docker compose")
    parser.add_argument("-f", "--file", action="append", default=[], help="as for docker compose")
    parser.add_argument("--env-file", type=Path, help="instead of .env beside docker-compose.yml")
    return parser


def compose_arguments(options: argparse.Namespace) -> list[str]:
    """Return the arguments before every `docker compose` command."""
    project = ["--project-name", options.project_name] if options.project_name else []
    environment = ["--env-file", str(options.env_file.absolute())] if options.env_file else []
    files = [word for file in options.file for word in ("--file", str(Path(file).absolute()))]
    return [*project, *environment, *files]


def read_files(report: CheckReport, options: argparse.Namespace) -> Mapping[str, str]:
    """Check that containers and docker compose can read their files; return the passwords; raise Wrong."""
    report.at = "mounted folders"
    if closed := mounted.unreadable(ROOT):
        raise Wrong(closed, mounted.MAKE_READABLE)
    report.at = "arguments"
    for path in map(Path, options.file):
        readable("--file", path)
    if options.env_file:
        readable("--env-file", options.env_file)
    report.at = "passwords"
    return read_secrets(options.env_file or ROOT / ".env")


def readable(option: str, path: Path) -> None:
    """Raise Wrong for a file that docker compose could not read."""
    if not path.exists() or path.is_dir() or not os.access(path, os.R_OK):
        why = "is a directory" if path.is_dir() else "cannot be read" if path.exists() else "is not there"
        raise Wrong(f"{option} {path} {why}", f"give {option} as for docker compose up, from this folder")


def read_secrets(path: Path) -> Mapping[str, str]:
    """Read the passwords as docker compose does, the environment before the file; raise Wrong."""
    try:
        text = make_env.text_of(path)
    except make_env.Unusable as fault:
        raise Wrong(str(fault), "python3 deploy/make_env.py") from fault
    return {key: os.environ.get(key) or make_env.value(text, key) for key in make_env.KEYS}


@dataclass(frozen=True, slots=True)
class Examination:
    """All checks, in an order in which an earlier one explains a later."""

    report: CheckReport
    compose: Compose
    secrets: Mapping[str, str]

    def whole(self, without: set[str]) -> None:
        """Check all services of the profiles that were started; raise Wrong."""
        services = self.report.check("docker compose", lambda: Services.of(self.compose, without))
        for service in services.names:
            profile = services.profiles[service]
            self.report.check(service, lambda name=service, own=profile: self._state(name, own))  # type: ignore[misc]
        answer = self.umbra()
        self.prometheus()
        for product, look in (("grafana", self.grafana), ("elasticsearch", lambda: self.elastic(answer))):
            if product in services.names:
                look()
            else:
                self.report.say("--", product, "left out" if product in without else "not started")

    def umbra(self) -> PredictionAnswer:
        """Check a prediction and its rows."""
        api = self._site("api", 8000)
        answer = self.report.check("prediction", lambda: umbra.predict(api))
        self.report.check("live row", lambda: umbra.live_row(self.compose, answer))
        self.report.check("candidate rows", lambda: umbra.candidate_rows(self.compose, api, answer))
        self.report.check("prediction by id", lambda: umbra.shown(api, answer))
        self.report.check("ledger", lambda: umbra.ledger(self.compose))
        return answer

    def prometheus(self) -> None:
        """Metrics and alerts."""
        site, alertmanager = self._inside("prometheus", 9090), self._inside("alertmanager", 9093)
        self.report.check("scraped targets", lambda: prometheus.targets(site))
        self.report.check("rules", lambda: prometheus.rules(site))
        self.report.check("alerts are sent", lambda: prometheus.alertmanagers(site, alertmanager))
        self.report.check("pages", lambda: prometheus.pages(site))

    def grafana(self) -> None:
        """Every dashboard; while data is missing, the API is given something to do."""
        api = self._site("api", 8000)
        site = self._site("grafana", 3000, ("admin", self.secrets["GRAFANA_ADMIN_PASSWORD"]))
        self.report.check("datasource", lambda: grafana.datasource(site))

        def look(uid: str) -> str:
            umbra.predict(api)
            return grafana.dashboard(site, uid)

        for uid in grafana.expected(ROOT / "grafana" / "dashboards"):
            self.report.check(uid, lambda uid=uid: look(uid))  # type: ignore[misc]

    def elastic(self, answer: PredictionAnswer) -> None:
        """Check the request in the logs, and the saved objects."""
        reader = (elastic.READER, self.secrets["KIBANA_READER_PASSWORD"])
        site = self._site("elasticsearch", 9200, reader, elastic.REFUSED)
        self.report.check("request in logs", lambda: elastic.request_found(site, answer.request_id))
        kibana = self._site("kibana", 5601, reader, elastic.REFUSED)
        objects = elastic.expected(ROOT / "kibana")
        self.report.check("kibana objects", lambda: elastic.objects_there(kibana, objects))

    def _state(self, service: str, profile: str) -> str:
        try:
            return state_of(service, self.compose.containers().get(service), profile)
        except Wrong as fault:
            if service == "migrate" and fault.final and umbra.password_refused(self.compose):
                seen = f"{fault}: postgres refuses POSTGRES_PASSWORD, its volume keeps its first password"
                raise Wrong(seen, " ".join(make_env.CHANGED.split()), final=True) from fault
            raise

    def _inside(self, service: str, port: int) -> HttpSite:
        """Return a server without a published port."""
        self.report.at = service
        return Inside(service, f"http://127.0.0.1:{port}", compose=self.compose)

    def _site(
        self, service: str, port: int, login: tuple[str, str] | None = None, refused: str = ""
    ) -> HttpSite:
        self.report.at = service
        return HttpSite(service, self.compose.url(service, port), login, refused)


@dataclass(frozen=True, slots=True)
class Services:
    """The services that should run, in the order in which they need each other, and what to start them with.

    They are those of the core, and those of `elk` once any of these was started.
    """

    profiles: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Each after those it needs."""
        return tuple(self.profiles)

    @classmethod
    def of(cls, compose: Compose, without: set[str]) -> Services:
        """Ask docker compose; raise Wrong."""
        file = compose.declared("elk")
        every = {name: file["services"][name].content for name in file["services"].names()}
        core, started = compose.services(), compose.containers().keys()
        if unknown := without - every.keys():
            known = ", ".join(sorted(every))
            raise Wrong(f"there is no service {', '.join(sorted(unknown))}", f"services: {known}", final=True)
        if not started:
            seen = f"no service of the project {file['name'].text()} was started"
            raise Wrong(seen, "docker compose up -d; or name another with -p: docker compose ls", final=True)
        wanted = every.keys() if (every.keys() - core) & started else core
        named = [name for name in in_order(every) if name in wanted - without - NOT_CHECKED]
        return cls({name: "".join(every[name].get("profiles") or []) for name in named})

    def __str__(self) -> str:
        return f"{len(self.names)} services to look at"


if __name__ == "__main__":
    sys.exit(make_env.run(main))
