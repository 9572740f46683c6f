"""`umbra up`, `demo`, `serve`, `work` and `prepare`: start what answers and what scores."""

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
from shadow import processes, rollout, start
from shadow import status as whole
from shadow.policy_summary import Pace
from shadow.processes import Child
from shadow.processes.data_directory import make_private
from shadow.processes.handover import Handover
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Deployment, Purpose
from shadow.settings import Settings
from shadow.source import purpose
from shadow.store import StoreUnavailable, WrongStore, open_store
from umbra import bootstrap as preparing
from umbra import launch as running
from umbra.commands import models
from umbra.commands import status as state
from umbra.operator import operator_name

_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_SHOW_SECONDS = 2.0
# What takes days in earnest has to come within seconds.
_DEMO_PACE = {"UMBRA_EVIDENCE_SECONDS": "1", "UMBRA_CANDIDATE_LATENCY_SHARE": "0.1"}

_data = click.option(
    "--data",
    default="synthetic",
    show_default=True,
    metavar="FILE.csv|openml|synthetic",
    help="Sales to train the first two models on, when there are none.",
)


@click.command(short_help="Make what is missing: tables, models, first deployment.")
@_data
def prepare(data: str) -> None:
    """Make what is missing: tables, the two first models, the first deployment. Safe to run again.

    Example: UMBRA_STORE_URL=postgresql://umbra@db/umbra umbra prepare
    """
    settings = Settings.from_environment()
    deployment = _prepare(settings, models.trainer(settings.models, data, models.DEFAULT_SEED), Purpose.REAL)
    terminal.say(f"ready: {deployment.live} is live since {deployment.since:%Y-%m-%d %H:%M} UTC")


@click.command(short_help="Start the API alone.")
def serve() -> None:
    """Start the API alone (gunicorn); `umbra prepare` has to have run once.

    Example: UMBRA_API_WORKERS=4 umbra serve
    """
    _claim_directory(Settings.from_environment())
    running.become("api.server", os.environ)


@click.command(short_help="Start the worker alone.")
def work() -> None:
    """Start the worker alone: ingest, and a scoring process per candidate.

    Example: UMBRA_LOG_DIR=/var/log/umbra umbra work
    """
    _claim_directory(Settings.from_environment())
    running.become("shadow.worker", processes.without(os.environ, "UMBRA_ADMIN_TOKEN"))


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


@click.command(short_help="The same with traffic and a status that follows.")
@_data
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=20.0,
    show_default=True,
    help="Requests a second on average.",
)
def demo(data: str, rate: float) -> None:
    """`umbra up` with realistic traffic, houses that are sold, and a status that follows it, until stopped.

    Candidates are judged by the demo policy, to which a second is a day: a verdict takes about three minutes.
    Its data is in umbra-demo, unless UMBRA_DATA_DIR names another directory: a demo and real requests never
    share one.

    Example: umbra demo --rate 50
    """
    data_dir = os.environ.get("UMBRA_DATA_DIR") or purpose.DEMO_DIRECTORY
    _run(_DEMO_PACE | os.environ | {"UMBRA_DATA_DIR": data_dir}, data, traffic_rate=rate)


def _claim_directory(settings: Settings) -> None:
    """Keep others out of the directory, then mark it; one that others may write to is left as it is."""
    make_private(settings)
    purpose.mark_directory(settings, Purpose.REAL)


def _prepare(settings: Settings, train: preparing.Train, wanted: Purpose) -> Deployment:
    recipes.register(settings.recipe_modules)
    make_private(settings)
    store = open_store(settings.store)
    try:
        return preparing.prepare(settings, store, train, operator_name(), datetime.now(UTC), wanted)
    finally:
        store.close()


def _prepared_or_remembered(
    settings: Settings, environment: Mapping[str, str], data: str, wanted: Purpose
) -> Deployment:
    """Prepare; while the store cannot be asked, the deployment that was served here last is enough."""

    def train(recipe: str) -> Path:
        running.train(settings, recipe, data, environment)
        versions = [version for name, version in artifact.listing(settings.models) if name == recipe]
        return artifact.directory_of(settings.models, ModelRef(recipe, versions[-1]))

    try:
        return _prepare(settings, train, wanted)
    except running.NotTrained as fault:
        raise click.exceptions.Exit(fault.status) from fault
    except (WrongStore, processes.CannotRun):
        raise
    except Exception as fault:  # noqa: BLE001 - whatever else the store says, the API can do without it
        try:
            deployment = rollout.remembered(settings.data_dir)
        except rollout.NoDeployment:
            raise fault from None
        reason = str(fault).partition("\n")[0]
        terminal.say(
            f"The store cannot be asked ({reason}): {deployment.live} answers, as it did here last, "
            "and what it answers waits in the journal",
            err=True,
        )
        return deployment


