"""One load: Locust in a process of its own, beside the Umbra it asks, and all that was measured meanwhile."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from load_tests import samples
from load_tests.ledger import Ledger, settle
from load_tests.samples import RequestSample
from load_tests.umbra import HALVES, UmbraUnderLoad
from load_tests.workload import Budgets

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
ROOT = LOCUSTFILE.parents[1]
_LOOK_SECONDS = 0.2


class Crossed(RuntimeError):
    """Locust ended with another exit status than 0; the message has what it printed."""


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """How many users, how fast (visits a second of each; 0: without a pause), how long, within what.

    With `visits_per_user` it ends earlier, as soon as every user has made that many.
    """

    name: str
    users: int
    visits_per_second: float
    seconds: int
    budgets: Budgets
    visits_per_user: int = 0


@dataclass(frozen=True, slots=True)
class MeasuredLoad:
    """What a load came to, after which the ledger balanced.

    Processor seconds of Locust include its start; memory is that of the end.
    """

    load: LoadProfile
    api_workers: int
    samples: tuple[RequestSample, ...]
    processor_seconds: Mapping[str, float]
    memory_bytes: Mapping[str, int]
    settle_seconds: float
    ledger: Ledger

    @property
    def houses(self) -> int:
        """Count the houses answered with a price."""
        return samples.houses(self.samples)

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        first = min(sample.sent_at for sample in self.samples)
        return max(sample.sent_at + sample.milliseconds / 1000 for sample in self.samples) - first


def measure(
    umbra: UmbraUnderLoad,
    api_workers: int,
    load: LoadProfile,
    file: Path,
    before: int,
    tick: Callable[[float], None],
) -> MeasuredLoad:
    """Put the load on; the ledger has to balance after it, `before` being the houses of earlier loads.

    `tick` is told the seconds that have gone by. Raises Crossed or Unbalanced.
    """
    used, busy = umbra.usage(), _processor_seconds()
    send(umbra.url, load, file, tick)
    busy, now, sent = _processor_seconds() - busy, umbra.usage(), samples.read(file)
    seconds = {half: now[half].cpu_seconds - used[half].cpu_seconds for half in HALVES} | {"locust": busy}
    settling, answered = time.monotonic(), before + samples.houses(sent)
    ledger = settle(umbra.ledger, answered, exactly=not any(sample.fault for sample in sent))
    memory = {half: usage.memory_bytes for half, usage in now.items()}
    return MeasuredLoad(load, api_workers, tuple(sent), seconds, memory, time.monotonic() - settling, ledger)


def send(url: str, load: LoadProfile, file: Path, tick: Callable[[float], None]) -> None:
    """Run Locust to its end; its samples go to a file; raise Crossed."""
    begun = time.monotonic()
    process = subprocess.Popen(
        _command(url, load, file),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while (printed := _output(process)) is None:
            tick(time.monotonic() - begun)
    finally:
        process.kill()
    if process.returncode != 0:
        raise Crossed(f"{load.name} load: locust ended with {process.returncode}:\n{printed}")


def _output(process: subprocess.Popen[str]) -> str | None:
    """All that a process has printed, once it has ended; waits for that a moment."""
    try:
        return process.communicate(timeout=_LOOK_SECONDS)[0]
    except subprocess.TimeoutExpired:
        return None


def _command(url: str, load: LoadProfile, file: Path) -> list[str]:
    options = {
        "locustfile": LOCUSTFILE,
        "host": url,
        "users": load.users,
        "spawn-rate": load.users,
        "run-time": load.seconds,
        "visits-per-second": load.visits_per_second,
        "samples": file,
        "visits-per-user": load.visits_per_user,
        "max-error-ratio": load.budgets.error_ratio,
        "max-p99-milliseconds": load.budgets.p99_milliseconds,
    }
    return [sys.executable, "-m", "locust", *(f"--{name}={value}" for name, value in options.items())]


def _processor_seconds() -> float:
    """Return the processor seconds of ended child processes, which is Locust alone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
