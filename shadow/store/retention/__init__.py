"""Retention: what is pruned, and what keeps rows from being pruned."""
