"""Shadow pipeline: from the answered house to the scored one, with what is lost or late on the way."""

from __future__ import annotations

from grafana.source import dashboard, limits
from grafana.source.dashboard import Dashboard
from grafana.source.grid import Section
from grafana.source.panels import Heatmap, Query, Stat, TimeSeries
from grafana.source.promql import CANDIDATE, JOB, WORKER, buckets, count, newest, quantile, rate
from grafana.source.style import BAD, CANDIDATE_SCHEME, GOOD, LIVE_COLOR, QUIET, Look
from grafana.source.table import Column, Table

BYTES = "umbra_journal_bytes"
BOUND = "umbra_journal_bound_bytes"
AGE = "umbra_journal_oldest_entry_age_seconds"
FREE = f"umbra_journal_disk_free_bytes{{{WORKER}}} / umbra_journal_disk_size_bytes{{{WORKER}}}"
STORE_FREE = f"umbra_store_disk_free_bytes{{{WORKER}}} / umbra_store_disk_size_bytes{{{WORKER}}}"
LAG = "umbra_candidate_lag_seconds"
BATCH = "umbra_candidate_batch_duration_seconds"
OBSERVATIONS = "umbra_candidate_observations_total"
FAILURES = "umbra_candidate_failures_total"
OF_AN_HOUR = 'candidate:umbra_shadow_coverage:ratio_increase1h{candidate=~"$candidate"}'
OF_MINUTES = (
    'sum by (candidate) (rate(umbra_candidate_observations_total{state="scored",candidate=~"$candidate"}'
    "[$__rate_interval]))"
    ' / (max by (candidate) (umbra_candidate_sample_ratio{candidate=~"$candidate"} > 0)'
    ' * on () group_left () sum(rate(umbra_predictions_total{role="live"}[$__rate_interval])))'
)
COVERAGE = f"{OF_AN_HOUR} or {OF_MINUTES}"
"""The ratio of the alert; of the last minutes, until a candidate has been sampled for an hour."""
TAKEN = f"{rate('umbra_captures_written_total', JOB)} + {rate('umbra_captures_late_total', JOB)}"
MISSING = newest("umbra_ledger_missing_houses", CANDIDATE, "candidate")
HELD_BACK = newest("umbra_candidate_breaker_open", CANDIDATE, "candidate")
FAILED = f'{CANDIDATE}, state="failed"'
FAILED_SHARE = f"{rate(OBSERVATIONS, FAILED, 'candidate')} / {rate(OBSERVATIONS, CANDIDATE, 'candidate')}"


def houses(state: str) -> str:
    """Return the query for the candidates' houses in one state of the ledger."""
    return newest("umbra_ledger_houses", f'{CANDIDATE}, state="{state}"', "candidate")


AT_A_GLANCE = Section(
    "At a glance",
    (
        Stat(
            title="Store",
            unit="none",
            scale=limits.NEEDED,
            mappings=limits.STORE,
            filled=True,
            spark=False,
            shows="Whether every worker gets answers from the database.",
            normal="up.",
            act="Live answers go on and captures wait on disk. Bring the database back; see *Journal* for the "
            "time left.",
            queries=[Query(f"min(umbra_store_up{{{WORKER}}})", "store", instant=True)],
        ),
        Stat(
            title="Journal full",
            unit="percentunit",
            scale=limits.JOURNAL_USED,
            decimals=1,
            shows="The fullest journal, as a share of its bound.",
            normal="Near 0: ingest empties it all the time.",
            act="Rising: store away or worker stopped. At 100 % captures are dropped; raise "
            "`UMBRA_JOURNAL_MAX_BYTES`.",
            queries=[Query(f"max({BYTES}{{{WORKER}}} / {BOUND}{{{WORKER}}})", "full")],
        ),
        Stat(
            title="Oldest waiting",
            unit="s",
            scale=limits.WAITING,
            decimals=0,
            shows="Age of the oldest capture that is not in the store yet.",
            normal="Below a second or two.",
            act="Above a minute: is *Store* up, does *Ingest* store anything?",
            queries=[Query(f"max({AGE}{{{WORKER}}})", "age")],
        ),
        Stat(
            title="Captures dropped",
            unit="short",
            scale=limits.NONE_ALLOWED,
            spark=False,
            decimals=0,
            shows="Answered houses that the journal could not take, over the time shown.",
            normal="0.",
            act="By reason under *Saturation* in *Service*; what to do in docs/operations.md.",
            queries=[Query(count("umbra_captures_dropped_total", JOB), "dropped", instant=True)],
        ),
        Stat(
            title="Largest lag",
            unit="s",
            scale=limits.WAITING,
            decimals=0,
            shows="Age of the oldest capture in the store that some candidate has not looked at.",
            normal="Seconds; hours while a candidate replays history.",
            act="*Lag* says which candidate; breaker open, or slower than the traffic?",
            queries=[Query(f"max({LAG}{{{CANDIDATE}}})", "lag")],
        ),
        Stat(
            title="Least coverage",
            unit="percentunit",
            scale=limits.COVERED,
            decimals=1,
            shows="Share of the houses it should have scored in the last hour that the worst candidate did "
            "score.",
            normal="99 % or more (UmbraShadowCoverage). Of the last minutes only, and less steady, for an hour "
            "after a candidate was added or resumed.",
            act="Lag: it is behind. Failures: it cannot. Evidence from such a sample may mislead.",
            queries=[Query(f"min({COVERAGE})", "coverage")],
        ),
        Stat(
            title="Missing houses",
            unit="short",
            scale=limits.NONE_ALLOWED,
            spark=False,
            decimals=0,
            shows="Houses that the ledgers cannot account for, or account for twice.",
            normal="0, always.",
            act="A defect, or rows changed by hand: keep the database as it is and report it (`umbra status`).",
            queries=[Query(f"sum(abs({MISSING}))", "missing", instant=True)],
        ),
        Stat(
            title="Breakers open",
            unit="short",
            scale=limits.NONE_ALLOWED,
            spark=False,
            decimals=0,
            shows="Candidates that are held back because their model's process cannot be kept alive.",
            normal="0.",
            act="The log event `lane_state` says why; their captures wait meanwhile.",
            queries=[Query(f"sum({HELD_BACK})", "open", instant=True)],
        ),
    ),
)

