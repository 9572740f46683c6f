"""All SQL: captures, observations, candidates and deployments, on SQLite and on Postgres alike."""

from sqlalchemy import Connection

from shadow.store.connection import Store, StoreRefused, StoreUnavailable, open_store

__all__ = ["Connection", "Store", "StoreRefused", "StoreUnavailable", "open_store"]
