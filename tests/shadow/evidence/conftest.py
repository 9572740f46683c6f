"""A season in a store of the test's own, on each database: made once, copied for every test."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from shadow.settings import sqlite_url

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent):
    sys.path.insert(0, str(folder))

import season as made  # noqa: E402 (found only now)
from season import House, Season  # noqa: E402

from model_package import recipes  # noqa: E402
from shadow.settings import Settings  # noqa: E402
from shadow.store import open_store, streams  # noqa: E402
from shadow.store.schema import migrate  # noqa: E402


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """linear@1 and gbm@1."""
    recipes.register(["faulty_recipe"])
    directory = tmp_path_factory.mktemp("models")
    made.save_models(directory)
    return directory


@dataclass
class Prints:
    """Filled stores to be copied: `new` before anything was added up, `kept` afterwards."""

    directory: Path
    models: Path
    server: Callable[[], str]
    houses: list[House]
    made: dict[str, str]

    def copy(self, database: str, kind: str, to: Path) -> str:
        """The URL of a copy."""
        name = f"{database}-{kind}"
        if name not in self.made:
            self.made[name] = self._make(database, kind)
        if database == "sqlite":
            shutil.copyfile(make_url(self.made[name]).database or "", to)
            return sqlite_url(to)
        return _create(self.server(), make_url(self.made[name]).database or "")

    def _make(self, database: str, kind: str) -> str:
        if kind == "kept":
            url = self.copy(database, "new", self.directory / "kept.db")
            store = open_store(url)
            with store.reading() as connection:
                (stream,) = streams.current(connection)
            Season(store, settings_of(self.directory, self.models, url), stream).refresh()
        else:
            new = self.directory / "new.db"
            url = sqlite_url(new) if database == "sqlite" else _create(self.server(), "template1")
            store = open_store(url)
            migrate(store)
            made.begin(store, self.models)
            made.tell(store, self.houses)
        store.close()
        return url


def _create(server: str, template: str) -> str:
    name = f"umbra_season_{uuid4().hex[:12]}"
    admin = create_engine(
        make_url(server).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    admin.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def settings_of(data: Path, models: Path, url: str, **values: object) -> Settings:
    chosen = {"data_dir": data, "models_dir": models, "store_url": url, "recipe_modules": "faulty_recipe"}
    return Settings.from_environment({f"UMBRA_{k.upper()}": str(v) for k, v in (chosen | values).items()})


@pytest.fixture(scope="session")
def prints(tmp_path_factory: pytest.TempPathFactory, models: Path, request: pytest.FixtureRequest) -> Prints:
    """Made when they are asked for."""
    directory = tmp_path_factory.mktemp("seasons")
    server = lambda: str(request.getfixturevalue("postgres_url"))  # noqa: E731
    return Prints(directory, models, server, list(made.houses()), {})


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


@pytest.fixture
def make_season(
    prints: Prints, database: str, models: Path, tmp_path: Path
) -> Iterator[Callable[..., Season]]:
    """A season of which nothing was added up yet (`new`), or all (`kept`)."""
    opened = []

    def make(kind: str, **values: object) -> Season:
        number = len(opened)
        own = Path(shutil.copytree(models, tmp_path / f"models-{number}"))
        url = prints.copy(database, kind, tmp_path / f"season-{number}.db")
        store = open_store(url)
        opened.append(store)
        with store.reading() as connection:
            (stream,) = streams.current(connection)
        settings = settings_of(tmp_path / "data", own, url, **values)
        return Season(store, settings, stream, prints.houses)

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def season(make_season: Callable[..., Any]) -> Season:
    """A season that was added up."""
    found: Season = make_season("kept")
    return found
