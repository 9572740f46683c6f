"""Umbra's gunicorn worker for an application that is not Umbra's."""

from __future__ import annotations

from gunicorn.workers.sync import SyncWorker

from api.server import worker


class Worker(worker.ApiWorker):
    """Accepts and answers as Umbra's does; loads without asking for Umbra's model."""

    def load_wsgi(self) -> None:
        """Load as gunicorn does."""
        SyncWorker.load_wsgi(self)