def _run(environment: Mapping[str, str], data: str, traffic_rate: float | None) -> None:
    settings, is_demo = Settings.from_environment(environment), traffic_rate is not None
    running.check_alone(settings)
    make_private(settings)
    start.adopt_orphans()
    deployment = _prepared_or_remembered(
        settings, environment, data, Purpose.DEMO if is_demo else Purpose.REAL
    )
    stop = processes.stop_on_signals()  # only now: until here Ctrl-C ends the command at once
    handover = Handover(settings)
    children, orphans = running.plan(settings, environment, traffic_rate, handover), running.Orphans(handover)
    heartbeat = Heartbeat(settings.run_dir, "up", datetime.now(UTC))
    try:
        _start(settings, children, stop, handover)
        if not stop.is_set():
            _greet(settings, deployment, is_demo=is_demo)
            _stay(settings, children, orphans, heartbeat, stop, follow=is_demo)
    finally:
        heartbeat.close()
        terminal.say("", "stopping: the API first, then the worker once the journal is empty ...", err=True)
        running.stop(settings, children, handover, orphans)
    terminal.show(state.render(whole.gather(settings, datetime.now(UTC))))


def _start(settings: Settings, children: list[Child], stop: threading.Event, handover: Handover) -> None:
    """Start the API and the worker, then traffic; raises NotStarted, or CannotRun if a port is taken."""
    first = [child for child in children if child.name != "traffic"]

    def ready() -> bool:
        running.supervise(first, starting=True)
        return running.is_ready(settings, first)

    try:
        is_ready = processes.wait_until(ready, _READY_SECONDS, stop)
    except running.NotStarted:
        running.stop(settings, first, handover, running.Orphans(handover))
        running.check_ports(settings)
        raise
    if not is_ready and not stop.is_set():
        raise running.NotStarted(
            f"the API was not ready after {_READY_SECONDS:g} s; its log is in {running.log_dir(settings)}"
        )
    running.supervise(children, starting=True)


def _greet(settings: Settings, deployment: Deployment, *, is_demo: bool) -> None:
    here, again = _for_another_terminal(settings), "umbra demo" if is_demo else "umbra up"
    terminal.say(
        "",
        f"Umbra answers on {running.address(settings)} with {deployment.live}. Try:",
        "",
        f"  {running.example_command(settings)}",
        "",
        f"Pages          {running.address(settings)}/",
        f"Documentation  {running.address(settings)}/docs",
        *_judging(settings, is_demo=is_demo),
        f"Verdict        {here}umbra verdict gbm@1",
        f"Ledger         {here}umbra status",
        f"Stop           Ctrl-C: nothing is lost, `{again}` goes on where this stops",
        "",
    )


def _judging(settings: Settings, *, is_demo: bool) -> Iterator[str]:
    """By which policies candidates are judged, and in what time."""
    if is_demo:
        yield "Demo           houses and sales are invented, and a day takes a second"
    store = open_store(settings.store)
    try:
        for candidate in store.candidates():
            yield f"Judged         {candidate.model} by the policy {Pace.of(candidate.policy).words}"
    except StoreUnavailable as fault:  # answers do not need it
        yield f"Judged         not known: {fault}"
    finally:
        store.close()


def _for_another_terminal(settings: Settings) -> str:
    """What has to stand before a command for it to find this directory."""
    usual = Path(purpose.DEFAULT_DIRECTORY).absolute()
    return "" if settings.data_dir == usual else f"UMBRA_DATA_DIR={shlex.quote(str(settings.data_dir))} "


def _stay(
    settings: Settings,
    children: list[Child],
    orphans: running.Orphans,
    heartbeat: Heartbeat,
    stop: threading.Event,
    *,
    follow: bool,
) -> None:
    """Keep everything running until told to stop; with `follow`, on a terminal, show the status meanwhile."""
    console = terminal.Screen()
    if not (follow and console.is_terminal):
        _supervise_until_stopped(settings, children, orphans, heartbeat, stop, lambda: None)
        return
    with Live(console=console, auto_refresh=False) as screen:
        shown = [0.0]

        def show() -> None:
            if time.monotonic() - shown[0] >= _SHOW_SECONDS:
                screen.update(state.render(whole.gather(settings, datetime.now(UTC))), refresh=True)
                shown[0] = time.monotonic()

        _supervise_until_stopped(settings, children, orphans, heartbeat, stop, show)


def _supervise_until_stopped(
    settings: Settings,
    children: list[Child],
    orphans: running.Orphans,
    heartbeat: Heartbeat,
    stop: threading.Event,
    show: Callable[[], None],
) -> None:
    status_facts = dict[str, Any]()
    while not stop.is_set():
        for child, status in running.supervise(children, starting=False):
            running.check_displaced(settings, child, status)
            terminal.say(f"the {child.name} ended with status {status}; starting it again", err=True)
        orphans.reap(children, time.monotonic())
        if status_facts != (status_facts := {child.name: child.status_facts() for child in children}):
            heartbeat.report(children=status_facts)
        show()
        stop.wait(_LOOK_SECONDS)
