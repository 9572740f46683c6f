"""Locust sends the workload, without its page unless asked for (`--headful`).

    locust -f load_tests/locustfile.py --host http://127.0.0.1:8000 --users 20 --run-time 1m
    locust -f load_tests/locustfile.py --max-p99-milliseconds 100 --html report.html --csv figures

Prints a summary; exits with 1 when a budget is crossed.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar

import gevent
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner, WorkerRunner

from load_tests import answers, budgets, options, samples, workload
from load_tests.workload import Budgets, Visit, WorkloadRequest

log = logging.getLogger("load_tests")


class Caller(FastHttpUser):
    """Somebody who makes one visit after the other, at times as chance has them (a Poisson process).

    Who is late, because answers are, does not wait: over a run the pace holds.
    """

    abstract = True
    kind: ClassVar[str]
    visits: ClassVar[Iterator[Visit]]
    visits_made = 0
    ended: ClassVar[Iterator[int]] = itertools.count(1)

    def on_start(self) -> None:
        """Wait for the time of the first visit."""
        self.due = time.perf_counter()
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds until the next visit is due."""
        pace: float = self.environment.parsed_options.visits_per_second
        if not pace:
            return 0.0
        self.due += random.expovariate(pace)
        return max(0.0, self.due - time.perf_counter())

    @task
    def visit(self) -> None:
        """Make the next visit of this kind; what comes after a wrong answer is left out."""
        ids: Sequence[str] = ()
        for request in next(self.visits):
            answer = self.answered(workload.filled(request, ids, datetime.now(UTC)))
            if answer is None:
                break
            ids = answers.ids(answer) if request.checked == "prices" else ids
        self.visits_made += 1
        if self.visits_made == self.environment.parsed_options.visits_per_user:
            raise StopUser

    def on_stop(self) -> None:
        """Quit when the last user has ended; Locust would wait for the end of the time."""
        chosen = self.environment.parsed_options
        if chosen.visits_per_user and next(self.ended) == chosen.num_users:
            gevent.spawn(self.environment.runner.quit)

    def answered(self, request: WorkloadRequest) -> str | None:
        """Send a request; return the text of a right answer, else None."""
        with self.client.request(
            request.method,
            request.path,
            data=request.body,
            headers=dict(request.headers),
            name=request.name,
            catch_response=True,
            allow_redirects=False,
            context={"houses": request.houses},
        ) as answer:
            if not answer.status_code:
                return None  # no answer, which Locust counts by itself
            text = answer.text or ""
            fault = answers.fault(request, answer.status_code, text)
            if fault is not None:
                answer.failure(fault)
                return None
            answer.success()
            return text


class Single(Caller):
    """Asks for the price of one house."""

    kind = "single"


class Batch(Caller):
    """Asks for two to twenty houses at once."""

    kind = "batch"


class Csv(Caller):
    """Sends a table of two to a hundred houses, and wants one back."""

    kind = "csv"


class Invalid(Caller):
    """Asks for what has to be refused."""

    kind = "invalid"


class OutcomeReporter(Caller):
    """Reports what houses priced just before sold for; also corrections, withdrawals, unknown ids."""

    kind = "outcomes"


KINDS = (Single, Batch, Csv, Invalid, OutcomeReporter)


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's command line."""
    options.add(parser, workload.read())


@events.init.add_listener
def begin(environment: Environment, **_: object) -> None:
    """Give every kind its share and its visits; begin the file of samples."""
    plan = workload.read()
    kinds = {kind.name: kind for kind in plan.kinds}
    for user in KINDS:
        user.weight = kinds[user.kind].weight
        user.visits = itertools.cycle(kinds[user.kind].visits)
        user.connection_timeout = user.network_timeout = float(plan.timeout_seconds)
    chosen = environment.parsed_options
    if chosen is not None and chosen.samples is not None:
        if not isinstance(environment.runner, LocalRunner):
            raise SystemExit(f"--samples {chosen.samples}: only in one process, not as master or worker")
        samples.record(chosen.samples, environment.events)
    # gevent's clock stands where it was before the imports: the run would be shorter by the time these took.
    gevent.get_hub().loop.update_now()


@events.quitting.add_listener
def judge(environment: Environment, **_: object) -> None:
    """Compare the run with its budgets."""
    runner, chosen = environment.runner, environment.parsed_options
    if runner is None or chosen is None or isinstance(runner, WorkerRunner):
        return
    total = environment.stats.total
    p99 = total.get_response_time_percentile(0.99)
    result = budgets.RunTotals(total.num_requests, total.num_failures, p99)
    allowed = Budgets(chosen.max_error_ratio, chosen.max_p99_milliseconds)
    crossed = list(budgets.crossed(result, allowed))
    for budget in crossed:
        log.error("budget crossed: %s", budget)
    environment.process_exit_code = 1 if crossed or runner.exceptions else 0
