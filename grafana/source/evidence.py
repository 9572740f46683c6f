"""Evidence: what outcomes and the reference profile say, and the verdict they lead to."""

from __future__ import annotations

from grafana.source import dashboard, limits
from grafana.source.dashboard import Dashboard
from grafana.source.grid import Section
from grafana.source.panels import BarGauge, Query, Stat, Text, TimeSeries
from grafana.source.promql import CANDIDATE, JOB, newest
from grafana.source.style import BAD, GOOD, LIVE_AND_CANDIDATE, PLAIN, WARN, Look
from grafana.source.table import Column, Table

EMPTY = "no evidence yet"
PSI = "umbra_drift_psi"
STATE = "umbra_drift_state"
JUDGED = "umbra_evidence_timestamp_seconds"
OUTCOME = "umbra_outcome_newest_timestamp_seconds"
TRAINED = "umbra_model_trained_timestamp_seconds"
LOSS_DIFFERENCE = "umbra_loss_difference_ratio"
CURRENT = f"{newest('umbra_verdict_state', CANDIDATE, 'candidate, state')} == 1"

NOTE = """\
**Panels here are empty until there is evidence, and that is no fault.** Outcomes (the prices houses really
sold for) have to be reported (`POST /v1/outcomes`, `umbra outcomes import`), days have to mature, and drift
needs 500 houses. Until then a panel says *no evidence yet*. Every rule with its value and threshold:
`umbra verdict`, and the candidate's page of the API.

No evidence is never a pass: a candidate without it is *insufficient*, not *promote*. What needs no outcomes
(how far the prices are apart, how many agree) is in [Live and shadow](/d/umbra-live-and-shadow).
"""


def bound(which: str) -> str:
    """Return the query for one bound of the interval of the loss difference."""
    return newest(LOSS_DIFFERENCE, f'{CANDIDATE}, bound="{which}"', "candidate")


READ_ME = Section(
    "Read this first",
    (Text(title="When these panels fill", description="Why this dashboard may be empty.", content=NOTE),),
)

