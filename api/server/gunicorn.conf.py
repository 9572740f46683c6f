"""gunicorn's configuration, made of Umbra's settings. Read by gunicorn, started by api.server."""  # noqa: N999 (gunicorn's name for it)

from gunicorn.arbiter import Arbiter

from api.server import hooks
from api.server.worker import ApiWorker
from shadow.processes import addresses, handover
from shadow.processes.log_setup import configure_logs
from shadow.settings import Settings

_settings = Settings.from_environment()
configure_logs("umbra.api", _settings)

_received = handover.inherited()
bind = (
    addresses.authority(addresses.numeric(_settings.api_host), _settings.api_port)
    if _received is None
    else f"fd://{_received.listener_descriptor}"
)
workers = _settings.api_workers
worker_class = "api.server.worker.ApiWorker"
logger_class = "api.server.logger.Logger"
wsgi_app = "api.server.worker:application()"
proc_name = "umbra-api"

preload_app = False  # each worker loads its own model: LightGBM does not survive a fork
timeout = 30
graceful_timeout = 20
control_socket_disable = True
worker_tmp_dir = hooks.heartbeat_directory(_settings.run_dir)
# Nobody in front of us is believed about scheme, path or script name: the settings say all there is to know.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
header_map = "refuse"


def on_starting(arbiter: Arbiter) -> None:
    """Call the hook of api.server.hooks."""
    hooks.when_starting(arbiter, _settings)


def when_ready(arbiter: Arbiter) -> None:
    """Call the hook of api.server.hooks."""
    hooks.when_ready(arbiter, _settings)


def pre_fork(arbiter: Arbiter, worker: ApiWorker) -> None:
    """Call the hook of api.server.hooks."""
    hooks.pre_fork(arbiter, worker)


def post_fork(arbiter: Arbiter, worker: ApiWorker) -> None:
    """Call the hook of api.server.hooks."""
    hooks.post_fork(arbiter, worker)


def on_exit(_arbiter: Arbiter) -> None:
    """Call the hook of api.server.hooks."""
    hooks.on_exit()


def child_exit(_arbiter: Arbiter, worker: ApiWorker) -> None:
    """Call the hook of api.server.hooks."""
    hooks.child_exit(worker)


def worker_exit(_arbiter: Arbiter, worker: ApiWorker) -> None:
    """Call the hook of api.server.hooks."""
    hooks.worker_exit(worker)
