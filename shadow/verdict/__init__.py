"""The verdict: facts in, a state with every rule and its reasons out. Pure: no clock, no store, no file."""

from shadow.verdict.decision import Verdict, decide
from shadow.verdict.document import date_of
from shadow.verdict.facts import Exposure, Facts, ImmatureDay, Watermark
from shadow.verdict.rules import Effect, Result, Rule

__all__ = [
    "Effect",
    "Exposure",
    "Facts",
    "ImmatureDay",
    "Result",
    "Rule",
    "Verdict",
    "Watermark",
    "date_of",
    "decide",
]
