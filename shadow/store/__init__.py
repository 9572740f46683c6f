"""All SQL: captures, observations, candidates and deployments, on SQLite and on Postgres alike."""

from shadow.store.connection import Store, StoreUnavailable, open_store

__all__ = ["Store", "StoreUnavailable", "open_store"]