VERDICTS = Section(
    "Verdict",
    (
        Table(
            title="Verdicts",
            unit="short",
            width=9,
            height=7,
            sorted_by="Candidate",
            empty=EMPTY,
            shows="The state each candidate's verdict is in. Empty until the first verdict.",
            normal="continue or insufficient while evidence gathers; in the end promote or reject.",
            act="blocked: a guardrail (errors, latency, drift) stands in the way, the log line names the rule. "
            "expired: start the candidate anew.",
            columns=(
                Column("Candidate", label="candidate"),
                Column("Verdict", label="state"),
                Column("", expr=CURRENT),
            ),
        ),
        Stat(
            title="Outcomes",
            unit="short",
            width=4,
            height=7,
            decimals=0,
            scale=PLAIN,
            empty=EMPTY,
            shows="Answered houses whose sale price is known, and outcomes of predictions that the store does "
            "not have. Empty until the first outcome.",
            normal="The first grows, weeks behind the predictions: houses take time to sell. The second is low.",
            act="Level for long: does whoever reports outcomes still do so? Many unmatched: `umbra outcomes` "
            "lists them.",
            queries=[
                Query(f"max(umbra_outcomes_matched{{{JOB}}})", "matched"),
                Query(f"max(umbra_outcomes_unmatched{{{JOB}}})", "unmatched"),
            ],
        ),
        Stat(
            title="Last outcome",
            unit="s",
            width=3,
            height=7,
            decimals=0,
            scale=limits.OUTCOME_AGE,
            empty=EMPTY,
            shows="Time since the last outcome of an answered house came in. Empty until the first one.",
            normal="As often as whoever reports outcomes does so; a day or two over a weekend.",
            act="A week: UmbraOutcomesStopped fires; without outcomes no verdict gets on.",
            queries=[Query(f"time() - max({OUTCOME}{{{JOB}}})", "ago")],
        ),
        TimeSeries(
            title="Course of the verdicts",
            unit="none",
            width=8,
            height=7,
            steps=True,
            stacked=True,
            decimals=0,
            empty=EMPTY,
            shows="Which state each candidate's verdict was in. Empty until the first verdict.",
            normal="Long even stretches; a verdict that flickers would be looked at too often by chance, "
            "which the method excludes.",
            act="Each change is a mark on all panels and a row in the store with every rule and its value.",
            queries=[Query(CURRENT, "{{candidate}}: {{state}}")],
        ),
        TimeSeries(
            title="Evidence for the candidate",
            unit="none",
            width=12,
            height=7,
            table=True,
            decimals=1,
            minimum=None,
            empty=EMPTY,
            shows="Logarithm of the e-value that the candidate is not worse by the margin (key A). At the first "
            "candidate's default alpha it turns at 3.7. Empty until outcomes are mature.",
            normal="Climbs if the candidate is as good or better, sinks if not; it may be looked at at any time.",
            act="Above the threshold and no promotion: another rule stands in the way, `umbra verdict` names it.",
            queries=[Query(newest("umbra_evidence_ln_e", CANDIDATE, "candidate"), "{{candidate}}")],
        ),
        TimeSeries(
            title="Outcomes known of mature houses",
            unit="percentunit",
            width=6,
            height=7,
            decimals=0,
            empty=EMPTY,
            shows="Share of the houses of mature days whose sale price is known. Empty until a day is mature.",
            normal="Above 80 %, below which the default policy does not promote.",
            act="Low: who reports outcomes leaves many out, or houses were taken off the market and not reported "
            "as withdrawn.",
            queries=[Query(newest("umbra_outcome_coverage_ratio", CANDIDATE, "candidate"), "{{candidate}}")],
        ),
        Stat(
            title="Last judged",
            unit="s",
            width=3,
            height=7,
            decimals=0,
            scale=limits.JUDGED,
            empty=EMPTY,
            shows="Seconds since the candidate that was judged longest ago was judged. Empty until the first "
            "verdict.",
            normal="Below a minute or two: UMBRA_EVIDENCE_SECONDS, longer when a look takes long.",
            act="Grows: look for look_failed and store_away in the worker's log.",
            queries=[Query(f"max(time() - {newest(JUDGED, JOB, 'candidate')})", "ago")],
        ),
        Stat(
            title="Roll back?",
            unit="none",
            width=3,
            height=7,
            decimals=0,
            scale=limits.ALARM,
            empty=EMPTY,
            mappings=limits.ALARM_STATE,
            shows="After a promotion: whether the model that was live before is shown to be the better one. "
            "Empty until there was one.",
            normal="no, or nothing.",
            act="yes: UmbraRollbackAlarm fires; `umbra verdict` of the old model says why, `umbra rollback` goes "
            "back.",
            queries=[Query(f"max({newest('umbra_rollback_alarm', JOB, 'candidate')})", "roll back")],
        ),
    ),
)

LOSS = Section(
    "Loss",
    (
        TimeSeries(
            title="Loss against outcomes",
            unit="percentunit",
            table=True,
            decimals=2,
            empty=EMPTY,
            looks=LIVE_AND_CANDIDATE,
            shows="Mean capped absolute log loss: about the typical relative error of the price. Live in blue, "
            "candidates "
            "in orange. Empty until outcomes are matched.",
            normal="Near the error on the hold-out set, which the model card tells (`umbra models show`).",
            act="Live climbs: the market moved away from the training data. Train on newer sales.",
            queries=[Query(newest("umbra_loss_ratio", JOB, "role, model"), "{{role}} {{model}}")],
        ),
        TimeSeries(
            title="Live loss minus candidate loss",
            unit="percentunit",
            table=True,
            decimals=2,
            minimum=None,
            empty=EMPTY,
            looks=(Look("/mean$/", width=2), Look("/lower$/", dashed=True), Look("/upper$/", dashed=True)),
            limits=True,
            scale=limits.ABOVE_ZERO,
            shows="How much better the candidate is, with an interval that holds however often one looks "
            "(anytime-valid "
            "confidence sequence). Empty until outcomes are matched.",
            normal="The interval narrows. All of it above 0: the candidate is better. All below: worse.",
            act="Still around 0 after weeks: neither is better by more than the policy's margin.",
            queries=[
                Query(bound(which), f"{{{{candidate}}}} {which}") for which in ("lower", "mean", "upper")
            ],
        ),
    ),
)

