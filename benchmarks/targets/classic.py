"""The classic way: pandas and scikit-learn per request, an ORM commit per row, a thread per request.

The models are the research pipelines of Umbra's own recipes, trained on the same synthetic houses; requests
are validated by Umbra's own parser. What differs is how they are served.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Flask, request
from sqlalchemy import JSON, DateTime, ForeignKey, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks import ground
from model_package import recipes, synthetic
from model_package.schema import Row, parse_json

DATABASE_VARIABLE = "BENCHMARK_CLASSIC_DATABASE"


class Base(DeclarativeBase):
    """The tables of this application."""


class CaptureRow(Base):
    """One answered house."""

    __tablename__ = "classic_captures"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    captured_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)
    price_dollars: Mapped[float]


class ObservationRow(Base):
    """The candidate's answer to it."""

    __tablename__ = "classic_observations"
    capture_id: Mapped[UUID] = mapped_column(ForeignKey(CaptureRow.id), primary_key=True)
    price_dollars: Mapped[float]


def create_tables(url: str) -> None:
    """Make the tables, once, before any process serves."""
    engine = create_engine(_with_driver(url))
    Base.metadata.create_all(engine)
    engine.dispose()


def _with_driver(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg2")


def application() -> Flask:
    """Train both models in this process, then serve."""
    sales = synthetic.synthetic(ground.TRAINING_HOUSES, ground.SEED)
    live, candidate = (
        recipes.get(name).train(sales.rows, sales.prices, ground.SEED).research for name in ("linear", "gbm")
    )
    url = _with_driver(os.environ[DATABASE_VARIABLE])
    sessions = sessionmaker(create_engine(url, pool_size=32, max_overflow=64))
    app = Flask("classic")

    @app.post("/v1/predictions")
    def predict() -> dict[str, Any]:
        rows = parse_json(request.get_data(), 1000).rows
        dollars = live(rows).tolist()
        ids = [_capture(sessions(), row, price) for row, price in zip(rows, dollars, strict=True)]
        threading.Thread(target=_score, args=(sessions(), candidate, ids, rows)).start()
        answers = zip(map(str, ids), dollars, strict=True)
        return {"predictions": [{"id": number, "price_dollars": price} for number, price in answers]}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


def _capture(session: Session, row: Row, dollars: float) -> UUID:
    number = uuid4()
    with session:
        session.add(CaptureRow(id=number, captured_at=datetime.now(UTC), inputs=row, price_dollars=dollars))
        session.commit()
    return number


def _score(session: Session, candidate: Any, ids: list[UUID], rows: list[Row]) -> None:
    with session:
        prices = candidate(rows).tolist()
        session.add_all(
            ObservationRow(capture_id=i, price_dollars=p) for i, p in zip(ids, prices, strict=True)
        )
        session.commit()
