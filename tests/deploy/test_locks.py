"""What goes into an image is what the suite was run with: the same pins, the same hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Pins = dict[str, frozenset[str]]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(path: Path) -> Pins:
    """Hashes by `name==version ; marker`."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    return {line.split("--hash")[0].strip(): frozenset(re.findall(r"--hash=(\S+)", line)) for line in lines}


def name(pin: str) -> str:
    return re.split(r"[=<>\[ ;]", pin)[0].lower().replace("_", "-")


def by_release(found: Pins) -> Pins:
    """Without markers: they depend on what else is locked."""
    return {pin.split(";")[0].strip(): hashes for pin, hashes in found.items()}


WHOLE = by_release(pins(ROOT / "requirements.lock"))


@pytest.mark.parametrize("lock", ["requirements-runtime.lock", "requirements-load.lock"])
def test_every_pin_of_an_image_is_one_the_suite_ran_with(lock: str) -> None:
    found = by_release(pins(ROOT / lock))
    assert found
    assert {pin: found[pin] for pin in found if WHOLE.get(pin) != found[pin]} == {}
    assert all(found.values()), "a pin without a hash"


def test_the_build_tools_are_pinned_with_hashes_and_agree_where_both_have_one() -> None:
    found = by_release(pins(ROOT / "requirements-build.lock"))
    assert {name(one) for one in PROJECT["build-system"]["requires"]} <= {name(pin) for pin in found}
    assert all(found.values())
    releases = {name(pin): pin for pin in WHOLE}
    assert {pin for pin in found if releases.get(name(pin), pin) != pin} == set()
    assert {pin for pin in found if pin in WHOLE and WHOLE[pin] != found[pin]} == set()


def test_the_runtime_lock_has_what_the_package_needs_and_nothing_of_the_tests() -> None:
    locked = {name(pin) for pin in pins(ROOT / "requirements-runtime.lock")}
    needed = {name(one) for one in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]
    others = {name(one) for extra in extras for one in extras[extra]} - needed
    assert needed <= locked
    assert locked.isdisjoint(others)


def test_the_load_lock_has_locust() -> None:
    assert "locust" in {name(pin) for pin in pins(ROOT / "requirements-load.lock")}
