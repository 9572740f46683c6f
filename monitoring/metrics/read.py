"""The readings, metrics computed at each scrape: sizes, ages, lags, ledgers and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReadingDeclaration:
    """A metric that is computed at each scrape; `labels` names the label of each value."""

    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


EVIDENCE = {
    "umbra_drift_psi": ReadingDeclaration(
        "gauge", "Population stability index of a field against the reference profile.", ("field", "window")
    ),
    "umbra_drift_state": ReadingDeclaration(
        "gauge", "Drift of a field: 0 in order, 1 yellow, 2 red.", ("field",)
    ),
    "umbra_loss_ratio": ReadingDeclaration(
        "gauge", "Mean capped absolute log loss against outcomes.", ("role", "model")
    ),
    "umbra_loss_difference_ratio": ReadingDeclaration(
        "gauge", "Loss of the live model minus the candidate's: lower, mean, upper.", ("candidate", "bound")
    ),
    "umbra_verdict_state": ReadingDeclaration(
        "gauge", "1 for the state the candidate's verdict is in, 0 for all others.", ("candidate", "state")
    ),
    "umbra_evidence_ln_e": ReadingDeclaration(
        "gauge", "Logarithm of the e-value that the candidate is not worse by the margin.", ("candidate",)
    ),
    "umbra_evidence_timestamp_seconds": ReadingDeclaration(
        "gauge", "When the candidate was last judged.", ("candidate",)
    ),
    "umbra_rollback_alarm": ReadingDeclaration(
        "gauge",
        "1 when the model that was live before is shown to be the better one, else 0.",
        ("candidate",),
    ),
    "umbra_replay_differing_houses": ReadingDeclaration(
        "gauge",
        "Sampled houses that the packaged artifact prices otherwise than it did in service.",
        ("model",),
    ),
    "umbra_outcome_newest_timestamp_seconds": ReadingDeclaration(
        "gauge", "When the last outcome of an answered house came in."
    ),
    "umbra_outcomes_matched": ReadingDeclaration("gauge", "Answered houses whose sale price is known."),
    "umbra_outcomes_unmatched": ReadingDeclaration(
        "gauge", "Outcomes of predictions that the store does not have."
    ),
    "umbra_outcome_coverage_ratio": ReadingDeclaration(
        "gauge", "Share of the candidate's mature houses whose sale price is known.", ("candidate",)
    ),
}
"""Readings that need outcomes; without a value until there are some."""

READINGS = {
    "umbra_journal_bytes": ReadingDeclaration("gauge", "Bytes of journal on disk."),
    "umbra_journal_bound_bytes": ReadingDeclaration(
        "gauge", "Bytes of journal at which captures begin to be dropped."
    ),
    "umbra_journal_kept_bytes": ReadingDeclaration(
        "gauge", "Bytes of journal files that were stored and are kept in case the store goes back in time."
    ),
    "umbra_journal_refused_files": ReadingDeclaration(
        "gauge", "Journal files set aside: of another version, or with rows that the store refuses."
    ),
    "umbra_journal_held_up_files": ReadingDeclaration(
        "gauge", "Journal files that cannot be read or moved now; the others go on."
    ),
    "umbra_journal_disk_free_bytes": ReadingDeclaration("gauge", "Bytes free on the journal's disk."),
    "umbra_journal_disk_size_bytes": ReadingDeclaration("gauge", "Bytes of the journal's disk."),
    "umbra_journal_oldest_entry_age_seconds": ReadingDeclaration(
        "gauge", "Age of the oldest capture that is not in the store yet; 0 when there is none."
    ),
    "umbra_candidate_lag_captures": ReadingDeclaration(
        "gauge", "Captures in the store that the candidate has not looked at yet.", ("candidate",)
    ),
    "umbra_candidate_lag_seconds": ReadingDeclaration(
        "gauge", "Age of the oldest capture that the candidate has not looked at yet.", ("candidate",)
    ),
    "umbra_candidate_sample_ratio": ReadingDeclaration(
        "gauge", "Share of captures the candidate is to score; 0 while it is paused.", ("candidate",)
    ),
    "umbra_ledger_houses": ReadingDeclaration(
        "gauge",
        "Eligible houses by the state they ended in: scored, sampled_out, failed, dropped or pending.",
        ("candidate", "state"),
    ),
    "umbra_ledger_missing_houses": ReadingDeclaration(
        "gauge",
        "Eligible houses in no state (or, negative, in more than one); 0 when the ledger balances.",
        ("candidate",),
    ),
    "umbra_deployment_timestamp_seconds": ReadingDeclaration(
        "gauge", "When the newest deployment was made, by the model it made live.", ("model",)
    ),
    "umbra_model_trained_timestamp_seconds": ReadingDeclaration(
        "gauge", "When the model that is live was trained.", ("model",)
    ),
    "umbra_store_missing_captures": ReadingDeclaration(
        "gauge", "Captures that the store has acknowledged once, and does not have any more."
    ),
    "umbra_store_up": ReadingDeclaration("gauge", "1 while the worker gets answers from the store, else 0."),
    "umbra_store_bytes": ReadingDeclaration("gauge", "Bytes of the database."),
    "umbra_store_disk_free_bytes": ReadingDeclaration(
        "gauge", "Bytes free on the database's disk, where UMBRA_STORE_DISK_DIR or SQLite tells which it is."
    ),
    "umbra_store_disk_size_bytes": ReadingDeclaration(
        "gauge", "Bytes of the database's disk, where it is known."
    ),
    **EVIDENCE,
    "umbra_metrics_files_readable": ReadingDeclaration(
        "gauge", "1 when the files that share metrics between processes could be read, else 0."
    ),
}
