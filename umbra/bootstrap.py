"""Bootstrap an installation before its first answer: tables, two models, the first deployment.

Each step is done only if its result is missing, so that preparing again changes nothing.
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
    """Create what is missing and return the current deployment; `train` trains and saves one recipe.

    A linear model goes live first, and a gradient-boosting one becomes its candidate, judged by the policy
    for the purpose; later decisions of people stay. Raises OtherPurpose, before any change, when directory
    or store are for the other purpose.
    """
    purposes.check(settings, store, purpose)
    migrate(store)
    purposes.mark(settings, store, purpose, now)
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    deployment = store.deployment()
    if deployment is None:
        live = newest_or_trained(settings.models, LIVE_RECIPE, train)
        candidate = newest_or_trained(settings.models, CANDIDATE_RECIPE, train)
        _begin_candidate(store, candidate, now, policies.for_purpose(purpose).text)
        deployment = rollout.first_deployment(store, settings.models, live, by, now)
    deployment = rollout.pin_artifact(store, settings.models, deployment)
    (settings.data_dir / "example.json").write_text(json.dumps(schema.EXAMPLE, indent=1), encoding="utf-8")
    return deployment


def newest_or_trained(models: Path, name: str, train: Train) -> ModelRef:
    """Find the newest artifact called `name`, or train one; raises BelowStandard.

    Artifacts that were trained or evaluated on too few sales do not count: their error may look the best.
    """
    for model_name, version in reversed(artifact.listing(models)):
        reference = ModelRef(model_name, version)
        if (
            model_name == name
            and card.read_small_sample_warning(artifact.directory_of(models, reference)) is None
        ):
            return reference
    trained = train(name)
    if few := card.read_small_sample_warning(trained):
        raise BelowStandard(
            f"{name}@{trained.name} was {few}; it was saved and does not go live first: give more sales with "
            "--data, or leave it out, for made-up ones"
        )
    return ModelRef(name, trained.name)


def _begin_candidate(store: Store, model: ModelRef, now: datetime, policy: str) -> None:
    with store.writing() as connection:
        if not any(candidate.model == model for candidate in candidates.present(connection)):
            candidates.add(connection, model, sample=1.0, replay_from=None, now=now, policy=policy)
