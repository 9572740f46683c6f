"""The one table from exception to status and problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from werkzeug.exceptions import HTTPException

from api.live import NoLiveModel
from model_package.artifact import AlteredArtifact, InvalidArtifact, NoSuchModel
from model_package.recipes import UnknownRecipe
from model_package.schema import MAX_FAULTS, Fault, InvalidRows, MalformedBody, TooManyRows
from monitoring import logs
from monitoring.phrases import count
from shadow.rollout import NoDeployment, PromotionRefused, RolloutConflict, UnfitArtifact
from shadow.store import StoreRefused, StoreUnavailable, StoreUnfit, WrongStore
from shadow.store.candidates import CandidateConflict
from shadow.store.deployments import DeployedMeanwhile

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:umbra:problem:"
_log = logging.getLogger("umbra.errors")


class Refusal(Exception):
    """A request that HTTP itself lets us refuse; the subclass is the reason, the message the detail."""


class BodyTooLarge(Refusal):
    """More bytes than one request may have."""


class UnreadableBody(Refusal):
    """The body broke off, or its framing makes no sense."""


class UnreadableRequest(Refusal):
    """A request that two readers could understand differently."""


class MisdirectedRequest(Refusal):
    """A request for a host that this API is not."""


class CrossSiteRequest(Refusal):
    """A page of another site asks for something that changes what is here."""


class UnsupportedContent(Refusal):
    """The body is of a type or in an encoding that is not read here."""


class InvalidKey(Refusal):
    """An Idempotency-Key that cannot be one."""


class KeyReused(Refusal):
    """An Idempotency-Key that named another request before."""


class OutcomesNotKept(Refusal):
    """The journal could not take outcomes; sending them again is harmless."""


class UnknownPrediction(Refusal):
    """No prediction has this id, or it is not in the store yet."""


class InvalidIdentifier(Refusal):
    """A path holds something that is not a prediction's id."""


class UnknownCandidate(Refusal):
    """No candidate of this name and version is being judged."""


class Unauthorized(Refusal):
    """No token, or not in the form that is expected."""


class WrongToken(Refusal):
    """Invalid admin token."""


class InvalidDecision(Refusal):
    """Not a promotion, or not a rollback: `faults` lists what is wrong, by field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(_listed(len(faults), 0))
        self.faults = tuple(faults[:MAX_FAULTS])


def _listed(faults: int, unchecked_rows: int) -> str:
    if faults < MAX_FAULTS:
        return f"{count(faults, 'fault')}; each is listed under `errors`"
    rows = f"; {count(unchecked_rows, 'more row')} not looked at" if unchecked_rows else ""
    return f"the first {MAX_FAULTS} faults are listed under `errors`{rows}"


class DecisionUnconfirmed(Refusal):
    """It took so long that nobody knows yet whether it was made.

    `decided_at` is the moment under which it is found once it was, `address` where to look.
    """

    def __init__(self, detail: str, decided_at: str, address: str) -> None:
        super().__init__(detail)
        self.decided_at = decided_at
        self.address = address


class InvalidQuery(Refusal):
    """A parameter of the address that makes no sense."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: `code` ends its type and labels its metric."""

    code: str
    status: HTTPStatus
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The problem's type, a URI."""
        return _PREFIX + self.code

    def body(self, detail: str, instance: str, request_id: str, **more: Any) -> bytes:
        """Give the problem as JSON."""
        return orjson.dumps(
            {
                "type": self.type,
                "title": self.title,
                "status": self.status.value,
                "detail": _writable(detail),
                "instance": _writable(instance),
                "request_id": request_id,
                **more,
            }
        )


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


OURS = "The fault is ours and has been logged under this request id."

_LATER = {"Retry-After": "5"}

