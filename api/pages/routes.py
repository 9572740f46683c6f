"""The pages: path, query and answer of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, request
from werkzeug.exceptions import NotFound

from api import content
from api.answers import HttpAnswer
from api.errors import ProblemAnswer, UnknownCandidate
from api.limits import RequestLimits
from api.live import Live
from api.openapi.operation import ResourceDescription, candidate_parameter, page
from api.openapi.schema import Schema
from api.pages import candidate, deployments, overview, queries, try_it
from api.pages.assets import Assets
from api.pages.candidate import TABS, Tab
from api.pages.queries import SystemStatus
from api.pages.rendering import Rendering
from api.pages.try_it import FormSource
from api.store_reads import StoreReads
from model_package.reference import InvalidReference, ModelRef
from shadow.records import Candidate, Deployment, Prediction
from shadow.status import Status
from shadow.store import StoreUnavailable

_FOREVER = "public, max-age=31536000, immutable"
_HTML = "text/html; charset=utf-8"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every page: nothing runs, loads or talks that was not served from here."""

View = Callable[..., Response]
Result = TypeVar("Result")


class Pages:
    """Serves the pages. `decides`: an admin token is set. `take_status` None: show no status."""

    def __init__(
        self,
        live: Live,
        store_reads: StoreReads,
        limits: RequestLimits,
        take_status: Callable[[datetime], Status] | None,
        *,
        decides: bool,
        path_prefix: str = "",
    ) -> None:
        self._live = live
        self._store_reads = store_reads
        self._limits = limits
        self._decides = decides
        self._assets = Assets()
        self._rendering = Rendering(self._assets, path_prefix=path_prefix)
        self._system = take_status and store_reads.refreshed(
            lambda store: queries.system_status(store, take_status)
        )

    def routes(self) -> Iterator[tuple[str, str, View]]:
        """Give path, name and view of each."""
        yield "/", "home", self.overview
        for path, tab in TABS.items():
            yield path, f"pages.{tab.name.lower()}", partial(self.candidate, tab)
        yield "/try", "pages.try", self.try_it
        yield "/deployments", "pages.deployments", self.deployments
        yield "/docs", "docs", self.docs
        yield "/assets/<path:name>", "pages.asset", self.asset

    def overview(self) -> Response:
        """Answer with the overview."""
        rollout = _unless_away(
            lambda: self._store_reads.run(
                lambda store: queries.rollout_state(store, ("verdict", "drift"), self._store_reads.masked)
            )
        )
        served = self._served()
        context = overview.context(rollout, self._counted(), served, self._wanted(), datetime.now(UTC))
        return self._page("overview", here="/", away=rollout is None, **context)

    def candidate(self, tab: Tab, identifier: str) -> Response:
        """Answer with one of the pages about a candidate."""
        model = _reference(identifier)
        result = _unless_away(
            lambda: self._store_reads.run(
                lambda store: queries.newest_stream(store, model, tab.kinds, self._store_reads.masked)
            )
        )
        stream, present = result if result is not None else (None, [])
        if result is not None and stream is None and model not in {candidate.model for candidate in present}:
            return self._not_a_candidate(identifier[:80], present)
        context = candidate.context(tab, identifier[:80], stream, request.args.get("field"))
        return self._page(tab.name.lower(), away=result is None, **context)

    def try_it(self) -> Response:
        """Answer with a form to request predictions."""
        identifier = request.args.get("prediction")
        candidates = _unless_away(self._store_reads.candidates)
        prediction, source = None, None
        if identifier is not None and candidates is not None:
            prediction, source = self._stored(identifier)
        return self._page(
            "try",
            here="/try",
            away=candidates is None,
            live=self._label(),
            limits=self._limits,
            **try_it.context(candidates or [], prediction, source, self._store_reads.masked),
        )

    def deployments(self) -> Response:
        """Answer with the audit log and the forms to decide."""
        result = _unless_away(lambda: self._store_reads.run(queries.deployment_history))
        context = {"live": self._served()} if result is None else deployments.context(*result)
        return self._page(
            "deployments", here="/deployments", away=result is None, decisions=self._decides, **context
        )

    def docs(self) -> Response:
        """Answer with the OpenAPI document as a page."""
        return self._page("docs", here="/docs")

    def asset(self, name: str) -> Response:  # noqa: ARG002 (the whole path is the name)
        """Answer with a style sheet, script or picture."""
        asset = self._assets.at(request.path)
        if asset is None:
            raise NotFound
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        if request.accept_encodings["gzip"] > 0:
            return Response(
                asset.packed, headers=headers | {"Content-Encoding": "gzip"}, content_type=asset.content_type
            )
        return Response(asset.body, headers=headers, content_type=asset.content_type)

    def _stored(self, identifier: str) -> tuple[Prediction | None, FormSource]:
        """Find the prediction whose house goes into the form."""
        try:
            prediction = self._store_reads.prediction(UUID(identifier))
        except ValueError:
            return None, FormSource(
                f"{identifier[:80]!r} is no prediction's id: this is the example house.", failed=True
            )
        except StoreUnavailable:
            return None, FormSource("The store is away: this is the example house.", failed=True)
        if prediction is None:
            return None, FormSource(
                "No such prediction is in the store yet: this is the example house.", failed=True
            )
        return prediction, try_it.source_of(prediction, self._store_reads.masked)

    def _counted(self) -> SystemStatus | None:
        return _unless_away(self._system.latest) if self._system is not None else None

    def _served(self) -> Deployment | None:
        return self._live.serving().deployment if self._live.is_ready else None

    def _wanted(self) -> str:
        return str(self._live.wanted) if self._live.is_ready else ""

    def _label(self) -> str | None:
        return self._live.serving().label if self._live.is_ready else None

    def problem(self, refused: ProblemAnswer, request_id: str) -> HttpAnswer:
        """Show a problem as a page, for the browser that sent the request."""
        problem = refused.problem
        html = self._rendering.render(
            "problem",
            title=problem.title,
            status=problem.status.value,
            detail=refused.detail,
            request_id=request_id,
        )
        headers = {**refused.headers, **_HEADERS, "Vary": "Accept"}
        return HttpAnswer(html.encode(), _HTML, problem.status.value, headers)

    def _not_a_candidate(self, identifier: str, present: list[Candidate]) -> Response:
        if not content.prefers_page(request.environ):
            known = ", ".join(str(candidate.model) for candidate in present[:10]) or "there is none"
            raise UnknownCandidate(f"{identifier!r}: expected NAME@VERSION of a candidate: {known}")
        return self._page(
            "lost",
            HTTPStatus.NOT_FOUND,
            identifier=identifier,
            candidates=[str(candidate.model) for candidate in present],
        )

    def _page(
        self, template: str, status: HTTPStatus | None = None, *, away: bool = False, **context: Any
    ) -> Response:
        """Answer with a page; without the store with a 503, unless the page can do without."""
        needs_store = template not in ("overview", "try")
        code = status or (HTTPStatus.SERVICE_UNAVAILABLE if away and needs_store else HTTPStatus.OK)
        if code >= HTTPStatus.BAD_REQUEST and away and not content.prefers_page(request.environ):
            raise StoreUnavailable("the store is away")
        html = self._rendering.render(template, away=away, **context)
        headers = _HEADERS | ({"Retry-After": "5"} if away else {})
        return Response(html, code.value, headers, content_type=_HTML)


