"""Model watch: each API process notices a new deployment by itself and answers with its model from then on.

A thread reads the store twice a second, loads and warms the new model off to the side and swaps it in between
two requests. What cannot be loaded changes nothing: the model that was served goes on answering. While the
store is away nothing changes either.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from api import live
from api.live import Live
from monitoring import logs
from monitoring.metrics import ServingMetrics
from shadow import rollout
from shadow.backoff import Backoff
from shadow.records import Deployment
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable

CHECK_SECONDS = 0.5
_AWAY_SECONDS = 2.0
_RETRY_SECONDS = 30.0
_STOP_SECONDS = 1.0
_log = logging.getLogger("umbra.switching")


class ModelWatch:
    """Follows the store's newest deployment for one process."""

    def __init__(
        self,
        serving: Live,
        store: Store,
        models: Path,
        data_dir: Path,
        metrics: ServingMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = serving
        self._store = store
        self._models = models
        self._data_dir = data_dir
        self._metrics = metrics
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="umbra-switching", daemon=True)
        self._away = Backoff(CHECK_SECONDS, _AWAY_SECONDS)
        self._retry = Backoff(CHECK_SECONDS, _RETRY_SECONDS)
        self._failed = 0
        self._not_before = 0.0

    def start(self) -> None:
        """Start the thread; call it in the process that answers, after any fork."""
        publish_live_model(self._metrics, self._live)
        self._thread.start()
        # A thread that is cut off inside a library while the interpreter ends can bring it down.
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the thread; wait a moment for a model that is being loaded."""
        atexit.unregister(self.stop)
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def check(self) -> float:
        """Switch to the newest deployment if it is another; returns the seconds until the next check."""
        try:
            newest = self._store.deployment()
        except StoreUnavailable:  # ingest logs it; answers do not need the store
            return self._away.next()
        self._away.reset()
        if newest is not None and newest != self._live.serving().deployment:
            self._switch_to(newest)
        return CHECK_SECONDS

    def _follow(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                pause = self.check()
            except Exception as fault:  # noqa: BLE001 - a deployment of a later Umbra, say: read again later
                live.log_failed_switch(self._live.serving().ref, None, fault)
                pause = self._retry.next()

    def _switch_to(self, wanted: Deployment) -> None:
        if wanted.id == self._failed and self._clock() < self._not_before:
            return
        begun, before = self._clock(), self._live.serving()
        try:
            serving = live.load_deployment(self._models, wanted)
        except Exception as fault:  # noqa: BLE001 - whatever a recipe raises costs the switch, not the answers
            self._record_failure(wanted, fault)
            return
        self._live.swap(serving)
        publish_live_model(self._metrics, self._live, before)
        seconds = self._clock() - begun
        logs.event(
            _log,
            "switched",
            live_model=serving.label,
            previous_model=before.label,
            deployment=wanted.id,
            duration_seconds=seconds,
        )
        rollout.save_last_served(self._data_dir, wanted)

    def _record_failure(self, wanted: Deployment, fault: Exception) -> None:
        if wanted.id != self._failed:
            self._retry.reset()
            self._failed = wanted.id
            live.log_failed_switch(self._live.serving().ref, wanted.live, fault)
        self._live.note_failed_switch(wanted.live)
        self._metrics.switch_failures.inc()
        self._not_before = self._clock() + self._retry.next()


def follow(settings: Settings, serving: Live, store: Store, metrics: ServingMetrics) -> ModelWatch:
    """Begin to follow the store's deployments in this process."""
    model_watch = ModelWatch(serving, store, settings.models, settings.data_dir, metrics)
    model_watch.start()
    return model_watch


def publish_live_model(metrics: ServingMetrics, serving: Live, before: live.Serving | None = None) -> None:
    """Set the metrics that name the model of this process; `before` is no longer it."""
    now = serving.serving().label
    if before is not None:
        metrics.live_model[(before.label,)].set(0)
    metrics.live_model[(now,)].set(1)
    metrics.predictions["live", now]