JOURNAL = Section(
    "Journal",
    (
        TimeSeries(
            title="Journal on disk",
            unit="bytes",
            table=True,
            logarithmic=True,
            minimum=None,
            looks=(Look("/bound$/", color=BAD, dashed=True),),
            shows="Bytes of journal, against the bound at which captures begin to be dropped; and of files that "
            "were stored and are kept, which do not count.",
            normal="Level, far below the red line: an open file per API process.",
            act="Climbing: read off when it meets the line. That is the time left to bring store or worker back.",
            queries=[
                Query(f"{BYTES}{{{WORKER}}}", "{{instance}}"),
                Query(f"umbra_journal_kept_bytes{{{WORKER}}}", "kept {{instance}}"),
                Query(f"max({BOUND}{{{WORKER}}})", "bound"),
            ],
        ),
        TimeSeries(
            title="Oldest capture not stored yet",
            unit="s",
            limits=True,
            scale=limits.WAITING,
            shows="Age of the oldest capture that waits in the journal.",
            normal="Below a second or two.",
            act="A straight climb: ingest stands still since its foot. A level line high up: ingest is too slow.",
            queries=[Query(f"{AGE}{{{WORKER}}}", "{{instance}}")],
        ),
        TimeSeries(
            title="Free disk",
            unit="percentunit",
            width=8,
            limits=True,
            scale=limits.DISK_FREE,
            maximum=1,
            shows="Share of the journal's disk that is free, and of the database's where it is known "
            "(`UMBRA_STORE_DISK_DIR`, SQLite).",
            normal="Above 20 %.",
            act="Below 5 % UmbraDiskFull or UmbraStoreDiskFull pages: their runbooks say how to make room.",
            queries=[Query(FREE, "journal {{instance}}"), Query(STORE_FREE, "database {{instance}}")],
        ),
        TimeSeries(
            title="Database",
            unit="bytes",
            width=8,
            minimum=None,
            shows="Bytes of the database.",
            normal="Grows evenly with the traffic, and stays level once `umbra prune` runs daily.",
            act="Steeper than the traffic: keep less (`umbra prune`), or give its disk more room.",
            queries=[Query(f"max(umbra_store_bytes{{{WORKER}}})", "database")],
        ),
        TimeSeries(
            title="Set aside",
            unit="short",
            width=8,
            limits=True,
            scale=limits.NONE_ALLOWED,
            steps=True,
            decimals=0,
            shows="Journal files set aside or held up, damaged entries over the time of one rate interval, and "
            "captures that the database has forgotten.",
            normal="0.",
            act="`umbra journal` names the files. Damaged entries: look at the disk. Forgotten captures: the "
            "database was restored from an older copy.",
            queries=[
                Query(f"umbra_journal_refused_files{{{WORKER}}}", "set aside {{instance}}"),
                Query(f"umbra_journal_held_up_files{{{WORKER}}}", "held up {{instance}}"),
                Query(f"umbra_store_missing_captures{{{WORKER}}}", "forgotten captures {{instance}}"),
                Query(
                    "sum by (instance) (increase(umbra_journal_damaged_entries_total"
                    f"{{{WORKER}}}[$__rate_interval]))",
                    "damaged entries {{instance}}",
                ),
            ],
        ),
    ),
)

