"""The application: `create_app(settings)` builds it from the parts, `build` puts given parts together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from api import (
    content,
    deployments,
    errors,
    health,
    live,
    middleware,
    model_watch,
    models,
    openapi,
    outcomes,
    predictions,
    stored_predictions,
    verdicts,
)
from api.admission import Admission
from api.answers import HttpAnswer
from api.capture_recorder import CaptureRecorder
from api.clients import Clients
from api.deployments import DeploymentResource
from api.fast_path import ENDPOINT, PATH, FastPath
from api.health import HealthResource
from api.hosts import Hosts
from api.identifiers import Identifiers, RandomBits
from api.limits import RequestLimits
from api.live import Live
from api.models import ModelResource
from api.openapi import view as openapi_view
from api.openapi.view import OpenApiResource
from api.outcomes import OutcomeResource
from api.pages import routes as pages
from api.pages.routes import Pages
from api.predictions import PredictionResource
from api.retries import Retries
from api.store_reads import StoreReads
from api.stored_predictions import StoredPredictionResource
from api.verdicts import VerdictResource
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
    deployments: DeploymentResource | None = None
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
                DeploymentResource(settings.admin_token, store, settings.models)
                if settings.admin_token
                else None
            ),
            take_status=lambda now: status.gather(settings, now),
            instance=os.environ.get(INSTANCE_VARIABLE),
        )
    )
    model_watch.follow(settings, serving, store, measured)
    return application


def build(components: Components) -> Flask:
    """Build the application from its components."""
    app = Flask("api", static_folder="pages/vendor", static_url_path="/docs/vendor")
    app.response_class = PlainResponse
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    ids = Identifiers(time.time_ns, RandomBits(os.urandom))
    prediction_resource = PredictionResource(
        components.live,
        components.recorder,
        components.metrics,
        ids,
        components.limits,
        components.retries,
        retry_by_request_id=components.retry_by_request_id,
    )
    page_resource = _pages(components)
    _route(app, components, prediction_resource, page_resource)
    refuse = _refuser(components.metrics, page_resource)
    app.register_error_handler(Exception, lambda fault: refuse(fault, request.environ).as_response())
    fast_path = FastPath(prediction_resource.create, refuse, app.wsgi_app)
    app.wsgi_app = middleware.Middleware(  # type: ignore[method-assign]
        Admission(fast_path, components.hosts, refuse, components.path_prefix),
        components.metrics,
        ids,
        time.perf_counter,
        components.clients,
        withholds_texts=components.withholds_texts,
    )
    _prepare_children(app, components)
    app.extensions["umbra"] = components
    app.extensions["umbra.identifiers"] = ids
    app.extensions["umbra.clients"] = components.clients
    return app


def document(limits: RequestLimits, *, decisions: bool = True, path_prefix: str = "") -> dict[str, Any]:
    """Assemble the OpenAPI document; `decisions`: an admin token is set, so promotion and rollback exist."""
    described = [
        predictions.describe(limits),
        stored_predictions.describe(),
        outcomes.describe(limits),
        models.describe(),
        *([deployments.describe()] if decisions else []),
        verdicts.describe(),
        health.describe(),
        openapi_view.describe(),
        pages.describe(),
    ]
    return openapi.document(umbra_version(), described, path_prefix)


def _pages(components: Components) -> Pages:
    return Pages(
        components.live,
        components.store_reads,
        components.limits,
        components.take_status,
        decides=components.deployments is not None,
        path_prefix=components.path_prefix,
    )


def _route(app: Flask, components: Components, live_predictions: PredictionResource, site: Pages) -> None:
    app.before_request(_note_route)
    # FastPath answers this one; Flask knows it for the 405 of its other methods and for a trailing slash.
    app.add_url_rule(
        PATH, ENDPOINT, lambda: live_predictions.create(request.environ).as_response(), methods=["POST"]
    )
    for path, name, view in (*_views(components), *site.routes()):
        app.add_url_rule(path, name, view)
    recorder, store_reads, limits = components.recorder, components.store_reads, components.limits
    reported = OutcomeResource(recorder, store_reads, limits, lambda: datetime.now(UTC))
    app.add_url_rule("/v1/outcomes", "outcomes.create", reported.create, methods=["POST"])
    app.add_url_rule("/v1/outcomes", "outcomes.show", reported.show)
    if (decided := components.deployments) is not None:
        for name, view in (("promote", decided.promote), ("rollback", decided.rollback)):
            app.add_url_rule(f"/v1/deployment/{name}", f"deployment.{name}", view, methods=["POST"])


def _views(components: Components) -> Iterator[tuple[str, str, Callable[..., Response]]]:
    """Give path, name and view of everything that only reads."""
    stored = StoredPredictionResource(components.store_reads)
    artifacts = ModelResource(components.live, components.store_reads, components.models_dir)
    judged = VerdictResource(components.store_reads)
    probes = HealthResource(components.live, components.instance)
    decisions = components.deployments is not None
    published = OpenApiResource(
        document(components.limits, decisions=decisions, path_prefix=components.path_prefix)
    )
    yield "/v1/predictions/<identifier>", "predictions.show", stored.show
    yield "/v1/models", "models", artifacts.models
    yield "/v1/deployment", "deployment", artifacts.deployment
    yield "/v1/deployments", "deployments", artifacts.deployments
    yield "/v1/verdicts", "verdicts", judged.verdicts
    yield "/v1/verdicts/<identifier>", "verdicts.show", judged.verdict
    yield "/livez", "livez", probes.livez
    yield "/readyz", "readyz", probes.readyz
    yield "/openapi.json", "openapi", published.document
    yield "/docs/vendor/swagger-ui-bundle.js", "docs.script", published.script


def _note_route() -> None:
    if request.url_rule is not None and request.endpoint is not None:
        middleware.of(request.environ).matched(request.url_rule.rule, request.endpoint)


def _refuser(measured: ServingMetrics, site: Pages) -> Callable[[Exception, dict[str, Any]], HttpAnswer]:
    def refuse(fault: Exception, environ: dict[str, Any]) -> HttpAnswer:
        exchange = middleware.of(environ)
        instance = environ.get("SCRIPT_NAME", "") + middleware.path(environ)
        problem = errors.answer(fault, instance, exchange.request_id)
        exchange.problem = problem.problem.code
        measured.refused[(problem.problem.code,)].inc()
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") and content.prefers_page(environ):
            return site.problem(problem, exchange.request_id)
        return HttpAnswer(problem.body, errors.MEDIA_TYPE, problem.problem.status.value, problem.headers)

    return refuse


def _prepare_children(app: Flask, components: Components) -> None:
    """Make what the request path counts exist from the start, so that the first event is seen as a step."""
    measured = components.metrics
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
    if components.live.is_ready:
        measured.predictions["live", str(components.live.serving().ref)]
