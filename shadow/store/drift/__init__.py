"""Drift in the store: counts by field and bin, and re-scored captures."""
