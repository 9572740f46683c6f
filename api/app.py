"""The application: `create_app(settings)` builds it from the parts, `build` puts given parts together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from api import content, errors, live, middleware, model_watch, openapi
from api.admission import Admission
from api.answers import HttpAnswer
from api.capture_recorder import CaptureRecorder
from api.clients import Clients
from api.deployments import Deployments
from api.fast_path import ENDPOINT, PATH, FastPath
from api.health import Health
from api.hosts import Hosts
from api.identifiers import Identifiers, RandomBits
from api.limits import RequestLimits
from api.live import Live
from api.models import Models
from api.openapi import view as docs
from api.outcomes import Outcomes
from api.pages.routes import Pages
from api.predictions import Predictions
from api.retries import Retries
from api.store_reads import StoreReads
from api.verdicts import Verdicts
from monitoring import metrics
from monitoring.metrics import ServingMetrics
from shadow import status
from shadow.journal.capture_result import DROP_REASONS
from shadow.journal.recorder import open_recorder
from shadow.processes.handover import INSTANCE_VARIABLE
from shadow.settings import Settings
from shadow.status import Status
from shadow.store import open_store
from shadow.version import umbra_version


class PlainResponse(Response):
    """What Flask answers itself, such as OPTIONS, is no HTML."""

    default_mimetype = "text/plain"


@dataclass(frozen=True, slots=True)
class Components:
    """What the application is made of."""

    live: Live
    recorder: CaptureRecorder
    store_reads: StoreReads
    metrics: ServingMetrics
    models_dir: Path
    limits: RequestLimits
    retries: Retries
    """The keys of requests that were answered."""
    retry_by_request_id: bool = False
    hosts: Hosts = field(default_factory=lambda: Hosts("127.0.0.1"))
    clients: Clients = field(default_factory=Clients)
    path_prefix: str = ""
    """Below which path a proxy shows all this."""
    withholds_texts: bool = False
    deployments: Deployments | None = None
    """Who may decide over HTTP; None: nobody."""
    take_status: Callable[[datetime], Status] | None = None
    """What the overview shows of processes, journal and ledger; None: nothing."""
    instance: str | None = None
    """What `umbra up` knows this API by."""


def create_app(settings: Settings, metrics_directory: Path | None) -> Flask:
    """Load the live model, open the journal and the store, and serve them.

    To be called in the process that answers, after any fork. Raises what api.live.load raises.
    """
    serving = Live(live.load(settings))
    store = open_store(settings.store)
    measured = metrics.serving(metrics_directory)
    measured.build[(umbra_version(),)].set(1)
    application = build(
        Components(
            live=serving,
            recorder=open_recorder(settings),
            store_reads=StoreReads(store, masked=settings.masked_fields),
            metrics=measured,
            models_dir=settings.models,
            limits=RequestLimits(settings.api_max_rows, settings.api_max_body_bytes),
            retries=Retries(settings.metrics_files("retries")),
            retry_by_request_id=settings.api_retry_by_request_id,
            hosts=Hosts(settings.api_host, settings.api_hosts),
            clients=Clients(settings.api_proxies),
            path_prefix=settings.api_path_prefix,
            withholds_texts=settings.withholds_texts,
            deployments=(
                Deployments(settings.admin_token, store, settings.models) if settings.admin_token else None
            ),
            take_status=lambda now: status.gather(settings, now),
            instance=os.environ.get(INSTANCE_VARIABLE),
        )
    )
    model_watch.follow(settings, serving, store, measured)
    return application


def build(parts: Components) -> Flask:
    """Put the parts together."""
    app = Flask("api", static_folder="pages/vendor", static_url_path="/docs/vendor")
    app.response_class = PlainResponse
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    ids = Identifiers(time.time_ns, RandomBits(os.urandom))
    predictions = Predictions(
        parts.live,
        parts.recorder,
        parts.store_reads,
        parts.metrics,
        ids,
        parts.limits,
        parts.retries,
        retry_by_request_id=parts.retry_by_request_id,
    )
    decides = parts.deployments is not None
    site = Pages(
        parts.live,
        parts.store_reads,
        parts.limits,
        parts.take_status,
        decides=decides,
        path_prefix=parts.path_prefix,
    )
    _route(app, parts, predictions, site)
    refuse = _refuser(parts.metrics, site)
    app.register_error_handler(Exception, lambda fault: refuse(fault, request.environ).as_response())
    fast_path = FastPath(predictions.create, refuse, app.wsgi_app)
    app.wsgi_app = middleware.Middleware(  # type: ignore[method-assign]
        Admission(fast_path, parts.hosts, refuse, parts.path_prefix),
        parts.metrics,
        ids,
        time.perf_counter,
        parts.clients,
        withholds_texts=parts.withholds_texts,
    )
    _prepare_children(app, parts)
    app.extensions["umbra"] = parts
    app.extensions["umbra.identifiers"] = ids
    app.extensions["umbra.clients"] = parts.clients
    return app


def _route(app: Flask, parts: Components, predictions: Predictions, site: Pages) -> None:
    models = Models(parts.live, parts.store_reads, parts.models_dir)
    health = Health(parts.live, parts.instance)
    verdicts = Verdicts(parts.store_reads)
    outcomes = Outcomes(parts.recorder, parts.store_reads, parts.limits, lambda: datetime.now(UTC))
    document = openapi.document(
        umbra_version(),
        parts.limits.rows,
        parts.limits.body_bytes,
        decisions=parts.deployments is not None,
        path_prefix=parts.path_prefix,
    )
    described = docs.Docs(document)
    app.before_request(_say_route)
    # FastPath answers this one; Flask knows it for the 405 of its other methods and for a trailing slash.
    app.add_url_rule(
        PATH, ENDPOINT, lambda: predictions.create(request.environ).as_response(), methods=["POST"]
    )
    app.add_url_rule("/v1/predictions/<identifier>", "predictions.show", predictions.show)
    app.add_url_rule("/v1/outcomes", "outcomes.create", outcomes.create, methods=["POST"])
    app.add_url_rule("/v1/outcomes", "outcomes.show", outcomes.show)
    app.add_url_rule("/v1/models", "models", models.models)
    app.add_url_rule("/v1/deployment", "deployment", models.deployment)
    app.add_url_rule("/v1/deployments", "deployments", models.deployments)
    app.add_url_rule("/v1/verdicts", "verdicts", verdicts.verdicts)
    app.add_url_rule("/v1/verdicts/<identifier>", "verdicts.show", verdicts.verdict)
    if parts.deployments is not None:
        for name, view in (("promote", parts.deployments.promote), ("rollback", parts.deployments.rollback)):
            app.add_url_rule(f"/v1/deployment/{name}", f"deployment.{name}", view, methods=["POST"])
    app.add_url_rule("/livez", "livez", health.livez)
    app.add_url_rule("/readyz", "readyz", health.readyz)
    app.add_url_rule("/openapi.json", "openapi", described.openapi)
    app.add_url_rule("/docs/vendor/swagger-ui-bundle.js", "docs.script", described.script)
    for path, name, view in site.routes():
        app.add_url_rule(path, name, view)


def _say_route() -> None:
    if request.url_rule is not None and request.endpoint is not None:
        middleware.of(request.environ).matched(request.url_rule.rule, request.endpoint)


def _refuser(measured: ServingMetrics, site: Pages) -> Callable[[Exception, dict[str, Any]], HttpAnswer]:
    def refuse(fault: Exception, environ: dict[str, Any]) -> HttpAnswer:
        exchange = middleware.of(environ)
        instance = environ.get("SCRIPT_NAME", "") + middleware.path(environ)
        said = errors.answer(fault, instance, exchange.request_id)
        exchange.problem = said.problem.code
        measured.refused[(said.problem.code,)].inc()
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") and content.prefers_page(environ):
            return site.problem(said, exchange.request_id)
        return HttpAnswer(said.body, errors.MEDIA_TYPE, said.problem.status.value, said.headers)

    return refuse


def _prepare_children(app: Flask, parts: Components) -> None:
    """Make what the request path counts exist from the start, so that the first event is seen as a step."""
    measured = parts.metrics
    for rule in app.url_map.iter_rules():
        measured.request_seconds[(rule.rule,)]
        measured.requests["POST" if "POST" in (rule.methods or ()) else "GET", rule.rule, "200"]
    for code in ("500", "503"):
        measured.requests["POST", PATH, code]
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        measured.refused[(problem.code,)]
    for reason in DROP_REASONS:
        measured.captures_dropped[(reason,)]
    measured.price_dollars[("live",)]
    measured.prediction_seconds[("live",)]
    if parts.live.is_ready:
        measured.predictions["live", str(parts.live.serving().ref)]
