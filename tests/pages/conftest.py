"""What the tests of the pages share: a browser, and a real API process over a store full of evidence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from ports import free_ports

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
for folder in (HERE, ROOT / "tests" / "api", ROOT / "tests" / "integration"):
    sys.path.insert(0, str(folder))

import stock as stocking  # noqa: E402 (found only now)
from harness.waiting import wait_until  # noqa: E402
from stock import TOKEN, Stock  # noqa: E402

from shadow.settings import Settings  # noqa: E402

START_SECONDS = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them in one process of the suite: what they share takes longest to make."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("pages"))


def settings_of(data_dir: Path) -> Settings:
    """The settings of a data directory of these tests."""
    return Settings.from_environment(
        {"UMBRA_DATA_DIR": str(data_dir), "UMBRA_RECIPE_MODULES": "plain_recipe"}
    )


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """A data directory as after two months of traffic; nobody changes it."""
    return stocking.stock(settings_of(tmp_path_factory.mktemp("stocked") / "data"), stocking.now())


@pytest.fixture(scope="session")
def copied(stocked: Stock, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Settings]:
    """Makes a copy of it that a test may change."""

    def copy() -> Settings:
        settings = settings_of(tmp_path_factory.mktemp("copied") / "data")
        shutil.copytree(stocked.settings.data_dir, settings.data_dir)
        return settings

    return copy


@dataclass(slots=True)
class Site:
    """A running `python -m api.server`."""

    address: str
    settings: Settings
    process: subprocess.Popen[bytes]
    output: Path

    def explain(self) -> str:
        """What it wrote."""
        return self.output.read_text(errors="replace")[-3000:]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one answer; raises OSError."""
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether it answers."""
        assert self.process.poll() is None, self.explain()
        try:
            return self.get("/readyz")[0] == HTTPStatus.OK
        except OSError:
            return False


def _serve(settings: Settings, **more: str) -> Site:
    port, metrics_port = free_ports(2)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    environment = {
        **inherited,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'api'}",
        "UMBRA_DATA_DIR": str(settings.data_dir),
        "UMBRA_RECIPE_MODULES": "plain_recipe",
        "UMBRA_API_PORT": str(port),
        "UMBRA_API_METRICS_PORT": str(metrics_port),
        "UMBRA_METRICS_DIR": str(settings.data_dir / "metrics"),
        "UMBRA_API_WORKERS": "1",
        "UMBRA_LOG_LEVEL": "WARNING",
        **more,
    }
    output = settings.data_dir / "api.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.server"],
            env=environment,
            stdout=sink,
            stderr=sink,
            cwd=settings.data_dir,
        )
    return Site(f"http://127.0.0.1:{port}", settings, process, output)


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., Site]]:
    """Starts an API over a data directory; all of them are stopped in the end."""
    begun: list[Site] = []

    def begin(settings: Settings, **more: str) -> Site:
        begun.append(_serve(settings, **more))
        wait_until(begun[-1].is_ready, START_SECONDS, begun[-1].explain)
        return begun[-1]

    yield begin
    for site in begun:
        site.process.terminate()
    for site in begun:
        site.process.wait(30)


@pytest.fixture(scope="session")
def site(copied: Callable[[], Settings], serve: Callable[..., Site]) -> Site:
    """An API that everybody only reads from; nobody can decide there."""
    return serve(copied())


@pytest.fixture(scope="session")
def stung(copied: Callable[[], Settings], serve: Callable[..., Site]) -> Site:
    """An API with an admin token, whose documents have markup in every text."""
    settings = copied()
    stocking.sting(settings.data_dir / "umbra.db")
    return serve(settings, UMBRA_ADMIN_TOKEN=TOKEN)


@dataclass(slots=True)
class Visit:
    """A browser's window on a site, and whatever went wrong in it."""

    site: Site
    page: Page
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        """Go there and wait until everything is loaded; gives the status."""
        answer = self.page.goto(self.site.address + path, wait_until="load")
        assert answer is not None
        return answer.status

    def watch(self) -> None:
        """Note errors, what the policy refused, and requests to anywhere else."""
        self.page.on("pageerror", lambda fault: self.troubles.append(f"error: {fault}"))
        self.page.on("console", lambda line: self._said(line.type, line.text))
        self.page.on("request", lambda request: self._asked(request.url))

    def _said(self, kind: str, text: str) -> None:
        # A refusal (422, 403) that a page shows is logged by the browser all the same.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.troubles.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.site.address + "/", "blob:", "data:")):
            self.troubles.append(f"left the origin: {url}")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens windows; what was not right in any of them fails the test."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def begin(site: Site, width: int = 1440, scheme: Any = "light", *, scripts: bool = True) -> Visit:
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
            )
        )
        visits.append(Visit(site, contexts[-1].new_page()))
        visits[-1].watch()
        return visits[-1]

    yield begin
    for context in contexts:
        context.close()
    assert [trouble for opened in visits for trouble in opened.troubles] == []
