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
from api.answers import Answer
from api.clients import Clients
from api.deployments import Deployments
from api.fast_path import ENDPOINT, PATH, Front
from api.health import Health
from api.hosts import Hosts
from api.identifiers import Identifiers, RandomBits
from api.live import Live
from api.models import Models
from api.openapi import view as docs
from api.outcomes import Outcomes
from api.pages.routes import Site
from api.predictions import Limits, Predictions, Recorder
from api.retries import Retries
from api.store_reads import Lookups
from api.verdicts import Verdicts
from monitoring import metrics
from monitoring.metrics import ServingMetrics
from shadow import status
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
class Parts:
    """What the application is made of."""

    live: Live
    recorder: Recorder
    lookups: Lookups
    metrics: ServingMetrics
    models_dir: Path
    limits: Limits
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
        Parts(
            live=serving,
            recorder=open_recorder(settings),
            lookups=Lookups(store, masked=settings.masked_fields),
            metrics=measured,
            models_dir=settings.models,
            limits=Limits(settings.api_max_rows, settings.api_max_body_bytes),
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


def build(parts: Parts) -> Flask:
    """Put the parts together."""
    app = Flask("api", static_folder="pages/vendor", static_url_path="/docs/vendor")
    app.response_class = PlainResponse
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    ids = Identifiers(time.time_ns, RandomBits(os.urandom))
    predictions = Predictions(
        parts.live,
        parts.recorder,
        parts.lookups,
        parts.metrics,
        ids,
        parts.limits,
        parts.retries,
        retry_by_request_id=parts.retry_by_request_id,
    )
    decides = parts.deployments is not None
    site = Site(
        parts.live,
        parts.lookups,
        parts.limits,
        parts.take_status,
        decides=decides,
        path_prefix=parts.path_prefix,
    )
    _route(app, parts, predictions, site)
    refuse = _refuser(parts.metrics, site)
    app.register_error_handler(Exception, lambda fault: refuse(fault, request.environ).as_response())
    front = Front(predictions.create, refuse, app.wsgi_app)
    app.wsgi_app = middleware.Access(  # type: ignore[method-assign]
        Admission(front, parts.hosts, refuse, parts.path_prefix),
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


def _route(app: Flask, parts: Parts, predictions: Predictions, site: Site) -> None:
    models = Models(parts.live, parts.lookups, parts.models_dir)
    health = Health(parts.live, parts.instance)
    verdicts = Verdicts(parts.lookups)
    outcomes = Outcomes(parts.recorder, parts.lookups, parts.limits, lambda: datetime.now(UTC))
    document = openapi.document(
        umbra_version(),
        parts.limits.rows,
        parts.limits.body_bytes,
        decisions=parts.deployments is not None,
        path_prefix=parts.path_prefix,
    )
    described = docs.Docs(document)
    app.before_request(_say_route)
    # The front takes this one; here it stands for its other methods' 405 and for a trailing slash.
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


def _refuser(measured: ServingMetrics, site: Site) -> Callable[[Exception, dict[str, Any]], Answer]:
    def refuse(fault: Exception, environ: dict[str, Any]) -> Answer:
        exchange = middleware.of(environ)
        instance = environ.get("SCRIPT_NAME", "") + middleware.path(environ)
        said = errors.answer(fault, instance, exchange.request_id)
        exchange.problem = said.problem.code
        measured.refused[(said.problem.code,)].inc()
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") and content.prefers_page(environ):
            return site.problem(said, exchange.request_id)
        return Answer(said.body, errors.MEDIA_TYPE, said.problem.status.value, said.headers)

    return refuse


def _prepare_children(app: Flask, parts: Parts) -> None:
    """Make what the request path counts exist from the start, so that the first event is seen as a step."""
    measured = parts.metrics
    for rule in app.url_map.iter_rules():
        measured.request_seconds[(rule.rule,)]
        measured.requests["POST" if "POST" in (rule.methods or ()) else "GET", rule.rule, "200"]
    for code in ("500", "503"):
        measured.requests["POST", PATH, code]
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        measured.refused[(problem.code,)]
    measured.price_dollars[("live",)]
    measured.prediction_seconds[("live",)]
    if parts.live.is_ready:
        measured.predictions["live", str(parts.live.serving().ref)]
