"""`umbra up`, `demo`, `serve`, `work` and `prepare`: start the API and the worker."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from model_package import artifact, recipes
from model_package.reference import ModelRef
from monitoring import terminal
from shadow import processes, rollout, start, status
from shadow.policy_summary import PolicySummary
from shadow.processes import Child
from shadow.processes.data_directory import make_private
from shadow.processes.handover import Handover
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Deployment, Purpose
from shadow.settings import Settings
from shadow.source import purpose as purposes
from shadow.store import StoreUnavailable, WrongStore, open_store
from umbra import bootstrap, launch
from umbra.commands import models
from umbra.commands.status import render
from umbra.operator import operator_name
from umbra.orphans import Orphans

_READY_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_REFRESH_SECONDS = 2.0
# What takes days in real use has to happen within seconds.
_DEMO_PACE = {"UMBRA_EVIDENCE_SECONDS": "1", "UMBRA_CANDIDATE_LATENCY_SHARE": "0.1"}

_data = click.option(
    "--data",
    default="synthetic",
    show_default=True,
    metavar="FILE.csv|openml|synthetic",
    help="Sales to train the first two models on, when there are none.",
)


@click.command(short_help="Create what is missing: tables, models, first deployment.")
@_data
def prepare(data: str) -> None:
    """Create what is missing: tables, the first two models, the first deployment. Safe to run again.

    Example: UMBRA_STORE_URL=postgresql://umbra@db/umbra umbra prepare
    """
    settings = Settings.from_environment()
    deployment = _prepare(settings, models.trainer(settings.models, data, models.DEFAULT_SEED), Purpose.REAL)
    terminal.say(f"ready: {deployment.live} is live since {deployment.since:%Y-%m-%d %H:%M} UTC")


@click.command(short_help="Start the API alone.")
def serve() -> None:
    """Start the API alone (gunicorn), after `umbra prepare` has run once.

    Example: UMBRA_API_WORKERS=4 umbra serve
    """
    _claim_directory(Settings.from_environment())
    launch.replace_process("api.server", os.environ)


@click.command(short_help="Start the worker alone.")
def work() -> None:
    """Start the worker alone: ingest, and a scoring process per candidate.

    Example: UMBRA_LOG_DIR=/var/log/umbra umbra work
    """
    _claim_directory(Settings.from_environment())
    launch.replace_process("shadow.worker", processes.without(os.environ, "UMBRA_ADMIN_TOKEN"))


@click.command(short_help="Answer requests and score the candidate on all of them.")
@_data
def up(data: str) -> None:
    """Answer requests with the live model and score the candidate on every one of them.

    \b
    Trains two models first if there are none. Ctrl-C stops everything and loses nothing.
    umbra up
    umbra up --data ames.csv
    """
    _run(os.environ, data, traffic_rate=None)


@click.command(short_help="The same with traffic and a live status.")
@_data
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=20.0,
    show_default=True,
    help="Requests a second on average.",
)
def demo(data: str, rate: float) -> None:
    """Run `umbra up` with realistic traffic, sales of houses, and a live status, until stopped.

    The demo policy judges the candidates; in it a day takes a second, so that a verdict comes within about
    three minutes. The data is in umbra-demo, unless UMBRA_DATA_DIR names another directory: a demo and real
    requests never share one.

    Example: umbra demo --rate 50
    """
    data_dir = os.environ.get("UMBRA_DATA_DIR") or purposes.DEMO_DIRECTORY
    _run(_DEMO_PACE | os.environ | {"UMBRA_DATA_DIR": data_dir}, data, traffic_rate=rate)


def _claim_directory(settings: Settings) -> None:
    """Make the directory private, then mark its purpose; raises if other users may write to it."""
    make_private(settings)
    purposes.mark_directory(settings, Purpose.REAL)


def _prepare(settings: Settings, train: bootstrap.Train, purpose: Purpose) -> Deployment:
    recipes.register(settings.recipe_modules)
    make_private(settings)
    store = open_store(settings.store)
    try:
        return bootstrap.prepare(settings, store, train, operator_name(), datetime.now(UTC), purpose)
    finally:
        store.close()


def _prepare_or_recall(
    settings: Settings, environment: Mapping[str, str], data: str, purpose: Purpose
) -> Deployment:
    """Prepare; while the store is away, fall back to the deployment that this directory served last."""

    def train(recipe: str) -> Path:
        launch.train(settings, recipe, data, environment)
        versions = [version for name, version in artifact.listing(settings.models) if name == recipe]
        return artifact.directory_of(settings.models, ModelRef(recipe, versions[-1]))

    try:
        return _prepare(settings, train, purpose)
    except launch.NotTrained as fault:
        raise click.exceptions.Exit(fault.status) from fault
    except (WrongStore, processes.CannotRun):
        raise
    except Exception as fault:  # noqa: BLE001 - the API can work without the store
        try:
            deployment = rollout.read_last_served(settings.data_dir)
        except rollout.NoDeployment:
            raise fault from None
        reason = str(fault).partition("\n")[0]
        terminal.say(
            f"The store does not answer ({reason}): {deployment.live} answers, as it did here last, "
            "and its captures wait in the journal",
            err=True,
        )
        return deployment


def _run(environment: Mapping[str, str], data: str, traffic_rate: float | None) -> None:
    settings, is_demo = Settings.from_environment(environment), traffic_rate is not None
    launch.check_alone(settings)
    make_private(settings)
    start.adopt_orphans()
    deployment = _prepare_or_recall(settings, environment, data, Purpose.DEMO if is_demo else Purpose.REAL)
    stop = processes.stop_on_signals()  # before this line Ctrl-C ends the command at once
    handover = Handover(settings)
    children, orphans = launch.plan(settings, environment, traffic_rate, handover), Orphans(handover)
    heartbeat = Heartbeat(settings.run_dir, "up", datetime.now(UTC))
    try:
        _start(settings, children, stop, handover)
        if not stop.is_set():
            _print_greeting(settings, deployment, is_demo=is_demo)
            _supervise(settings, children, orphans, heartbeat, stop, follow=is_demo)
    finally:
        heartbeat.close()
        terminal.say("", "stopping: the API first, then the worker once the journal is empty ...", err=True)
        launch.stop(settings, children, handover, orphans)
    terminal.show(render(status.gather(settings, datetime.now(UTC))))


def _start(settings: Settings, children: list[Child], stop: threading.Event, handover: Handover) -> None:
    """Start the API and the worker, then traffic; raises NotStarted, or CannotRun if a port is taken."""
    first = [child for child in children if child.name != "traffic"]

    def ready() -> bool:
        launch.supervise(first, starting=True)
        return launch.is_ready(settings, first)

    try:
        is_ready = processes.wait_until(ready, _READY_SECONDS, stop)
    except launch.NotStarted:
        launch.stop(settings, first, handover, Orphans(handover))
        launch.check_ports(settings)
        raise
    if not is_ready and not stop.is_set():
        raise launch.NotStarted(
            f"the API was not ready after {_READY_SECONDS:g} s; its log is in {launch.log_dir(settings)}"
        )
    launch.supervise(children, starting=True)


def _print_greeting(settings: Settings, deployment: Deployment, *, is_demo: bool) -> None:
    variable, command = _directory_variable(settings), "umbra demo" if is_demo else "umbra up"
    terminal.say(
        "",
        f"Umbra answers on {launch.api_url(settings)} with {deployment.live}. Try:",
        "",
        f"  {launch.example_command(settings)}",
        "",
        f"Pages          {launch.api_url(settings)}/",
        f"Documentation  {launch.api_url(settings)}/docs",
        *_policy_lines(settings, is_demo=is_demo),
        f"Verdict        {variable}umbra verdict gbm@1",
        f"Ledger         {variable}umbra status",
        f"Stop           Ctrl-C: nothing is lost, `{command}` goes on where this stops",
        "",
    )


def _policy_lines(settings: Settings, *, is_demo: bool) -> Iterator[str]:
    """Say which policy judges each candidate, and how long its day is."""
    if is_demo:
        yield "Demo           houses and sales are invented, and a day takes a second"
    store = open_store(settings.store)
    try:
        for candidate in store.candidates():
            yield f"Judged         {candidate.model} by the policy {PolicySummary.of(candidate.policy).label}"
    except StoreUnavailable as fault:  # the API does not need it
        yield f"Judged         not known: {fault}"
    finally:
        store.close()


def _directory_variable(settings: Settings) -> str:
    """Write the variable that a command needs in front of it to find this directory."""
    default = Path(purposes.DEFAULT_DIRECTORY).absolute()
    return "" if settings.data_dir == default else f"UMBRA_DATA_DIR={shlex.quote(str(settings.data_dir))} "


def _supervise(
    settings: Settings,
    children: list[Child],
    orphans: Orphans,
    heartbeat: Heartbeat,
    stop: threading.Event,
    *,
    follow: bool,
) -> None:
    """Keep everything running until `stop` is set; with `follow`, show a live status on a terminal."""
    console = terminal.Screen()
    if not (follow and console.is_terminal):
        _supervise_until_stopped(settings, children, orphans, heartbeat, stop, lambda: None)
        return
    with Live(console=console, auto_refresh=False) as screen:
        live_status = _LiveStatus(settings, screen)
        _supervise_until_stopped(settings, children, orphans, heartbeat, stop, live_status.refresh)


class _LiveStatus:
    """The status on a terminal, read again every few seconds."""

    def __init__(self, settings: Settings, screen: Live) -> None:
        self._settings = settings
        self._screen = screen
        self._due_at = 0.0

    def refresh(self) -> None:
        """Read and show the status if it is due."""
        if time.monotonic() >= self._due_at:
            now = datetime.now(UTC)
            self._screen.update(render(status.gather(self._settings, now)), refresh=True)
            self._due_at = time.monotonic() + _REFRESH_SECONDS


def _supervise_until_stopped(
    settings: Settings,
    children: list[Child],
    orphans: Orphans,
    heartbeat: Heartbeat,
    stop: threading.Event,
    refresh: Callable[[], None],
) -> None:
    status_facts = dict[str, Any]()
    while not stop.is_set():
        for child, exit_status in launch.supervise(children, starting=False):
            launch.check_displaced(settings, child, exit_status)
            terminal.say(f"the {child.name} ended with status {exit_status}; starting it again", err=True)
        orphans.reap(children, time.monotonic())
        if status_facts != (status_facts := {child.name: child.status_facts() for child in children}):
            heartbeat.report(children=status_facts)
        refresh()
        stop.wait(_PAUSE_SECONDS)