def _unless_away(ask: Callable[[], Result]) -> Result | None:
    """Return the result of a read; None: the store is not available."""
    try:
        return ask()
    except StoreUnavailable:
        return None


def _reference(identifier: str) -> ModelRef | None:
    try:
        return ModelRef.parse(identifier)
    except InvalidReference:
        return None


def describe() -> ResourceDescription:
    """Describe the pages."""
    candidate_pages = {
        "/candidates/{id}": _candidate_page(
            "comparisonPage", "How far a candidate's predictions are from those of the live model."
        ),
        "/candidates/{id}/evidence": _candidate_page(
            "evidencePage", "The verdict, its rules, and the evidence behind it over time."
        ),
        "/candidates/{id}/drift": _candidate_page(
            "driftPage", "Which fields have drifted from the data the models learned from."
        ),
    }
    overview_summary = "The live model, candidates, traffic, ledger, and what needs attention."
    deployments_summary = "All deployments, with who decided them and why; forms to promote and roll back."
    paths = {
        "/docs": page("docs", "This document as a page."),
        "/": page("overview", overview_summary),
        **candidate_pages,
        "/try": page("tryPage", "A form to request predictions, for one house or a file of them."),
        "/deployments": page("deploymentsPage", deployments_summary, 503),
    }
    return ResourceDescription({path: {"get": operation} for path, operation in paths.items()})


def _candidate_page(operation: str, summary: str) -> Schema:
    parameter = candidate_parameter("NAME@VERSION of a candidate.")
    return {**page(operation, summary, 404, 503), "parameters": [parameter]}
