"""Prepare: what has to be there before the first answer: tables, two models, a first deployment.

Each step is done only when it is missing, so that preparing again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from model_package import artifact, card, schema
from model_package.quality import BelowStandard
from model_package.reference import ModelRef
from shadow import policy as policies
from shadow import rollout
from shadow.records import Deployment, Purpose
from shadow.settings import Settings
from shadow.source import purpose as purposes
from shadow.store import Store, candidates
from shadow.store.schema import migrate

LIVE_RECIPE, CANDIDATE_RECIPE = "linear", "gbm"
Train = Callable[[str], Path]


def prepare(
    settings: Settings,
    store: Store,
    train: Train,
    by: str,
    now: datetime,
    purpose: Purpose = Purpose.REAL,
) -> Deployment:
    """Make what is missing; `train` trains and saves one recipe. Returns the deployment in force.

    A linear model goes live first and a gradient-boosting one becomes its candidate, judged by the policy for
    the purpose; what people have decided since is left alone. Raises PurposeMismatch, before anything is
    changed, when directory or store are of the other kind.
    """
    purposes.check(settings, store, purpose)
    migrate(store)
    purposes.mark(settings, store, purpose, now)
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    found = store.deployment()
    if found is None:
        live = newest_or_trained(settings.models, LIVE_RECIPE, train)
        candidate = newest_or_trained(settings.models, CANDIDATE_RECIPE, train)
        _begin_candidate(store, candidate, now, policies.for_purpose(purpose).text)
        found = rollout.first_deployment(store, settings.models, live, by, now)
    found = rollout.pinned(store, settings.models, found)
    (settings.data_dir / "example.json").write_text(json.dumps(schema.EXAMPLE, indent=1), encoding="utf-8")
    return found


def newest_or_trained(models: Path, name: str, train: Train) -> ModelRef:
    """The newest artifact called `name`, trained now if there is none; raises BelowStandard.

    One that was trained or judged on too few sales is passed over: its error may look the best of all.
    """
    for found, version in reversed(artifact.listing(models)):
        if (
            found == name
            and card.too_few_sales(artifact.directory_of(models, ModelRef(name, version))) is None
        ):
            return ModelRef(name, version)
    trained = train(name)
    if few := card.too_few_sales(trained):
        raise BelowStandard(
            f"{name}@{trained.name} was {few}; it was saved and does not go live first: give more sales with "
            "--data, or leave it out, for made-up ones"
        )
    return ModelRef(name, trained.name)


def _begin_candidate(store: Store, model: ModelRef, now: datetime, policy: str) -> None:
    with store.writing() as connection:
        if not any(candidate.model == model for candidate in candidates.present(connection)):
            candidates.add(connection, model, sample=1.0, replay_from=None, now=now, policy=policy)
