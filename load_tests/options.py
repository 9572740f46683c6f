"""Options of Locust: our defaults for its own, and some of ours; each has a variable too."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from locust.argument_parser import LocustArgumentParser

from load_tests.workload import Budgets, Workload

HOST = "http://127.0.0.1:8000"


def add(parser: LocustArgumentParser, plan: Workload) -> None:
    """Add our options, and set Locust's defaults from the workload."""
    parser.set_defaults(
        headless=True,
        only_summary=True,
        web_host="127.0.0.1",
        host=HOST,
        num_users=plan.users,
        spawn_rate=plan.users,
        run_time=str(plan.seconds),
        stop_timeout=str(plan.timeout_seconds),
    )
    ours = parser.add_argument_group("Options of Umbra's load test")
    _add_budgets(ours, plan.budgets)
    ours.add_argument(
        "--visits-per-second",
        type=_not_negative,
        default=plan.visits_per_second,
        metavar="RATE",
        env_var="LOAD_VISITS_PER_SECOND",
        help="pace of each user; 0: the next visit at once; default: %(default)s",
    )
    ours.add_argument(
        "--visits-per-user",
        type=int,
        default=0,
        metavar="COUNT",
        env_var="LOAD_VISITS_PER_USER",
        help="end when every user has made that many; default: when the time is over",
    )
    ours.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        env_var="LOAD_SAMPLES",
        help="write every request and its latency into this CSV file; only in one process",
    )


def _add_budgets(ours: argparse._ArgumentGroup, budgets: Budgets) -> None:
    ours.add_argument(
        "--max-error-ratio",
        type=_share,
        default=budgets.error_ratio,
        metavar="SHARE",
        env_var="LOAD_MAX_ERROR_RATIO",
        help="budget: wrong and missing answers as a share of all; default: %(default)s",
    )
    ours.add_argument(
        "--max-p99-milliseconds",
        type=_above_nought,
        default=budgets.p99_milliseconds,
        metavar="MS",
        env_var="LOAD_MAX_P99_MILLISECONDS",
        help="budget: 99th percentile of all latencies; default: %(default)s",
    )


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number")
    return value


def _not_negative(text: str) -> float:
    if (value := _number(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return value


def _above_nought(text: str) -> float:
    if (value := _number(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text}: expected more than 0")
    return value


def _share(text: str) -> float:
    if not 0 <= (value := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a share from 0 to 1")
    return value
