"""The policy that a candidate is judged by: parse, check and hash it."""

from shadow.policy.dimensions import Dimension, segments_of
from shadow.policy.document import (
    SHIPPED,
    Policy,
    default_text,
    demo_text,
    for_purpose,
    load,
)
from shadow.policy.faults import InvalidPolicy

__all__ = [
    "SHIPPED",
    "Dimension",
    "InvalidPolicy",
    "Policy",
    "default_text",
    "demo_text",
    "for_purpose",
    "load",
    "segments_of",
]