DRIFT = Section(
    "Drift",
    (
        Table(
            title="State of the fields",
            unit="none",
            width=8,
            height=10,
            decimals=0,
            sorted_by="Field",
            empty=EMPTY,
            shows="Drift of each field of the inputs: in order, yellow or red, with the sample size allowed "
            "for. Empty "
            "until drift is measured.",
            normal="in order.",
            act="Red for one field: its source changed (units, spelling, a default). Red for many: other houses "
            "are asked "
            "about.",
            columns=(
                Column("Field", label="field"),
                Column("State", expr=newest(STATE, JOB, "field")),
            ),
            looks=(Look("State", cell="color-background", scale=limits.DRIFT, mappings=limits.DRIFT_STATE),),
        ),
        BarGauge(
            title="Most drifted fields",
            unit="none",
            width=8,
            height=10,
            decimals=2,
            minimum=0,
            scale=limits.APART,
            empty=EMPTY,
            shows="The ten fields with the largest population stability index, over the windows measured. Empty "
            "until "
            "drift is measured.",
            normal="Below 0.1; from 0.25 on it is large, if the sample is.",
            act="Compare the field's distribution in Kibana's *Model inputs* with the profile in the model card.",
            queries=[Query(f"topk(10, {newest(PSI, JOB, 'field')})", "{{field}}", instant=True)],
        ),
        TimeSeries(
            title="Population stability index by field",
            unit="none",
            width=8,
            height=10,
            table=True,
            decimals=2,
            limits=True,
            scale=limits.APART,
            empty=EMPTY,
            shows="Population stability index of each field against the reference profile, by window. Empty "
            "until drift "
            "is measured.",
            normal="Low and level.",
            act="A jump dates the change: look for a client's release at that time.",
            queries=[Query(newest(PSI, JOB, "field, window"), "{{field}} {{window}}")],
        ),
        TimeSeries(
            title="Houses priced otherwise than in service",
            unit="short",
            width=6,
            height=6,
            decimals=0,
            empty=EMPTY,
            shows="Of a daily sample of stored houses, those that the packaged artifact prices otherwise than "
            "was answered (training-serving skew). Empty until the first day is over.",
            normal="0: the difference allowed is a millionth.",
            act="Above 0: another library, order of columns or type of number in service than in the artifact. "
            "UmbraSkew fires.",
            queries=[Query(newest("umbra_replay_differing_houses", JOB, "model"), "{{model}}")],
        ),
        Stat(
            title="Age of the live model",
            unit="s",
            width=4,
            height=6,
            decimals=0,
            empty=EMPTY,
            scale=limits.TRAINED,
            shows="Time since the live model was trained, as its card tells. Empty until a card can be read.",
            normal="Below nine months, yellow from then on.",
            act="A year: UmbraModelStale fires. Train on newer sales and add the result as a candidate.",
            queries=[Query(f"max(time() - {newest(TRAINED, JOB, 'model')})", "trained")],
        ),
        TimeSeries(
            title="Fields by state",
            unit="short",
            width=14,
            height=6,
            stacked=True,
            steps=True,
            decimals=0,
            empty=EMPTY,
            looks=(Look("in order", color=GOOD), Look("yellow", color=WARN), Look("red", color=BAD)),
            shows="How many fields are in order, yellow and red. Empty until drift is measured.",
            normal="All green.",
            act="Red: UmbraDrift fires; promotions are blocked while it lasts.",
            queries=[
                Query(f"count({newest(STATE, JOB, 'field')} == {value})", name)
                for value, name in ((0, "in order"), (1, "yellow"), (2, "red"))
            ],
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="umbra-evidence",
    title="Umbra: evidence",
    folder="models",
    description="Verdict, loss against outcomes, drift and skew. Empty until there is evidence, and says so.",
    variables=(dashboard.JOB, dashboard.CANDIDATE),
    sections=(READ_ME, VERDICTS, LOSS, DRIFT),
    since="now-30d",
)
