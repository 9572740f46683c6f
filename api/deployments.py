"""Deployments: POST /v1/deployment/promote and /v1/deployment/rollback, for whoever has the admin token."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from flask import Response, request

from api import content
from api.errors import DecisionUnconfirmed, InvalidDecision, Unauthorized, UnsupportedContent, WrongToken
from model_package.reference import InvalidReference, ModelRef
from model_package.schema import FAULTS_MOST, Fault, MalformedBody
from model_package.schema.faults import cut, shown
from shadow import rollout
from shadow.bounded import BackgroundCall, NotAnswered
from shadow.records import Deployment
from shadow.rollout import Decision, DecisionBasis
from shadow.rollout.decision import REASON_CHARACTERS
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


class Deployments:
    """The two views. A decision is waited for at most `wait_seconds`: it may not hold this process up."""

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
        decision, given = self._asked({"candidate": True, "reason": True, "override": False})
        candidate, override = given["candidate"], given.get("override", False)
        store, models = self._store, self._models
        return self._decided(
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
        """Make live again what was live before, or what is named."""
        decision, given = self._asked({"reason": True, "to": False})
        return self._decided(
            decision, lambda: rollout.rollback(self._store, self._models, decision, given.get("to"))
        )

    def _asked(self, fields: Mapping[str, bool]) -> tuple[Decision, dict[str, Any]]:
        """Who decides, why, and the body's fields; `fields` says which are required."""
        self._authorize(request.headers.get("Authorization", ""))
        by = _actor(request.headers.get(ACTOR_HEADER))
        if content.of_body(request.environ) != content.JSON:
            raise UnsupportedContent(f"a decision is {content.JSON}")
        given = _read(content.read(request.environ, _BODY_BYTES), fields)
        return Decision(by, given["reason"], datetime.now(UTC)), given

    def _authorize(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("expected the header `Authorization: Bearer TOKEN`")
        # Of equal length whatever was sent: the comparison takes as long for every wrong token.
        if not hmac.compare_digest(_hashed(token.strip()), self._token):
            raise WrongToken("the token is not that of UMBRA_ADMIN_TOKEN")

    def _decided(self, decision: Decision, decide: Callable[[], Deployment]) -> Response:
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
        return Response(orjson.dumps(shown_deployment(deployment)), content_type=content.JSON)


def _unconfirmed(what: str, decision: Decision) -> DecisionUnconfirmed:
    """Says where to look for a decision: the deployment that it makes has its moment."""
    decided_at = decision.at.isoformat().replace("+00:00", "Z")
    address = f"{request.script_root}/v1/deployments?decided_at={decided_at}"
    look = f"GET {address} lists the deployment once it is made; look there before you ask again"
    return DecisionUnconfirmed(f"{what}; {look}", decided_at, address)


def shown_deployment(deployment: Deployment) -> dict[str, Any]:
    """Give a deployment as the API shows it."""
    live = {"name": deployment.live.name, "version": deployment.live.version}
    view = deployment.view() | {"live": live}
    del view["verdict_id"]
    return view


def _hashed(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _actor(given: str | None) -> str:
    if given is None:
        return _NOBODY
    if not re.fullmatch(ACTOR_PATTERN, given):
        raise InvalidDecision(
            (Fault(None, ACTOR_HEADER, f"a name that matches {ACTOR_PATTERN}", shown(given)),)
        )
    return given


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a field of a body is read: `read` raises ValueError."""

    read: Callable[[Any], Any]
    expected: str


def _reference(value: Any) -> ModelRef:
    if not isinstance(value, str):
        raise InvalidReference(f"{value!r:.80} is no text")
    return ModelRef.parse(value)


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("no line of text")
    if len(value) > REASON_CHARACTERS:
        raise ValueError("too long")
    return value.strip()


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 (as the other readers)
    return value


_MODEL = _Kind(_reference, "NAME@VERSION, such as gbm@2")
_KINDS = {
    "candidate": _MODEL,
    "to": _MODEL,
    "reason": _Kind(_line, f"one line of 1 to {REASON_CHARACTERS} characters"),
    "override": _Kind(_switch, "true or false"),
}


def _read(body: bytes, fields: Mapping[str, bool]) -> dict[str, Any]:
    """The fields of a body; raises MalformedBody, or InvalidDecision with every fault."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedBody(f"expected JSON: {fault}") from fault
    if not isinstance(told, dict):
        raise InvalidDecision((Fault(None, None, "an object", shown(told)),))
    known = f"one of {', '.join(fields)}"
    unknown = islice((name for name in told if name not in fields), FAULTS_MOST)
    faults = [Fault(None, cut(name), known, shown(told[name])) for name in unknown]
    read: dict[str, Any] = {}
    for name, required in fields.items():
        kind = _KINDS[name]
        try:
            if name in told:
                read[name] = kind.read(told[name])
            elif required:
                faults.append(Fault(None, name, kind.expected, "nothing"))
        except ValueError:
            faults.append(Fault(None, name, kind.expected, shown(told[name])))
    if faults:
        raise InvalidDecision(faults)
    return read
