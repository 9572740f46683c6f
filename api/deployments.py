"""Deployments: POST /v1/deployment/promote and /v1/deployment/rollback, for whoever has the admin token."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import orjson
from flask import Response, request
from pydantic import Field

from api import content
from api.decision_body import read_body
from api.errors import DecisionUnconfirmed, InvalidDecision, Unauthorized, UnsupportedContent, WrongToken
from api.openapi.operation import REQUEST_ID, ResourceDescription, ok, problem_responses
from api.openapi.schema import Schema, closed_object, ref
from api.openapi.shapes import REASON, REFERENCE
from model_package.reference import ModelRef
from model_package.schema import Fault
from model_package.schema.faults import json_excerpt
from shadow import rollout
from shadow.bounded import BackgroundCall, NotAnswered
from shadow.records import Deployment, DeploymentKind
from shadow.rollout import Decision, DecisionBasis
from shadow.store import Store

ACTOR_HEADER = "X-Umbra-Actor"
ACTOR_PATTERN = r"[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}"
WAIT_SECONDS = 2.0
_BODY_BYTES = 16_384
_NOBODY = "admin token"

Judge = Callable[[Store, Path, ModelRef, datetime], DecisionBasis | None]


def _decision_basis(store: Store, models: Path, candidate: ModelRef, now: datetime) -> DecisionBasis | None:
    # Only when somebody decides: what judges takes memory that processes that answer have no other use for.
    from shadow.evidence.decision_basis import decision_basis  # noqa: PLC0415

    return decision_basis(store, models, candidate, now)


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment."""

    id: int
    kind: DeploymentKind
    live: ModelRef
    since: datetime
    by: str
    reason: str
    verdict: Annotated[str | None, Field(description="The verdict when it was promoted.")]
    overridden: Annotated[bool, Field(description="Promoted in spite of the verdict.")]
    artifact_digest: Annotated[
        str | None, Field(description="SHA-256 of the manifest of the deployed artifact.")
    ]
    policy_sha256: Annotated[str | None, Field(description="The policy that it was judged by.")]

    @classmethod
    def of(cls, deployment: Deployment) -> DeploymentView:
        """Show a deployment."""
        return cls(**cls.fields_of(deployment))

    @staticmethod
    def fields_of(deployment: Deployment) -> dict[str, Any]:
        """Give the fields by name, for a view that shows more of it."""
        return {
            "id": deployment.id,
            "kind": deployment.kind,
            "live": deployment.live,
            "since": deployment.since,
            "by": deployment.by,
            "reason": deployment.reason,
            "verdict": deployment.verdict_state,
            "overridden": deployment.overridden,
            "artifact_digest": deployment.artifact_digest,
            "policy_sha256": deployment.policy_sha256,
        }


