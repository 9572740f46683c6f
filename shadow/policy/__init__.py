"""The policy a candidate is judged by: read, checked, frozen, hashed."""

from shadow.policy.dimensions import Dimension, segments_of
from shadow.policy.document import (
    SHIPPED,
    Policy,
    chosen,
    default_text,
    demo_text,
    for_purpose,
)
from shadow.policy.faults import InvalidPolicy

__all__ = [
    "SHIPPED",
    "Dimension",
    "InvalidPolicy",
    "Policy",
    "chosen",
    "default_text",
    "demo_text",
    "for_purpose",
    "segments_of",
]
