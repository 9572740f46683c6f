"""The server: gunicorn as Umbra runs it, with its workers, hooks and arbiter."""
