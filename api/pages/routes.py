"""The site: every page's address, what it asks, and the answer around it."""

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
Found = TypeVar("Found")


class Pages:
    """The views. `decides`: somebody may decide over HTTP. `take_status` None: nothing can be counted."""

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
        self._standing = take_status and store_reads.counting(
            lambda store: queries.standing(store, take_status)
        )

    def routes(self) -> Iterator[tuple[str, str, View]]:
        """Path, name and view of each."""
        yield "/", "home", self.overview
        for path, tab in TABS.items():
            yield path, f"pages.{tab.name.lower()}", partial(self.candidate, tab)
        yield "/try", "pages.try", self.try_it
        yield "/deployments", "pages.deployments", self.deployments
        yield "/docs", "docs", self.docs
        yield "/assets/<path:name>", "pages.asset", self.asset

    def overview(self) -> Response:
        """Who is live, and how it stands."""
        found = _unless_away(
            lambda: self._store_reads.ask(
                lambda store: queries.situation(store, ("verdict", "drift"), self._store_reads.masked)
            )
        )
        served = self._served()
        shown = overview.shown(found, self._counted(), served, self._wanted(), datetime.now(UTC))
        return self._page("overview", here="/", away=found is None, **shown)

    def candidate(self, tab: Tab, identifier: str) -> Response:
        """One of the pages about a candidate."""
        model = _reference(identifier)
        found = _unless_away(
            lambda: self._store_reads.ask(
                lambda store: queries.dossier(store, model, tab.kinds, self._store_reads.masked)
            )
        )
        dossier, present = found if found is not None else (None, [])
        if found is not None and dossier is None and model not in {one.model for one in present}:
            return self._not_a_candidate(identifier[:80], present)
        shown = candidate.shown(tab, identifier[:80], dossier, request.args.get("field"))
        return self._page(tab.name.lower(), away=found is None, **shown)

    def try_it(self) -> Response:
        """A form to ask with."""
        asked = request.args.get("prediction")
        candidates = _unless_away(self._store_reads.candidates)
        found, source = None, None
        if asked is not None and candidates is not None:
            found, source = self._before(asked)
        return self._page(
            "try",
            here="/try",
            away=candidates is None,
            live=self._label(),
            limits=self._limits,
            **try_it.shown(candidates or [], found, source, self._store_reads.masked),
        )

    def deployments(self) -> Response:
        """The audit log, and the forms to decide."""
        found = _unless_away(lambda: self._store_reads.ask(queries.history))
        shown = {"live": self._served()} if found is None else deployments.shown(*found)
        return self._page(
            "deployments", here="/deployments", away=found is None, decisions=self._decides, **shown
        )

    def docs(self) -> Response:
        """The description of the API, for people."""
        return self._page("docs", here="/docs")

    def asset(self, name: str) -> Response:  # noqa: ARG002 (the whole path is the name)
        """Style, script or picture."""
        found = self._assets.at(request.path)
        if found is None:
            raise NotFound
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        if request.accept_encodings["gzip"] > 0:
            return Response(
                found.packed, headers=headers | {"Content-Encoding": "gzip"}, content_type=found.content_type
            )
        return Response(found.body, headers=headers, content_type=found.content_type)

    def _before(self, asked: str) -> tuple[Prediction | None, FormSource]:
        """The prediction that is to be asked again."""
        try:
            found = self._store_reads.prediction(UUID(asked))
        except ValueError:
            return None, FormSource(
                f"{asked[:80]!r} is no prediction's id: this is the example house.", failed=True
            )
        except StoreUnavailable:
            return None, FormSource("The store is away: this is the example house.", failed=True)
        if found is None:
            return None, FormSource(
                "No such prediction is in the store yet: this is the example house.", failed=True
            )
        return found, try_it.asked_before(found, self._store_reads.masked)

    def _counted(self) -> SystemStatus | None:
        return _unless_away(self._standing.latest) if self._standing is not None else None

    def _served(self) -> Deployment | None:
        return self._live.serving().deployment if self._live.is_ready else None

    def _wanted(self) -> str:
        return str(self._live.wanted) if self._live.is_ready else ""

    def _label(self) -> str | None:
        return self._live.serving().label if self._live.is_ready else None

    def problem(self, refused: ProblemAnswer, request_id: str) -> HttpAnswer:
        """What is wrong with a request, as a page for the browser that made it."""
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
            known = ", ".join(str(one.model) for one in present[:10]) or "there is none"
            raise UnknownCandidate(f"{identifier!r}: expected NAME@VERSION of a candidate: {known}")
        return self._page(
            "lost",
            HTTPStatus.NOT_FOUND,
            identifier=identifier,
            candidates=[str(one.model) for one in present],
        )

    def _page(
        self, template: str, status: HTTPStatus | None = None, *, away: bool = False, **shown: Any
    ) -> Response:
        """A page; what cannot be shown while the store is away is a 503, unless this process knows enough."""
        known = template in ("overview", "try")
        code = status or (HTTPStatus.SERVICE_UNAVAILABLE if away and not known else HTTPStatus.OK)
        if code >= HTTPStatus.BAD_REQUEST and away and not content.prefers_page(request.environ):
            raise StoreUnavailable("the store is away")
        html = self._rendering.render(template, away=away, **shown)
        headers = _HEADERS | ({"Retry-After": "5"} if away else {})
        return Response(html, code.value, headers, content_type=_HTML)


def _unless_away(ask: Callable[[], Found]) -> Found | None:
    """What the store says; None: it is away."""
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