INGEST = Section(
    "Ingest",
    (
        TimeSeries(
            title="Captures written and stored",
            unit="cps",
            table=True,
            looks=(
                Look("written by the API", color=LIVE_COLOR),
                Look("stored by ingest", color=GOOD),
                Look("batches", color=QUIET, dashed=True),
            ),
            shows="Captures a second that the API put into the journal, and that ingest moved into the store; "
            "and "
            "transactions a second.",
            normal="Two lines on each other.",
            act="Stored below written: the journal grows. Stored above: it catches up.",
            queries=[
                Query(TAKEN, "written by the API"),
                Query(rate("umbra_ingest_captures_stored_total", WORKER), "stored by ingest"),
                Query(rate("umbra_ingest_batches_total", WORKER), "batches"),
            ],
        ),
        TimeSeries(
            title="Ingest batch durations",
            unit="s",
            table=True,
            logarithmic=True,
            minimum=None,
            shows="Time to read, decode and store one batch of captures.",
            normal="Tens of milliseconds.",
            act="Seconds: the database is slow or locked; look at its own figures.",
            queries=[
                Query(quantile(q, "umbra_ingest_batch_duration_seconds", WORKER), f"p{q * 100:g}")
                for q in (0.5, 0.99)
            ],
        ),
    ),
)

CANDIDATES = Section(
    "Candidates",
    (
        Table(
            title="Ledger",
            unit="short",
            decimals=0,
            width=24,
            height=6,
            sorted_by="Candidate",
            shows="Every eligible house of each candidate in exactly one state.",
            normal="Scored nearly all, pending a few, missing 0; sampled out as the sample says.",
            act="Failed: *Failures by reason*. Dropped: the journal. Missing not 0: a defect, report it.",
            columns=(
                Column("Candidate", label="candidate"),
                Column("Sample", expr=newest("umbra_candidate_sample_ratio", CANDIDATE, "candidate")),
                Column("Scored", expr=houses("scored")),
                Column("Sampled out", expr=houses("sampled_out")),
                Column("Failed", expr=houses("failed")),
                Column("Dropped", expr=houses("dropped")),
                Column("Pending", expr=houses("pending")),
                Column("Missing", expr=MISSING),
                Column("Coverage, 1 h", expr=COVERAGE),
                Column("Lag", expr=newest(LAG, CANDIDATE, "candidate")),
                Column("Breaker", expr=HELD_BACK),
            ),
            looks=(
                Look("Sample", unit="percentunit"),
                Look("Failed", cell="color-text", scale=limits.FAILED_HOUSES),
                Look("Dropped", cell="color-text", scale=limits.NONE_ALLOWED),
                Look("Missing", cell="color-background", scale=limits.BALANCED),
                Look(
                    "Coverage, 1 h", unit="percentunit", decimals=1, cell="color-text", scale=limits.COVERED
                ),
                Look("Lag", unit="s", cell="color-text", scale=limits.WAITING),
                Look("Breaker", cell="color-background", scale=limits.NONE_ALLOWED, mappings=limits.BREAKER),
            ),
        ),
        TimeSeries(
            title="Lag",
            unit="s",
            table=True,
            limits=True,
            scale=limits.WAITING,
            shows="Age of the oldest capture in the store that the candidate has not looked at.",
            normal="Seconds. A replay starts high and falls.",
            act="Climbing: paused, breaker open, or slower than the traffic (see batch durations).",
            queries=[Query(newest(LAG, CANDIDATE, "candidate"), "{{candidate}}")],
        ),
        TimeSeries(
            title="Captures waiting",
            unit="short",
            table=True,
            decimals=0,
            shows="Captures in the store that the candidate has not looked at.",
            normal="Below one batch (`UMBRA_CANDIDATE_BATCH_ROWS`).",
            act="As for *Lag*; how steeply it falls tells when a replay will be through.",
            queries=[Query(newest("umbra_candidate_lag_captures", CANDIDATE, "candidate"), "{{candidate}}")],
        ),
        TimeSeries(
            title="Coverage",
            unit="percentunit",
            limits=True,
            scale=limits.COVERED,
            shows="Share of the last hour's houses that a candidate should have scored and did. Above 100 % "
            "while it "
            "catches up.",
            normal="99 % or more. Of the last minutes only, and less steady, for an hour after a candidate was "
            "added or resumed.",
            act="Below: lag or failures. Evidence from such a sample may mislead. UmbraShadowCoverage allows for "
            "chance: 100 houses an hour, and three standard deviations of a sample.",
            queries=[Query(COVERAGE, "{{candidate}}")],
        ),
        TimeSeries(
            title="Candidate batch durations",
            unit="s",
            table=True,
            logarithmic=True,
            minimum=None,
            shows="p99 of the time for a candidate to read, score and store one batch.",
            normal="Below a second.",
            act="Near `UMBRA_CANDIDATE_DEADLINE_SECONDS` its process is killed as hung: smaller batches, or a "
            "smaller model.",
            queries=[Query(quantile(0.99, BATCH, CANDIDATE, "candidate"), "{{candidate}}")],
        ),
    ),
)

