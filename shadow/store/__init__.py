"""All SQL of Umbra, for SQLite and Postgres alike."""

from sqlalchemy import Connection

from shadow.store.connection import Store, open_store, sqlite_path
from shadow.store.database.errors import StoreRefused, StoreUnavailable, StoreUnfit, WrongStore

__all__ = [
    "Connection",
    "Store",
    "StoreRefused",
    "StoreUnavailable",
    "StoreUnfit",
    "WrongStore",
    "open_store",
    "sqlite_path",
]
