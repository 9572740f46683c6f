"""Rendering: one Jinja environment for pages and report. No HTTP in here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader

from api.pages.assets import Assets
from api.pages.formatting import FILTERS


class Rendering:
    """Templates, compiled at the start; whatever is put into them is escaped."""

    def __init__(
        self,
        assets: Assets,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        path_prefix: str = "",
    ) -> None:
        self.assets = assets
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("api.pages"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=ChainableUndefined,  # what a document does not have is shown as not known
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals["assets"] = assets
        self._environment.globals["prefix"] = path_prefix
        for name in self._environment.list_templates(("html",)):
            self._environment.get_template(name)

    def render(self, name: str, **context: Any) -> str:
        """Render a template as HTML."""
        return self._environment.get_template(f"{name}.html").render(now=self._clock(), **context)
