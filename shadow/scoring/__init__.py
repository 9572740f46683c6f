"""Scoring: one lane per candidate, each with its model in a process of its own."""
