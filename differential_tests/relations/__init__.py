"""Metamorphic relations between a model's answers to a house and to a changed copy."""

from differential_tests.relations.changes import ALWAYS, BUDGETED, REFUSED, increasing_in
from differential_tests.relations.relation import Budget, RefusalRelation, Relation, budgets

__all__ = [
    "ALWAYS",
    "BUDGETED",
    "REFUSED",
    "Budget",
    "RefusalRelation",
    "Relation",
    "budgets",
    "increasing_in",
]
