"""`python -m differential_tests.golden`: record the golden answers again."""

from __future__ import annotations

from pathlib import Path

import click

from differential_tests.golden import DIRECTORY, recording
from monitoring import terminal


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DIRECTORY,
    show_default=True,
    help="questions.jsonl, models/ and the runs.",
)
@click.option("--questions", is_flag=True, help="Choose the questions anew, from the corpus.")
@click.option("--train", is_flag=True, help="Train the small models anew: their versions rise.")
def main(directory: Path, *, questions: bool, train: bool) -> None:
    """Record what the golden models answer now.

    What changes by it D3 compares with the base branch: other numbers of another model need an entry in
    expected_change.toml.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if questions:
        terminal.say(f"{len(recording.choose(directory))} questions")
    if train:
        recording.train(directory / "models")
    for golden in recording.record(directory):
        terminal.say(f"{golden.answers}: {golden.artifact.parent.name}@{golden.artifact.name}")


if __name__ == "__main__":
    main()
