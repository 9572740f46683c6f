#!/usr/bin/env python3
"""Two builds, the same questions: this checkout against another commit, with the models that one trains.

    .ci/differential.py origin/main reports/

Each build is installed from its own lock file and answers over HTTP, with each of the two models in turn. The
reports of `python -m differential_tests run` go to the folder. Exit 0: same answers, 1: findings, 2: it could
not be run, as when this checkout cannot read the models of the other one.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
MODELS = ("linear", "gbm")
START_SECONDS = 60.0


class BuildNotReady(RuntimeError):
    """A build that does not answer."""


@dataclass(frozen=True)
class Build:
    """One checkout with an environment and a data directory of its own; the models are those of both."""

    name: str
    tree: Path
    work: Path

    @property
    def home(self) -> Path:
        """Return the folder of its environment and data."""
        return self.work / self.name

    def install(self) -> None:
        """Install its own lock file, then the build itself."""
        run(sys.executable, "-m", "venv", str(self.home / "venv"))
        pip = [str(self.home / "venv/bin/pip"), "install", "--quiet"]
        run(*pip, "--require-hashes", "-r", str(self.tree / "requirements-runtime.lock"))
        run(*pip, "--no-deps", str(self.tree))

    def umbra(self, *arguments: str) -> None:
        """Run `umbra ARGUMENTS` of this build to its end."""
        run(*self._command(arguments), env=self._environment(0), cwd=self.home)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve, and yield the address."""
        port = free_port()
        with (self.home / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                self._command(("serve",)), env=self._environment(port), cwd=self.home, stdout=log, stderr=log
            )
        try:
            yield self._ready(port, process)
        finally:
            process.terminate()
            process.wait()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(self.home / "venv/bin/umbra"), *arguments]

    def _environment(self, port: int) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("UMBRA_", "PYTHONPATH"))
        }
        own = {"UMBRA_DATA_DIR": str(self.home / "data"), "UMBRA_MODELS_DIR": str(self.work / "models")}
        ports = {"UMBRA_API_PORT": str(port), "UMBRA_API_METRICS_PORT": str(free_port())} if port else {}
        return inherited | own | ports

    def _ready(self, port: int, process: subprocess.Popen[bytes]) -> str:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310 - our own address
                    return address
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log = (self.home / "serve.log").read_text(errors="replace")[-2000:]
        raise BuildNotReady(f"the {self.name} build does not answer; it printed: {log}")


def main() -> int:
    """Install both builds, ask both, and report differences."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("reports", type=Path, help="folder for the reports")
    options = parser.parse_args()
    options.reports.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as work, checked_out(options.base, Path(work) / "tree") as tree:
            return compared(Build("base", tree, Path(work)), Build("head", HERE, Path(work)), options.reports)
    except (subprocess.CalledProcessError, BuildNotReady) as error:
        summary = f"## Differential tests\n\n**Could not run** against `{options.base}`: {error}\n"
        (options.reports / "summary.md").write_text(summary, encoding="utf-8")
        sys.stderr.write(f"{error}\n")
        return 2


def compared(base: Build, head: Build, reports: Path) -> int:
    """Compare both models and return the worst exit status."""
    for build in (base, head):
        build.install()
        build.umbra("prepare")
    worst = answered(base, head, reports, MODELS[0])
    for build in (base, head):
        build.umbra("promote", f"{MODELS[1]}@1", "--override", "--reason", "both models are compared")
    worst = max(worst, answered(base, head, reports, MODELS[1]))
    sections = [f"## {model}\n\n{(reports / f'{model}.md').read_text(encoding='utf-8')}" for model in MODELS]
    (reports / "summary.md").write_text("\n\n".join(sections), encoding="utf-8")
    return worst


def answered(base: Build, head: Build, reports: Path, model: str) -> int:
    """Compare both builds while that model is live; return the exit status."""
    with ExitStack() as served:
        addresses = [served.enter_context(build.serving()) for build in (base, head)]
        report_options = [f"--{kind}={reports / model}.{end}" for kind, end in REPORTS.items()]
        command = [sys.executable, "-P", "-m", "differential_tests", "run", *addresses, *report_options]
        environment = os.environ | {"PYTHONPATH": str(HERE)}
        status = subprocess.run(command, env=environment, cwd=HERE, check=False).returncode
    if not (reports / f"{model}.md").exists():
        raise BuildNotReady(f"the comparison of {model} ended with {status} and without a report")
    return status


REPORTS = {"junit": "xml", "html": "html", "jsonl": "jsonl", "markdown": "md"}


@contextmanager
def checked_out(commit: str, tree: Path) -> Iterator[Path]:
    """Check out a commit into a temporary worktree."""
    run("git", "-C", str(HERE), "worktree", "add", "--quiet", "--detach", str(tree), commit)
    try:
        yield tree
    finally:
        run("git", "-C", str(HERE), "worktree", "remove", "--force", str(tree))


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run(*command: str, env: dict[str, str] | None = None, cwd: Path = HERE) -> None:
    """Run a command to its end; raise CalledProcessError."""
    cwd.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, env=env, cwd=cwd, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
