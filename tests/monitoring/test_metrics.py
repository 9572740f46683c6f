"""Metrics: declared well, right over several processes, and never in the way of the process that counts."""

from __future__ import annotations

import os
import re
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from monitoring import metrics
from monitoring.metrics.buckets import geometric

COUNT_IN_TWO_PROCESSES = """
    import os, sys
    from pathlib import Path
    from monitoring import metrics

    directory = Path(sys.argv[1])
    assert metrics.prepare_directory(directory)
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            mine = metrics.serving(directory)
            mine.requests["POST", "/v1/predictions", "200"].inc()
            mine.price_dollars[("live",)].observe(181_000)
            mine.live_model[("linear@1",)].set(1)
            mine.requests_in_flight.inc()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        if len(sys.argv) > 2:
            metrics.worker_exited(directory, pid)
    """


def _value(samples, name, **labels):
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def served():
    servers = []

    def serve(**arguments):
        server = metrics.serve("127.0.0.1", 0, **arguments)
        servers.append(server)
        return server.port

    yield serve
    for server in servers:
        server.close()


def test_counts_of_two_processes_add_up(tmp_path, run_script, scrape, served):
    done = run_script(COUNT_IN_TWO_PROCESSES, str(tmp_path))
    assert done.returncode == 0, done.stderr
    samples = scrape(served(directory=tmp_path))
    assert _value(samples, "umbra_requests_total", method="POST", route="/v1/predictions", status="200") == 2
    assert _value(samples, "umbra_prediction_price_dollars_count", role="live") == 2
    assert _value(samples, "umbra_prediction_price_dollars_bucket", role="live", le="178000.0") == 0
    assert _value(samples, "umbra_prediction_price_dollars_bucket", role="live", le="237000.0") == 2
    assert _value(samples, "umbra_live_model_info", model="linear@1") == 2
    assert _value(samples, "umbra_metrics_files_readable") == 1


def test_a_process_that_is_gone_leaves_its_counts_but_not_its_gauges(tmp_path, run_script, scrape, served):
    done = run_script(COUNT_IN_TWO_PROCESSES, str(tmp_path), "exited")
    assert done.returncode == 0, done.stderr
    samples = scrape(served(directory=tmp_path))
    assert _value(samples, "umbra_requests_total", method="POST", route="/v1/predictions", status="200") == 2
    assert ("umbra_requests_in_flight", frozenset()) not in samples
    assert sum(file.stat().st_size for file in tmp_path.glob("*.db")) < 64 * 1024


