"""`umbra train` and `umbra models`: train models, list, show and verify them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TimeElapsedColumn

from model_package import artifact, card, manifest, recipes, sources
from model_package import train as training
from model_package.dataset import Dataset
from model_package.reference import ModelRef
from monitoring import terminal
from shadow.settings import Settings

DEFAULT_SEED = 20_061


@click.command(short_help="Train a recipe and save the next version.")
@click.argument("recipe")
@click.option(
    "--data",
    "source",
    default="synthetic",
    show_default=True,
    metavar="FILE.csv|openml|synthetic",
    help="Sales to train on: a CSV in Ames or schema names, the public table, or made-up houses.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=DEFAULT_SEED,
    show_default=True,
    help="The same seed trains the same model.",
)
def train(recipe: str, source: str, seed: int) -> None:
    """Train RECIPE and save it as the next version of the model of that name.

    \b
    umbra train gbm
    umbra train linear --data ames.csv
    """
    settings = Settings.from_environment()
    recipes.register(settings.recipe_modules)
    saved = trainer(settings.models, source, seed)(recipe)
    terminal.say(f"saved {saved.parent.name}@{saved.name} in {saved}")
    if few := card.read_small_sample_warning(saved):
        terminal.say(f"WARNING: {saved.parent.name}@{saved.name} was {few}", err=True)


def trainer(models: Path, source: str, seed: int) -> Callable[[str], Path]:
    """Make a function that trains one recipe on the sales of `source`, with a progress bar, and saves it."""
    sales: list[Dataset] = []

    def train_one(recipe: str) -> Path:
        with _bar() as bar:
            task = bar.add_task(f"training {recipe}", total=1.0, stage="reading sales")
            if not sales:
                named = None if source == "synthetic" else source
                sales.append(sources.sales(named, seed, bar.console.out))
            return training.train(
                recipe,
                sales[0],
                models,
                seed,
                trained_at=datetime.now(UTC),
                progress=lambda stage, share: bar.update(task, completed=share, stage=stage),
            )

    return train_one


def _bar() -> Progress:
    stage = terminal.Words("stage")
    return terminal.progress(SpinnerColumn(), terminal.Words(), BarColumn(), stage, TimeElapsedColumn())


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the saved models; show or verify them.

    \b
    umbra models
    umbra models show gbm@1
    umbra models verify
    """
    if context.invoked_subcommand is not None:
        return
    models_dir = Settings.from_environment().models
    rows = [_facts(models_dir, name, version) for name, version in artifact.listing(models_dir)]
    if as_json:
        terminal.print_json(rows)
        return
    columns = ("Model", "Trained", "Data", "RMSE of log price", "Digest", "")
    table = terminal.table(columns, [[str(value or "") for value in row.values()] for row in rows])
    terminal.show(table if rows else f"No models in {models_dir} yet. `umbra train linear` makes one.")


@models.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def show(model: str, as_json: bool) -> None:
    """Show the model card of MODEL (NAME@VERSION).

    Example: umbra models show linear@1
    """
    directory = _directory(ModelRef.parse(model))
    artifact.verify(directory)
    if as_json:
        terminal.print_text((directory / "card.json").read_text(encoding="utf-8"))
    else:
        terminal.show(terminal.markdown((directory / "card.md").read_text(encoding="utf-8")))


@models.command()
@click.argument("model", nargs=-1)
def verify(model: tuple[str, ...]) -> None:
    """Check the files of each MODEL (default: all) against their SHA-256; exits 1 on the first fault.

    Example: umbra models verify gbm@1
    """
    references = [ModelRef.parse(text) for text in model] or _all_models()
    for reference in references:
        artifact.verify(_directory(reference))
        terminal.say(f"{reference}: every file is as it was saved")


def _all_models() -> list[ModelRef]:
    listing = artifact.listing(Settings.from_environment().models)
    return [ModelRef(name, version) for name, version in listing]


def _directory(reference: ModelRef) -> Path:
    return artifact.existing(Settings.from_environment().models, reference)


def _facts(models_dir: Path, name: str, version: str) -> dict[str, object]:
    directory = artifact.directory_of(models_dir, ModelRef(name, version))
    try:
        declared = manifest.read(directory)
        model_card = manifest.document(directory, declared, "card.json")
    except (OSError, manifest.InvalidArtifact, manifest.AlteredArtifact) as fault:
        unknown = dict.fromkeys(("trained_at", "data", "rmse_log_price", "digest"))
        return {"model": f"{name}@{version}", **unknown, "warning": str(fault)}
    return {
        "model": f"{name}@{version}",
        "trained_at": str(model_card.get("trained_at", "unknown"))[:16],
        "data": str(model_card.get("data", {}).get("source", "unknown")).partition(",")[0],
        "rmse_log_price": round(model_card["errors"]["rmse_log"], 4) if "errors" in model_card else "unknown",
        "digest": declared.digest[:12],
        "warning": card.small_sample_warning(model_card),
    }
