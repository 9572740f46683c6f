"""`umbra report`: everything about a candidate in one HTML file, to attach to a decision."""

from __future__ import annotations

from pathlib import Path

import click

from api.pages.assets import Assets
from api.pages.documents import verdict_of
from api.pages.rendering import Rendering
from api.pages.report import KINDS, render
from model_package.reference import ModelRef
from monitoring import terminal
from shadow.settings import Settings
from shadow.store import open_store
from shadow.store.streams import NotJudged, documents
from shadow.store.streams.documents import StreamDocuments


@click.command(short_help="Write everything about a candidate into one file.")
@click.argument("candidate")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The HTML file to write.",
)
def report(candidate: str, output: Path) -> None:
    """Write everything about CANDIDATE (NAME@VERSION) into one HTML file.

    Verdict, rules, policy, hashes, comparison, evidence and drift, as they were computed last. The file needs
    nothing but itself and opens without a network.

    \b
    umbra report gbm@2 -o report.html
    """
    model = ModelRef.parse(candidate)
    settings = Settings.from_environment()
    store = open_store(settings.store)
    try:
        with store.reading() as connection:
            stream = documents.of_newest_stream(connection, model, KINDS, settings.masked_fields)
    finally:
        store.close()
    if stream is None:
        raise NotJudged(f"{model} was never judged; `umbra candidates` lists who is, the worker judges them")
    output.write_text(render(stream, Rendering(Assets())), encoding="utf-8")
    terminal.say(f"{output}: {_state(stream)}, {output.stat().st_size:,} bytes")


def _state(stream: StreamDocuments) -> str:
    return str(verdict_of(stream).body.state or "not judged yet")
