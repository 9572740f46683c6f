"""The verdict: evidence in, a state with rules and reasons out. Pure: no clock, no store, no file."""

from shadow.verdict.decision import Verdict, decide
from shadow.verdict.document import date_of, verdict_document, verdict_json
from shadow.verdict.evidence import DaySums, Exposure, ImmatureDay, StreamEvidence, Watermark
from shadow.verdict.rules import Effect, Rule, RuleResult

__all__ = [
    "DaySums",
    "Effect",
    "Exposure",
    "ImmatureDay",
    "Rule",
    "RuleResult",
    "StreamEvidence",
    "Verdict",
    "Watermark",
    "date_of",
    "decide",
    "verdict_document",
    "verdict_json",
]
