"""The limit: Flask reads the JSON and answers a constant."""

from __future__ import annotations

from flask import Flask, request


def application() -> Flask:
    """Answer as the route in Flask's own documentation."""
    app = Flask("bare")

    @app.post("/v1/predictions")
    def predict() -> dict[str, float]:
        request.get_json()
        return {"price_dollars": 180_000.0}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app