class DeploymentResource:
    """Serves promotion and rollback.

    A request waits for its decision at most `wait_seconds`, for the process answers nobody else meanwhile.
    """

    def __init__(
        self,
        token: str,
        store: Store,
        models: Path,
        *,
        judge: Judge | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._token = _hashed(token)
        self._store = store
        self._models = models
        self._judge = _decision_basis if judge is None else judge
        self._wait_seconds = wait_seconds
        self._hanging: BackgroundCall[Deployment] | None = None
        self._under_way = Decision(_NOBODY, "none", datetime.now(UTC))

    def promote(self) -> Response:
        """Make a candidate live, if the evidence allows it or it is overridden."""
        decision, fields = self._read_decision({"candidate": True, "reason": True, "override": False})
        candidate, override = fields["candidate"], fields.get("override", False)
        store, models = self._store, self._models
        return self._decide(
            decision,
            lambda: rollout.promote(
                store,
                models,
                candidate,
                lambda: self._judge(store, models, candidate, decision.at),
                decision,
                override=override,
            ),
        )

    def rollback(self) -> Response:
        """Make the previous live model live again, or the one that is named."""
        decision, fields = self._read_decision({"reason": True, "to": False})
        return self._decide(
            decision, lambda: rollout.rollback(self._store, self._models, decision, fields.get("to"))
        )

    def _read_decision(self, required: Mapping[str, bool]) -> tuple[Decision, dict[str, Any]]:
        """Read who decides and why, and the fields of the body; `required` says which have to be there."""
        self._authorize(request.headers.get("Authorization", ""))
        by = _actor(request.headers.get(ACTOR_HEADER))
        if content.of_body(request.environ) != content.JSON:
            raise UnsupportedContent(f"a decision is {content.JSON}")
        fields = read_body(content.read(request.environ, _BODY_BYTES), required)
        return Decision(by, fields["reason"], datetime.now(UTC)), fields

    def _authorize(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("expected the header `Authorization: Bearer TOKEN`")
        # Of equal length whatever was sent: the comparison takes as long for every wrong token.
        if not hmac.compare_digest(_hashed(token.strip()), self._token):
            raise WrongToken("the token is not that of UMBRA_ADMIN_TOKEN")

    def _decide(self, decision: Decision, decide: Callable[[], Deployment]) -> Response:
        if self._hanging is not None and self._hanging.is_running:
            raise _unconfirmed(
                "this one was not made: an earlier decision is still under way here", self._under_way
            )
        self._under_way = decision
        call = BackgroundCall(decide, "umbra-decision")
        try:
            deployment = call.result_within(self._wait_seconds, "the decision")
        except NotAnswered as fault:
            self._hanging = call
            raise _unconfirmed(
                f"not done within {self._wait_seconds:g} s; it may still happen, or have happened", decision
            ) from fault
        return Response(orjson.dumps(DeploymentView.of(deployment)), content_type=content.JSON)


def _unconfirmed(state: str, decision: Decision) -> DecisionUnconfirmed:
    """Name where to look for a decision: under its moment, which is that of its deployment."""
    decided_at = decision.at.isoformat().replace("+00:00", "Z")
    address = f"{request.script_root}/v1/deployments?decided_at={decided_at}"
    look = f"GET {address} lists the deployment once it is made; look there before you ask again"
    return DecisionUnconfirmed(f"{state}; {look}", decided_at, address)


def _hashed(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _actor(name: str | None) -> str:
    if name is None:
        return _NOBODY
    if not re.fullmatch(ACTOR_PATTERN, name):
        raise InvalidDecision(
            (Fault(None, ACTOR_HEADER, f"a name that matches {ACTOR_PATTERN}", json_excerpt(name)),)
        )
    return name


def describe() -> ResourceDescription:
    """Describe both operations."""
    promote = _decision(
        "promote",
        "Make a candidate live.",
        "Promotion",
        "The API refuses unless the verdict is `promote` at this moment; `override` promotes in spite of the "
        "verdict, and the deployment records that. The previous live model becomes a candidate. Every API "
        "process answers with the new model within two seconds.",
    )
    rollback = _decision(
        "rollback",
        "Make the previous live model live again.",
        "Rollback",
        "No verdict is needed. A second rollback goes further back, never forward. `to` names any model that "
        "was live before, and makes it safe to repeat the request.",
    )
    paths = {"/v1/deployment/promote": {"post": promote}, "/v1/deployment/rollback": {"post": rollback}}
    return ResourceDescription(paths, (DeploymentView,), _bodies())


def _bodies() -> Schema:
    override = {"type": "boolean"}
    return {
        "Promotion": closed_object(
            ["candidate", "reason"], candidate=REFERENCE, reason=REASON, override=override
        ),
        "Rollback": closed_object(["reason"], reason=REASON, to=REFERENCE),
    }


def _decision(operation: str, summary: str, body: str, description: str) -> Schema:
    actor = {
        "name": ACTOR_HEADER,
        "in": "header",
        "description": f"Who decides, for the records; without it: `{_NOBODY}`.",
        "schema": {"type": "string", "pattern": f"^{ACTOR_PATTERN}$"},
    }
    return {
        "operationId": operation,
        "tags": ["models"],
        "summary": summary,
        "description": description,
        "security": [{"AdminToken": []}],
        "parameters": [REQUEST_ID, actor],
        "requestBody": {"required": True, "content": {content.JSON: {"schema": ref(body)}}},
        "responses": {
            **ok(DeploymentView),
            **problem_responses(400, 401, 403, 409, 413, 415, 422, 500, 503, 504),
        },
    }
