"""Levels: which two things are held against each other. The first level that fails says where to look."""

from differential_tests.levels.candidate import candidate
from differential_tests.levels.metamorphic import relations
from differential_tests.levels.noise import noise
from differential_tests.levels.research import research
from differential_tests.levels.service import service

__all__ = ["candidate", "noise", "relations", "research", "service"]
