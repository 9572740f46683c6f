"""Each process follows the newest deployment: it switches whole, or keeps what it has and says so."""

from __future__ import annotations

import threading

import pytest
from patience import PATIENCE_SECONDS

from api import live
from api.live import OtherArtifact
from api.model_watch import CHECK_SECONDS, ModelWatch
from model_package import artifact, manifest
from model_package.artifact import AlteredArtifact
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from shadow import rollout
from shadow.records import Deployment, DeploymentKind
from shadow.settings import sqlite_url
from shadow.store import deployments, open_store

ONE, TWO = ModelRef("plain", "1"), ModelRef("plain", "2")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Follower:
    """The model watch of a process, run by hand, and its parts."""

    def __init__(self, bench, store=None):
        self.bench = bench
        self.clock = Clock()
        measured = bench.app.extensions["umbra"].metrics
        settings = bench.settings
        self.model_watch = ModelWatch(
            bench.live, store or bench.store, settings.models, settings.data_dir, measured, self.clock
        )

    def look(self):
        return self.model_watch.check()

    @property
    def served(self):
        return str(self.bench.live.serving().ref)

    def deploy(self, model=TWO, digest=None):
        deployment = Deployment(
            model, self.bench.now, "test", "why", kind=DeploymentKind.PROMOTION, artifact_digest=digest
        )
        with self.bench.store.writing() as connection:
            return deployments.append(connection, deployment)

    def failures(self):
        return self.bench.value("umbra_switch_failures_total")


@pytest.fixture
def follower(bench, caplog):
    """plain@1 is served, plain@2 is there to be deployed."""
    caplog.set_level("INFO")
    files = {"card.json": b"{}", "profile.json": b"{}"}
    artifact.save(bench.settings.models, "plain", "plain", lambda _: files, lambda _: None)
    return Follower(bench)


def events(caplog, name):
    return [record.fields for record in caplog.records if record.getMessage() == name]


def spoil(follower, version="2"):
    """Alter an artifact; gives what undoes it."""
    card = follower.bench.settings.models / "plain" / version / "card.json"
    as_saved = card.read_bytes()
    card.unlink()
    card.write_bytes(as_saved + b" ")

    def mend():
        card.write_bytes(as_saved)

    return mend


def test_nothing_new_changes_nothing(follower, caplog):
    before = follower.bench.live.serving()
    assert follower.look() == CHECK_SECONDS
    assert follower.bench.live.serving() is before
    assert events(caplog, "switched") == []


def test_a_new_deployment_is_served_shown_logged_and_remembered(follower, caplog):
    deployment = follower.deploy()
    follower.look()
    follower.look()
    assert follower.served == "plain@2"
    assert follower.bench.post().json["model"] == {"name": "plain", "version": "2"}
    assert follower.bench.value("umbra_live_model_info", model="plain@2") == 1
    assert follower.bench.value("umbra_live_model_info", model="plain@1") == 0
    (line,) = events(caplog, "switched")
    assert (line["live_model"], line["previous_model"], line["deployment"]) == (
        "plain@2",
        "plain@1",
        deployment.id,
    )
    assert rollout.read_last_served(follower.bench.settings.data_dir) == deployment


def test_several_deployments_between_two_looks_are_one_switch_to_the_newest(follower, caplog):
    follower.deploy(TWO)
    follower.deploy(ONE)
    newest = follower.deploy(TWO)
    follower.look()
    assert follower.bench.live.serving().deployment == newest
    assert len(events(caplog, "switched")) == 1


def test_what_cannot_be_loaded_changes_no_answer_and_is_told_once(follower, caplog):
    mend = spoil(follower)
    follower.deploy()
    for _ in range(3):
        assert follower.look() == CHECK_SECONDS
        follower.clock.now += 60
    assert follower.served == "plain@1"
    assert follower.bench.post().json["model"] == {"name": "plain", "version": "1"}
    assert follower.bench.client.get("/readyz").json == {
        "status": "ready",
        "model": "plain@1",
        "wanted": "plain@2",
    }
    (line,) = events(caplog, "switch_failed")
    assert (line["live_model"], line["wanted_model"]) == ("plain@1", "plain@2")
    assert follower.failures() == 3
    mend()
    follower.clock.now += 60
    follower.look()
    assert follower.served == "plain@2"
    assert follower.bench.client.get("/readyz").json["wanted"] == "plain@2"


