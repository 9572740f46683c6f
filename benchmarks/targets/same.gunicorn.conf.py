"""Umbra's gunicorn settings for another application: same worker, same timeouts, same places."""  # noqa: N999

import os
import runpy
from pathlib import Path

_umbra = runpy.run_path(str(Path(__file__).parents[2] / "api" / "server" / "gunicorn.conf.py"))
globals().update({name: value for name, value in _umbra.items() if isinstance(value, str | int | float)})
on_starting, pre_fork = _umbra["on_starting"], _umbra["pre_fork"]
wsgi_app = os.environ["BENCHMARK_APPLICATION"]
worker_class = "benchmarks.targets.worker.Worker"
