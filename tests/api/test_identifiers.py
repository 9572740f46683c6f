"""Ids: as unpredictable as the operating system's random bytes are, and in the order of time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import UUID

import api
from api.identifiers import Identifiers, RandomBits

API = Path(api.__file__).parent


def test_an_id_is_made_of_the_operating_systems_random_bytes():
    sizes = []

    def source(count):
        sizes.append(count)
        return os.urandom(count)

    ids = Identifiers(time.time_ns, RandomBits(source))
    identifiers = [ids.captures(1)[0] for _ in range(2000)]
    assert len(set(identifiers)) == 2000
    assert sum(sizes) >= 2000 * 74 / 8
    assert len(sizes) == 2, "a thousand ids at once"
    assert all((number.version, number.variant) == (7, UUID(int=8 << 60).variant) for number in identifiers)


def test_every_random_bit_of_an_id_comes_from_its_own_bytes():
    def bits_of(first, second):
        return RandomBits(lambda count: (first + second) * (count // 20))

    zeros, ones = bytes(10), b"\xff" * 10
    numbers = bits_of(zeros, ones)
    assert [numbers() for _ in range(4)] == [0, (1 << 74) - 1, 0, (1 << 74) - 1]


def test_no_part_of_the_api_makes_ids_or_tokens_of_the_module_random():
    sources = [path.read_text("utf-8") for path in API.rglob("*.py")]
    assert not [text for text in sources if "import random" in text or "from random" in text]
