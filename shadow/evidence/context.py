"""The context of a stream: its policy and the references of its two models, read once per evidence cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shadow.evidence.reference import Reference, read_pinned
from shadow.policy import Policy
from shadow.store.streams import Stream


@dataclass(frozen=True, slots=True)
class StreamContext:
    """A stream with the policy it is judged by and the references its drift is measured against.

    The references are those of the artifacts that the stream's evidence is about.
    """

    stream: Stream
    policy: Policy
    live_reference: Reference
    candidate_reference: Reference

    @classmethod
    def read(cls, models: Path, stream: Stream) -> StreamContext:
        """Parse the policy and read both artifacts; raises AlteredArtifact or InvalidArtifact."""
        terms = stream.terms
        return cls(
            stream,
            Policy.parse(terms.policy),
            read_pinned(models, terms.live, terms.live_digest),
            read_pinned(models, stream.candidate, terms.candidate_digest),
        )
