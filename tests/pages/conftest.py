"""What the tests of the pages share: a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from needed import program
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium without a window; in its sandbox, except that of root, for whom it has none."""
    chromium = program("chromium", "chromium-browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=os.getuid() != 0)
        yield launched
        launched.close()
