"""What can be wrong with a policy."""

from __future__ import annotations


class InvalidPolicy(ValueError):
    """A policy with a key or a value that cannot be right."""

    safe_to_log = True

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"policy: {key} = {value!r}: expected {expected}")
        self.key, self.value, self.expected = key, value, expected