INTERNAL = Problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here")
TOO_LARGE = Problem("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
BAD_REQUEST = Problem("bad-request", HTTPStatus.BAD_REQUEST, "The request cannot be understood")
CONFLICT = Problem(
    "deployment-conflict", HTTPStatus.CONFLICT, "It does not fit what is live and who is a candidate"
)
STORE_UNAVAILABLE = Problem(
    "store-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The store is away for the moment", _LATER
)
UNFIT = Problem("unfit-artifact", HTTPStatus.CONFLICT, "The model's artifact cannot go live")

BY_EXCEPTION: dict[type[Exception], Problem] = {
    MalformedBody: Problem("malformed-body", HTTPStatus.BAD_REQUEST, "The body cannot be read"),
    UnreadableBody: Problem("unreadable-body", HTTPStatus.BAD_REQUEST, "The body did not arrive whole"),
    UnreadableRequest: BAD_REQUEST,
    MisdirectedRequest: Problem(
        "misdirected-request", HTTPStatus.MISDIRECTED_REQUEST, "This API is not known under that host name"
    ),
    CrossSiteRequest: Problem(
        "cross-site-request", HTTPStatus.FORBIDDEN, "A page of another site may not ask for this"
    ),
    BodyTooLarge: TOO_LARGE,
    TooManyRows: Problem(
        "too-many-rows", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too many rows in one request"
    ),
    InvalidRows: Problem("invalid-rows", HTTPStatus.UNPROCESSABLE_ENTITY, "Some rows are not valid"),
    UnsupportedContent: Problem(
        "unsupported-content",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of a kind that is not read here",
        {"Accept-Post": "application/json, text/csv", "Accept-Encoding": "identity"},
    ),
    InvalidKey: Problem("invalid-idempotency-key", HTTPStatus.BAD_REQUEST, "Not a key of a request"),
    KeyReused: Problem(
        "idempotency-key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "The key belongs to another request"
    ),
    UnknownPrediction: Problem("unknown-prediction", HTTPStatus.NOT_FOUND, "No such prediction"),
    InvalidIdentifier: Problem("invalid-identifier", HTTPStatus.BAD_REQUEST, "Not a prediction's id"),
    InvalidQuery: Problem("invalid-query", HTTPStatus.BAD_REQUEST, "A parameter of the address is not valid"),
    UnknownCandidate: Problem("unknown-candidate", HTTPStatus.NOT_FOUND, "No such candidate"),
    Unauthorized: Problem(
        "unauthorized",
        HTTPStatus.UNAUTHORIZED,
        "A token is needed",
        {"WWW-Authenticate": 'Bearer realm="umbra"'},
    ),
    WrongToken: Problem("wrong-token", HTTPStatus.FORBIDDEN, "The token is not the right one"),
    InvalidDecision: Problem(
        "invalid-decision", HTTPStatus.UNPROCESSABLE_ENTITY, "The decision is not a valid one"
    ),
    PromotionRefused: Problem(
        "promotion-refused", HTTPStatus.CONFLICT, "The evidence does not allow this promotion"
    ),
    **dict.fromkeys(
        (RolloutConflict, CandidateConflict, DeployedMeanwhile, NoDeployment, StoreRefused), CONFLICT
    ),
    **dict.fromkeys((AlteredArtifact, InvalidArtifact, UnfitArtifact, UnknownRecipe, NoSuchModel), UNFIT),
    DecisionUnconfirmed: Problem(
        "decision-unconfirmed", HTTPStatus.GATEWAY_TIMEOUT, "It is not known whether the decision was made"
    ),
    OutcomesNotKept: Problem(
        "outcome-not-kept", HTTPStatus.SERVICE_UNAVAILABLE, "The outcomes were not kept", _LATER
    ),
    **dict.fromkeys((StoreUnavailable, StoreUnfit, WrongStore), STORE_UNAVAILABLE),
    NoLiveModel: Problem("no-live-model", HTTPStatus.SERVICE_UNAVAILABLE, "No model is live yet", _LATER),
}

BY_STATUS: dict[int, Problem] = {
    problem.status.value: problem
    for problem in (
        BAD_REQUEST,
        TOO_LARGE,
        Problem("not-found", HTTPStatus.NOT_FOUND, "Nothing is here"),
        Problem("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This method is not for this resource"),
        Problem("uri-too-long", HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long"),
        Problem("expectation-failed", HTTPStatus.EXPECTATION_FAILED, "The expectation cannot be met"),
        Problem(
            "headers-too-large",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large",
        ),
        INTERNAL,
    )
}

_DETAILS: dict[type[Exception], Callable[[Any], str]] = {
    InvalidRows: lambda fault: _listed(len(fault.faults), fault.unchecked_rows),
    PromotionRefused: lambda fault: (
        f"{fault.candidate}: the verdict is {fault.state}; its reasons are listed under `verdict`"
    ),
    **dict.fromkeys(
        (StoreUnavailable, StoreUnfit, WrongStore),
        lambda _: "predictions can be made, but not looked up, until the store is back",
    ),
}


_HTTP_DETAILS = {HTTPStatus.NOT_FOUND: "no resource has this path; /docs shows those there are"}


@dataclass(frozen=True, slots=True)
class ProblemAnswer:
    """A problem ready to be sent."""

    problem: Problem
    detail: str
    body: bytes
    headers: Mapping[str, str]


def answer(fault: Exception, instance: str, request_id: str) -> ProblemAnswer:
    """Turn any exception into the problem that strangers may see; what is our own fault is logged whole."""
    problem = BY_EXCEPTION.get(type(fault))
    if problem is not None:
        return _known(problem, fault, instance, request_id)
    if isinstance(fault, HTTPException):
        return _of_http(fault, instance, request_id)
    logs.event(_log, "request_failed", level=logging.ERROR, error=fault)
    return ProblemAnswer(INTERNAL, OURS, INTERNAL.body(OURS, instance, request_id), {})


def _known(problem: Problem, fault: Exception, instance: str, request_id: str) -> ProblemAnswer:
    more: dict[str, Any] = {}
    if isinstance(fault, InvalidRows | InvalidDecision):
        more["errors"] = [
            {
                name: _writable(value) if isinstance(value, str) else value
                for name, value in asdict(row_fault).items()
            }
            for row_fault in fault.faults
        ]
    if isinstance(fault, InvalidRows) and fault.unchecked_rows:
        more["unchecked_rows"] = fault.unchecked_rows
    if isinstance(fault, PromotionRefused):
        more["verdict"] = {"state": fault.state, "reasons": fault.reasons}
    headers = problem.headers
    if isinstance(fault, DecisionUnconfirmed):
        more["decided_at"] = fault.decided_at
        headers = {**headers, "Location": fault.address}
    detail = _DETAILS.get(type(fault), str)(fault)
    return ProblemAnswer(problem, detail, problem.body(detail, instance, request_id, **more), headers)


def _of_http(fault: HTTPException, instance: str, request_id: str) -> ProblemAnswer:
    problem = BY_STATUS.get(fault.code or 500) or _unnamed(fault)
    headers = {name: value for name, value in fault.get_headers() if name == "Allow"}
    detail = f"Allow: {headers['Allow']}" if headers else _HTTP_DETAILS.get(problem.status, problem.title)
    return ProblemAnswer(problem, detail, problem.body(detail, instance, request_id), headers)


def _unnamed(fault: HTTPException) -> Problem:
    """Any other status that werkzeug may answer with, under its own name."""
    status = HTTPStatus(fault.code or 500)
    return Problem("http", status, status.phrase)