def test_however_many_processes_end_their_files_stay_few_and_no_scrape_misses_or_doubles_a_count(
    tmp_path, run_script
):
    script = """
        import os, sys, threading, urllib.request
        from pathlib import Path
        from monitoring import metrics

        directory = Path(sys.argv[1])
        assert metrics.prepare_directory(directory)
        port = metrics.serve("127.0.0.1", 0, directory=directory).port

        def counted():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                lines = answer.read().decode().splitlines()
            found = [line.split()[1] for line in lines if line.startswith("umbra_captures_written_total ")]
            return float(found[0]) if found else 0.0

        wrong, over, known = [], threading.Event(), [0.0]

        def watch():
            while not over.is_set():
                low, seen, high = known[0], counted(), 10.0 * started[0]
                if not low <= seen <= high or seen % 10:
                    wrong.append((low, seen, high))

        started = [0]
        watching = threading.Thread(target=watch)
        watching.start()
        for number in range(1, 41):
            started[0] = number
            pid = os.fork()
            if pid == 0:
                mine = metrics.serving(directory)
                mine.captures_written.inc(10)
                mine.price_dollars[("live",)].observe(181_000)
                os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
            known[0] = 10.0 * number
            metrics.worker_exited(directory, pid)
        over.set()
        watching.join()
        assert wrong == [], wrong
        assert counted() == 400
        print(sorted(file.name for file in directory.iterdir()))
        """
    done = run_script(script, str(tmp_path / "api"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['counter_ended.db', 'histogram_ended.db']"


@pytest.mark.parametrize("kind", ["a link", "another user's directory"])
def test_a_directory_that_somebody_else_made_is_not_used(tmp_path, kind):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "counter_1.db").write_bytes(b"precious")
    shared = tmp_path / "shared"
    if kind == "a link":
        shared.symlink_to(victim)
    else:
        shared.mkdir()
        if os.getuid() != 0:
            pytest.skip("needs the right to give a directory away")
        os.chown(shared, 65534, 65534)
    assert not metrics.prepare_directory(shared)
    assert not metrics.prepare_directory(shared / "api")
    assert [file.read_bytes() for file in victim.iterdir()] == [b"precious"]


def test_a_link_among_the_files_is_removed_and_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    directory = tmp_path / "api"
    directory.mkdir()
    for name in ("counter_1.db", "probe", "probe.new", f"counter_{os.getpid()}.new"):
        (directory / name).symlink_to(victim)
    assert metrics.prepare_directory(directory)
    assert list(directory.iterdir()) == []
    assert victim.read_bytes() == b"precious"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_process_that_inherits_the_id_of_a_dead_one_counts_on(tmp_path, run_script, scrape, served):
    script = """
        import os, sys
        from pathlib import Path
        from monitoring import metrics

        directory = Path(sys.argv[1])
        metrics.serving(directory).captures_written.inc(3)
        metrics.worker_exited(directory, os.getpid())
        again = metrics.serving(directory)
        again.captures_written.inc(4)
        for n in range(5000):
            again.requests["GET", "/made-up", str(n)].inc()
        """
    done = run_script(script, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert _value(scrape(served(directory=tmp_path)), "umbra_captures_written_total") == 7


def test_files_never_grow_past_what_was_allocated(tmp_path, run_script):
    script = """
        import sys
        from pathlib import Path
        from monitoring import metrics

        directory = Path(sys.argv[1])
        mine = metrics.serving(directory)
        before = {p.name: p.stat().st_size for p in directory.iterdir()}
        for n in range(5000):
            mine.requests["GET", "/made-up", str(n)].inc()
            mine.request_seconds[(f"/made-up/{n}",)].observe(0.1)
        assert {p.name: p.stat().st_size for p in directory.iterdir()} == before
        assert all(p.stat().st_blocks * 512 >= p.stat().st_size for p in directory.iterdir())
        """
    done = run_script(script, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_full_file_system_switches_metrics_off_and_kills_nobody(tiny_disk, run_script):
    script = """
        import sys
        from pathlib import Path
        from monitoring import logs, metrics

        logs.configure("umbra.api", "INFO", None)
        directory = Path(sys.argv[1])
        assert metrics.prepare_directory(directory)
        (directory / "filler").write_bytes(bytes(60 * 1024))
        mine = metrics.serving(directory)
        mine.requests["POST", "/v1/predictions", "200"].inc()
        for n in range(1000):
            mine.price_dollars[("live",)].observe(n * 1000)
        assert not list(directory.glob("*.db"))
        """
    done = run_script(script, str(tiny_disk))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("metrics_off") == 1


@pytest.mark.parametrize("kind", ["a file in its place", "a parent that is a file"])
def test_a_directory_that_cannot_be_used_switches_metrics_off(tmp_path, run_script, kind):
    blocker = tmp_path / "metrics"
    blocker.write_text("in the way")
    directory = blocker if kind == "a file in its place" else blocker / "inside"
    script = """
        import sys
        from pathlib import Path
        from monitoring import logs, metrics

        logs.configure("umbra.api", "INFO", None)
        assert not metrics.prepare_directory(Path(sys.argv[1]))
        mine = metrics.serving(Path(sys.argv[1]))
        mine.captures_written.inc()
        """
    done = run_script(script, str(directory))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("metrics_off") == 2
    assert blocker.read_text() == "in the way"


def test_preparing_wipes_old_metrics_and_nothing_else(tmp_path):
    (tmp_path / "counter_17.db").write_bytes(b"stale")
    (tmp_path / "umbra.db").write_bytes(b"precious")
    assert metrics.prepare_directory(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["umbra.db"]


def test_a_broken_file_is_reported_and_the_rest_still_served(tmp_path, scrape, served):
    (tmp_path / "counter_1.db").write_bytes(b"\xff\x00\x00\x00\x00\x00\x00\x00" + b"\x99" * 500)
    samples = scrape(served(directory=tmp_path, readings=[lambda: {"umbra_journal_bytes": 12}]))
    assert _value(samples, "umbra_metrics_files_readable") == 0
    assert _value(samples, "umbra_journal_bytes") == 12


def test_readings_are_computed_at_each_scrape(scrape, served):
    sizes = iter([10, 20])
    port = served(readings=[lambda: {"umbra_journal_bytes": next(sizes)}])
    assert [_value(scrape(port), "umbra_journal_bytes") for _ in range(2)] == [10, 20]


def test_readings_carry_labels_and_one_that_fails_hides_no_other(scrape, served):
    def broken():
        raise ConnectionError("store away")

    def undeclared():
        return {"umbra_made_up": 1}

    def lag():
        return {"umbra_candidate_lag_captures": {"gbm@2": 40, ("gbm@3",): 2}}

    samples = scrape(served(readings=[broken, undeclared, lag]))
    assert samples == {
        ("umbra_candidate_lag_captures", frozenset({("candidate", "gbm@2")})): 40,
        ("umbra_candidate_lag_captures", frozenset({("candidate", "gbm@3")})): 2,
    }


def test_this_process_own_registry_is_served_beside_them(scrape, served):
    registry = CollectorRegistry()
    metrics.shadowing(None, registry).observations["gbm@2", "scored"].inc(5)
    samples = scrape(served(registries=[registry]))
    assert _value(samples, "umbra_candidate_observations_total", candidate="gbm@2", state="scored") == 5


def test_metrics_are_found_at_metrics_only_with_a_content_type_prometheus_3_accepts(served):
    port = served()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)


def test_a_port_in_use_is_an_error_of_the_caller(served):
    with pytest.raises(OSError, match="in use"):
        metrics.serve("127.0.0.1", served())


def test_every_metric_follows_the_naming_rules():
    for name in metrics.names():
        assert re.fullmatch(r"umbra_[a-z_]+", name)
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|count|sum|bucket)(_|$)", name)


def test_every_gauge_says_how_processes_combine():
    registry = CollectorRegistry()
    declared = [metrics.serving(None, registry), metrics.shadowing(None, CollectorRegistry())]
    gauges = [g for m in declared for g in vars(m).values() if getattr(_metric(g), "_type", "") == "gauge"]
    assert len(gauges) >= 4
    assert all(_metric(gauge)._multiprocess_mode.startswith("live") for gauge in gauges)


def _metric(held):
    return held.metric if isinstance(held, metrics.Children) else held


def test_price_edges_are_geometric_with_one_beyond_each_end():
    assert metrics.PRICE_DOLLARS[:3] == (7500.0, 10_000.0, 13_300.0)
    assert metrics.PRICE_DOLLARS[-2:] == (2_370_000.0, 3_160_000.0)
    steps = [b / a for a, b in zip(metrics.PRICE_DOLLARS, metrics.PRICE_DOLLARS[1:], strict=False)]
    assert all(1.32 < step < 1.345 for step in steps)
    assert geometric(10, 100, 2) == (3.16, 10.0, 31.6, 100.0, 316.0)


def test_an_objective_can_be_read_off_an_edge():
    wanted = {0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0}
    assert set(metrics.DURATION_SECONDS) == wanted


def test_a_dropped_log_line_is_counted(tmp_path: Path, run_script):
    script = """
        import logging
        from prometheus_client import CollectorRegistry
        from monitoring import logs, metrics

        registry = CollectorRegistry()
        logs.configure("umbra.api", "INFO", None, descriptor=987)
        metrics.serving(None, registry)
        logs.event(logging.getLogger("x"), "lost")
        logs.flush()
        assert registry.get_sample_value("umbra_log_lines_dropped_total") == 1
        """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_observing_all_at_once_counts_as_observing_one_by_one(count):
    amounts = [float(edge) * factor for edge in metrics.PRICE_DOLLARS for factor in (0.5, 1, 7)][:count]
    counted = []
    for observe in (metrics.observe_all, lambda histogram, all_: [histogram.observe(one) for one in all_]):
        registry = CollectorRegistry()
        observe(metrics.serving(None, registry).price_dollars[("live",)], amounts)
        [family] = [one for one in registry.collect() if one.name == "umbra_prediction_price_dollars"]
        counted.append(
            {
                (sample.name, sample.labels.get("le")): sample.value
                for sample in family.samples
                if not sample.name.endswith("_created")
            }
        )
    sums = [figures.pop(("umbra_prediction_price_dollars_sum", None)) for figures in counted]
    assert sums[0] == pytest.approx(sums[1])
    assert counted[0] == counted[1]
