"""gunicorn's configuration, made of Umbra's settings. Read by gunicorn, started by api.serve."""  # noqa: N999 (gunicorn's name for it)

import os

from gunicorn.arbiter import Arbiter

from api import server
from shadow.log_setup import write_lines
from shadow.settings import Settings, authority

_settings = Settings.from_environment()
write_lines("umbra.api", _settings)

bind = authority(_settings.api_host, _settings.api_port)
workers = _settings.api_workers
worker_class = "api.server.Worker"
logger_class = "api.server.Logger"
wsgi_app = "api.server:application()"
proc_name = "umbra-api"

preload_app = False  # each worker loads its own model: LightGBM does not survive a fork
timeout = 30
graceful_timeout = 20
control_socket_disable = True
if os.access("/dev/shm", os.W_OK):  # noqa: S108 (the workers' heartbeat: on a disk it could block)
    worker_tmp_dir = "/dev/shm"  # noqa: S108


def on_starting(arbiter: Arbiter) -> None:
    """gunicorn's hook."""
    server.when_starting(arbiter)


def when_ready(_arbiter: Arbiter) -> None:
    """gunicorn's hook."""
    server.when_ready(_settings)


def pre_fork(arbiter: Arbiter, worker: server.Worker) -> None:
    """gunicorn's hook."""
    server.pre_fork(arbiter, worker)


def post_fork(_arbiter: Arbiter, worker: server.Worker) -> None:
    """gunicorn's hook."""
    server.post_fork(worker)


def on_exit(_arbiter: Arbiter) -> None:
    """gunicorn's hook."""
    server.on_exit()


def child_exit(_arbiter: Arbiter, worker: server.Worker) -> None:
    """gunicorn's hook."""
    server.child_exit(worker)


def worker_exit(_arbiter: Arbiter, worker: server.Worker) -> None:
    """gunicorn's hook."""
    server.worker_exit(worker)
