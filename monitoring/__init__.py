"""Metrics, logs and statistics: numbers in, numbers out; knows nothing of models, HTTP or databases."""