FAILURES_SECTION = Section(
    "Failures",
    (
        TimeSeries(
            title="Failures by reason",
            unit="cps",
            table=True,
            stacked=True,
            bars=True,
            shows="Houses a second that a candidate failed on, by reason.",
            normal="Empty.",
            act="Search the logs for `observation_failed`: each line has the capture and the detail.",
            queries=[Query(rate(FAILURES, CANDIDATE, "candidate, reason"), "{{candidate}} {{reason}}")],
        ),
        TimeSeries(
            title="Failed share",
            unit="percentunit",
            table=True,
            limits=True,
            scale=limits.ERRORS,
            shows="Share of the houses a candidate is done with that it failed on.",
            normal="0; above 1 % UmbraCandidateFailures fires.",
            act="A kind of house it was never trained on? Compare a few captures in Kibana; else remove it.",
            queries=[Query(FAILED_SHARE, "{{candidate}}")],
        ),
        TimeSeries(
            title="Breaker",
            unit="none",
            steps=True,
            mappings=limits.BREAKER,
            maximum=1,
            decimals=0,
            shows="1 while a candidate is held back after repeated failures of its model's process.",
            normal="closed.",
            act="The log event `lane_state` says why: an altered artifact, memory, a crash at the start.",
            queries=[Query(HELD_BACK, "{{candidate}}")],
        ),
        TimeSeries(
            title="Restarts",
            unit="short",
            table=True,
            bars=True,
            decimals=0,
            shows="How often a candidate's model process was started again, in one rate interval.",
            normal="0.",
            act="Crashed, hung or out of memory: *Failures by reason*; limits are in docs/operations.md.",
            queries=[
                Query(
                    "sum by (candidate) (increase(umbra_candidate_restarts_total"
                    f"{{{CANDIDATE}}}[$__rate_interval]))",
                    "{{candidate}}",
                )
            ],
        ),
    ),
)

WORKERS = Section(
    "Workers",
    (
        Table(
            title="Workers",
            unit="short",
            height=7,
            sorted_by="Instance",
            shows="Each worker as of now: its store, journal and metrics.",
            normal="All green.",
            act="The worker's log says why; `umbra status` on its host shows its processes.",
            columns=(
                Column("Instance", label="instance"),
                Column("Store", expr=newest("umbra_store_up", WORKER, "instance")),
                Column("Journal", expr=newest(BYTES, WORKER, "instance")),
                Column("Oldest waiting", expr=newest(AGE, WORKER, "instance")),
                Column("Files set aside", expr=newest("umbra_journal_refused_files", WORKER, "instance")),
                Column("Log lines dropped", expr=count("umbra_log_lines_dropped_total", WORKER, "instance")),
                Column("Metrics readable", expr=newest("umbra_metrics_files_readable", WORKER, "instance")),
            ),
            looks=(
                Look("Store", cell="color-background", scale=limits.NEEDED, mappings=limits.STORE),
                Look("Journal", unit="bytes"),
                Look("Oldest waiting", unit="s", decimals=1, cell="color-text", scale=limits.WAITING),
                Look("Files set aside", cell="color-text", scale=limits.NONE_ALLOWED),
                Look("Log lines dropped", decimals=0, cell="color-text", scale=limits.NONE_ALLOWED),
                Look("Metrics readable", cell="color-text", scale=limits.NEEDED),
            ),
        ),
        Heatmap(
            title="Candidate batches",
            unit="s",
            height=7,
            scheme=CANDIDATE_SCHEME,
            shows="How many batches took how long, for the candidates chosen above.",
            normal="One band per candidate.",
            act="A band at the deadline: a model that hangs.",
            queries=[Query(buckets(BATCH, CANDIDATE), "{{le}}", format="heatmap")],
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="umbra-shadow-pipeline",
    title="Umbra: shadow pipeline",
    folder="operations",
    description="From the answered house to the scored one: journal, ingest, lag, ledger, failures.",
    variables=(dashboard.JOB, dashboard.WORKER_INSTANCE, dashboard.CANDIDATE),
    sections=(AT_A_GLANCE, JOURNAL, INGEST, CANDIDATES, FAILURES_SECTION, WORKERS),
)
