"""The error of a policy."""

from __future__ import annotations


class InvalidPolicy(ValueError):
    """A key or a value of a policy is wrong."""

    safe_to_log = True

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"policy: {key} = {value!r}: expected {expected}")
        self.key, self.value, self.expected = key, value, expected
