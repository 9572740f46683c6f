"""Which model is live is asked of the store, and remembered for a start without it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shadow import rollout
from shadow.records import ModelRef
from shadow.rollout import NoDeployment
from shadow.settings import Settings
from shadow.store import open_store
from shadow.store.schema import migrate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAY = "postgresql://umbra:canary@127.0.0.1:1/umbra"
LINEAR, GBM = ModelRef("linear", "1"), ModelRef("gbm", "1")


def test_the_first_model_goes_live_once(store_url: str, settings: Callable[..., Settings]) -> None:
    here = settings(store_url=store_url)
    store = open_store(store_url)
    migrate(store)
    first = rollout.first_deployment(store, LINEAR, "somebody", NOW)
    assert rollout.first_deployment(store, GBM, "somebody else", NOW) == first
    assert rollout.current_deployment(here) == first
    assert (first.live, first.since, first.by) == (LINEAR, NOW, "somebody")
    store.close()


def test_without_the_store_the_last_known_model_stays_live(settings: Callable[..., Settings]) -> None:
    here = settings()
    here.data_dir.mkdir()
    store = open_store(here.store)
    migrate(store)
    deployed = rollout.first_deployment(store, LINEAR, "somebody", NOW)
    store.close()
    rollout.remember(here.data_dir, deployed)
    assert rollout.current_deployment(settings(store_url=AWAY)) == deployed


def test_without_store_and_memory_it_says_what_to_do(settings: Callable[..., Settings]) -> None:
    with pytest.raises(NoDeployment, match="start the store") as caught:
        rollout.current_deployment(settings(store_url=AWAY))
    assert "canary" not in str(caught.value)


def test_a_store_without_deployment_says_so(store_url: str, settings: Callable[..., Settings]) -> None:
    migrate(open_store(store_url))
    with pytest.raises(NoDeployment, match="umbra prepare"):
        rollout.current_deployment(settings(store_url=store_url))
