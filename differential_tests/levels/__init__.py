"""Levels of comparison; the first level that fails shows where to look."""

from differential_tests.levels.candidate import candidate
from differential_tests.levels.metamorphic import relations
from differential_tests.levels.noise import noise
from differential_tests.levels.research import research
from differential_tests.levels.service import service

__all__ = ["candidate", "noise", "relations", "research", "service"]
