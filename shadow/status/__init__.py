"""Status: everything that `umbra status` shows, read once as plain data."""

from shadow.status.collect import gather
from shadow.status.state import JournalState, Status, StoreState
from shadow.status.view import as_json

__all__ = ["JournalState", "Status", "StoreState", "as_json", "gather"]