def test_it_is_tried_again_ever_more_slowly_but_a_newer_deployment_at_once(follower, caplog):
    spoil(follower)
    follower.deploy()
    tries = []
    for _ in range(400):
        follower.look()
        tries.append(follower.failures())
        follower.clock.now += CHECK_SECONDS
    assert 8 < tries[-1] < 20
    newest = follower.deploy(ONE)
    follower.look()
    assert follower.bench.live.serving().deployment == newest
    assert follower.bench.client.get("/readyz").json["wanted"] == "plain@1"
    third = follower.deploy(TWO)
    follower.look()
    assert [line["wanted_model"] for line in events(caplog, "switch_failed")] == ["plain@2", "plain@2"]
    assert third.id > newest.id


def test_an_artifact_of_the_same_name_that_is_another_one_is_not_served(follower, caplog):
    follower.deploy(TWO, digest="0" * 64)
    follower.look()
    assert follower.served == "plain@1"
    error = next(record.error for record in caplog.records if record.getMessage() == "switch_failed")
    assert isinstance(error, OtherArtifact)
    right = artifact.load(follower.bench.settings.models / "plain" / "2").digest
    follower.deploy(TWO, digest=right)
    follower.look()
    assert follower.served == "plain@2"


def test_while_the_store_is_away_it_serves_on_and_looks_less_often_but_within_bounds(follower, tmp_path):
    away = open_store(sqlite_url(tmp_path / "no" / "such" / "folder" / "umbra.db"))
    lost = Follower(follower.bench, away)
    pauses = [lost.look() for _ in range(6)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (CHECK_SECONDS, 2.0)
    assert lost.served == "plain@1"


def test_the_thread_follows_by_itself_and_ends_when_it_is_told_to(follower):
    follower.model_watch.start()
    deployment = follower.deploy()
    deadline = threading.Event()
    for _ in range(400):
        if follower.bench.live.serving().deployment == deployment:
            break
        deadline.wait(0.05)
    assert follower.served == "plain@2"
    follower.model_watch.stop()
    assert "umbra-switching" not in {thread.name for thread in threading.enumerate()}


def test_whatever_the_store_gives_the_thread_lives_on(follower, caplog):
    class Odd:
        """A store of which a later Umbra has written the newest row."""

        reads = threading.Semaphore(0)

        def deployment(self):
            self.reads.release()
            raise ValueError("'canary' is not a valid DeploymentKind")

    odd = Odd()
    lost = Follower(follower.bench, odd)
    lost.model_watch.start()
    assert all(odd.reads.acquire(timeout=PATIENCE_SECONDS) for _ in range(3))
    lost.model_watch.stop()
    assert lost.served == "plain@1"
    assert events(caplog, "switch_failed")[0]["live_model"] == "plain@1"


def test_a_start_whose_deployment_cannot_be_loaded_serves_what_was_served_before_and_says_so(
    follower, caplog
):
    settings = follower.bench.settings
    live.load(settings)  # plain@1, remembered
    mend = spoil(follower)
    deployment = follower.deploy()
    assert str(live.load(settings).ref) == "plain@1"
    (line,) = events(caplog, "switch_failed")
    assert (line["live_model"], line["wanted_model"]) == ("plain@1", "plain@2")
    mend()
    assert live.load(settings).deployment == deployment


def test_a_start_with_nothing_served_before_fails_with_the_reason(follower):
    settings = follower.bench.settings
    (settings.data_dir / "deployment.json").unlink(missing_ok=True)
    spoil(follower)
    follower.deploy()
    with pytest.raises(AlteredArtifact):
        live.load(settings)


def test_a_start_whose_one_model_is_altered_fails_with_the_reason(follower):
    live.load(follower.bench.settings)
    spoil(follower, "1")
    with pytest.raises(AlteredArtifact):
        live.load(follower.bench.settings)


def test_an_answer_under_way_keeps_the_model_it_began_with(follower):
    serving = follower.bench.live.serving()
    follower.deploy()
    follower.look()
    assert serving.price([EXAMPLE]) == [100.0 * EXAMPLE["living_area"]]
    assert (serving.label, follower.served) == ("plain@1", "plain@2")


def test_the_first_model_is_refused_once_it_is_altered_together_with_its_manifest(follower):
    """Every file agrees with the manifest; the deployment knows another one."""
    settings = follower.bench.settings
    directory = settings.models / "plain" / "1"
    stated = manifest.read(directory)
    files = manifest.contents(directory, stated) | {"card.json": b'{"altered": true}'}
    for name, content in {
        **files,
        manifest.MANIFEST: manifest.compose(stated.name, stated.version, stated.recipe, files),
    }.items():
        (directory / name).unlink()
        (directory / name).write_bytes(content)
    artifact.verify(directory)
    with pytest.raises(OtherArtifact, match="plain@1"):
        live.load(settings)
