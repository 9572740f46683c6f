"""A LightGBM booster's text, checked before LightGBM reads it.

LightGBM's library checks how many numbers a tree has, not their values, and then follows them: a child or a
field that does not exist reads foreign memory, a child above its parent loops for ever, and an error in a
thread ends the process (lightgbm-org/LightGBM, issues 7357 and 7438). So this module checks every reference,
against the text that LightGBM 4 writes ("version=v4").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

_HEADER = frozenset(
    b"tree version num_class num_tree_per_iteration label_index max_feature_idx objective feature_names "
    b"monotone_constraints feature_infos tree_sizes".split()
)
_NODES = (
    b"split_feature split_gain threshold decision_type left_child right_child internal_value internal_weight "
    b"internal_count".split()
)
_LEAVES = b"leaf_value leaf_weight leaf_count".split()
_SINGLE = b"num_leaves num_cat is_linear shrinkage".split()
_CATEGORIES = [b"cat_boundaries", b"cat_threshold"]
_WHOLE = re.compile(rb"(-?[0-9]{1,10}( (?=[-0-9])|\Z))*\Z")
_NUMBERS = re.compile(rb"(-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?( (?=[-0-9])|\Z))*\Z")
_CATEGORICAL = 1  # the lowest bit of a decision type
_DECISIONS = range(12)

Facts = Mapping[bytes, bytes]


class InvalidBooster(ValueError):
    """A booster that LightGBM cannot read or that is of other fields."""


def check(text: bytes, fields: Sequence[str]) -> None:
    """Raise InvalidBooster unless LightGBM can safely read the text and predict from these fields."""
    _refuse_if(b"\0" in text, "it holds a NUL, where LightGBM would stop reading")
    at = text.find(b"\nTree=0\n") + 1
    header = _facts(text[:at].split(b"\n"), "header")
    _refuse_if(not header.keys() <= _HEADER, f"unknown header lines {sorted(header.keys() - _HEADER)}")
    for key, expected in {
        b"version": b"v4",
        b"objective": b"huber",
        b"num_class": b"1",
        b"num_tree_per_iteration": b"1",
        b"max_feature_idx": b"%d" % (len(fields) - 1),
        b"feature_names": " ".join(fields).encode(),
    }.items():
        _refuse_if(header.get(key) != expected, f"expected {key!r} to be {expected!r}: train the model again")
    for number, size in enumerate(_whole(header, b"tree_sizes")):
        _check_tree(text[at : at + max(0, size)], number, len(fields))
        at += size
    _refuse_if(not text.startswith(b"end of trees\n", at), "the trees are not of the sizes it states")


def _check_tree(text: bytes, number: int, fields: int) -> None:
    title, *lines = text.split(b"\n")
    _refuse_if(title != b"Tree=%d" % number, f"expected tree {number}, found {title[:40]!r}")
    tree = _facts(lines, f"tree {number}")
    (leaves,), (categories,) = _whole(tree, b"num_leaves", 1), _whole(tree, b"num_cat", 1)
    keys = {*_NODES, *_LEAVES, *_SINGLE, *(_CATEGORIES if categories else ())}
    _refuse_if(tree.keys() != keys, f"tree {number} has not the lines of a tree")
    _refuse_if(leaves < 1 or tree[b"is_linear"] != b"0", f"tree {number} is of no known kind")
    _numbers(tree, b"shrinkage", 1)
    _numbers(tree, b"leaf_value", leaves)
    if leaves > 1:
        for key in (*_NODES, *_LEAVES):
            _numbers(tree, key, leaves - 1 if key in _NODES else leaves)
        _check_children(_whole(tree, b"left_child"), _whole(tree, b"right_child"))
        _refuse_if(not _within(_whole(tree, b"split_feature"), range(fields)), "a split by an unknown field")
        _check_decisions(tree, categories)


def _check_children(left: Sequence[int], right: Sequence[int]) -> None:
    """Check that each node but the first, and each leaf, has one earlier parent: so a walk ends."""
    children = [*left, *right]
    nodes = sorted(child for child in children if child >= 0)
    leaves = sorted(~child for child in children if child < 0)
    is_complete = nodes == list(range(1, len(left))) and leaves == list(range(len(left) + 1))
    falling = all(child < 0 or child > node for side in (left, right) for node, child in enumerate(side))
    _refuse_if(not (is_complete and falling), "children that make no tree")


def _check_decisions(tree: Facts, categories: int) -> None:
    """Check categorical splits: a threshold is the number of a set of categories, 32 to a word."""
    decisions = _whole(tree, b"decision_type")
    _refuse_if(not _within(decisions, _DECISIONS), "an unknown type of decision")
    if categories:
        ends = _whole(tree, b"cat_boundaries", categories + 1)
        rising = ends[0] == 0 and all(start < end for start, end in pairwise(ends))
        _refuse_if(not rising, "sets of categories that overlap")
        bit_words = _whole(tree, b"cat_threshold", ends[-1])
        _refuse_if(not _within(bit_words, range(1 << 32)), "a set of categories beyond 32 bits a word")
    for decision, threshold in zip(decisions, tree[b"threshold"].split(b" "), strict=True):
        if decision & _CATEGORICAL:
            known = threshold.isdigit() and int(threshold) < categories
            _refuse_if(not known, "a split by an unknown set of categories")


def _facts(lines: Sequence[bytes], where: str) -> dict[bytes, bytes]:
    """Parse `key=value` lines; empty ones only at the end."""
    facts_read = [line.partition(b"=") for line in b"\n".join(lines).rstrip(b"\n").split(b"\n")]
    facts = {key: value for key, _, value in facts_read}
    _refuse_if(len(facts) != len(facts_read), f"a line of the {where} comes twice")
    return facts


def _whole(facts: Facts, key: bytes, count: int | None = None) -> list[int]:
    value = facts.get(key, b"?")
    _refuse_if(not _WHOLE.match(value), f"{key!r} is not made of whole numbers")
    numbers = [int(number) for number in value.split(b" ")] if value else []
    _refuse_if(count not in (None, len(numbers)), f"{key!r} has {len(numbers)} numbers: expected {count}")
    return numbers


def _numbers(facts: Facts, key: bytes, count: int) -> None:
    written = facts[key].count(b" ") + 1
    fits = written == count and facts[key] and _NUMBERS.match(facts[key])
    _refuse_if(not fits, f"{key!r} is not made of {count} numbers")


def _within(numbers: Sequence[int], known: range) -> bool:
    return all(number in known for number in numbers)


def _refuse_if(wrong: bool, why: str) -> None:
    if wrong:
        raise InvalidBooster(f"model.txt is not a booster that can be read: {why}")
