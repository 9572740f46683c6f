"""The model card: purpose, training data, errors and limits of a model."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from model_package import manifest

INTENDED_USE = (
    "Estimating the sale price of a dwelling in a town like Ames, Iowa, as one opinion among others, and "
    "showing how a candidate model is compared with a live one."
)
LIMITS = (
    "It knows nothing of other towns, of later price levels, or of what the fields do not say.",
    "Beyond the range of its training sales it follows no trend: it answers as at the edge of that range.",
    "Neighbourhood stands in for much that is not in the table; do not use it to decide about people.",
    "Errors are largest where sales were few: see the segments.",
)


MIN_TRAINED, MIN_HELD_OUT = 200, 100
"""Sales below which an error says little, and no model goes live first.

Measured on synthetic sales: with 200 to learn from the error is a fifth (linear) to two fifths (gbm) above
that of 2,000, with 20 a half to three times. The standard error of an RMSE over n sales is about
1 / sqrt(2 n) of it: 7 % over 100, which is less than two models differ by, and 25 % over 8.
"""


def small_sample_warning(card: Mapping[str, Any]) -> str | None:
    """Explain why the error on a card is not to be trusted; None: it is, or the card does not say."""
    try:
        trained, held_out = (int(card["data"][rows]["n"]) for rows in ("train", "held_out"))
    except (KeyError, TypeError, ValueError):
        return None
    if trained >= MIN_TRAINED and held_out >= MIN_HELD_OUT:
        return None
    return (
        f"trained on {trained:,} sales and judged on {held_out:,}: too few to trust its error; expected at "
        f"least {MIN_TRAINED} and {MIN_HELD_OUT}"
    )


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each distribution, and of Python."""
    return {name: importlib.metadata.version(name) for name in libraries} | {
        "python": platform.python_version()
    }


def git_commit(checkout: Path) -> str | None:
    """Return the commit of a source checkout; None when it is no checkout."""
    head = checkout / ".git" / "HEAD"
    if not head.is_file():
        return None
    text = head.read_text().strip()
    if not text.startswith("ref: "):
        return text
    name = text.removeprefix("ref: ")
    loose = checkout / ".git" / name
    if loose.is_file():
        return loose.read_text().strip()
    packed = checkout / ".git" / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), None)


def trained_at(artifact: Path) -> datetime | None:
    """Return when the model in that directory was trained; None where no card says so."""
    try:
        return datetime.fromisoformat(_read(artifact)["trained_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_small_sample_warning(artifact: Path) -> str | None:
    """Apply `small_sample_warning` to the card of that directory; None also without a readable card."""
    try:
        return small_sample_warning(_read(artifact))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(artifact: Path) -> Any:
    return manifest.document(artifact, manifest.read(artifact), "card.json")


def markdown(card: Mapping[str, Any]) -> str:
    """Render the card as a page of Markdown."""
    data, errors = card["data"], card["errors"]
    sections = [
        f"# {card['name']}@{card['version']}",
        f"A model that answers in US dollars: {card['purpose']}.",
        f"**Trained on {data['source']}**: {_sales(data['train'])}; judged on later ones: "
        f"{_sales(data['held_out'])}.",
        *([f"**Too few sales.** It was {few}."] if (few := small_sample_warning(card)) else []),
        f"## Intended use\n\n{card['intended_use']}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Errors on the held-out sales\n\n" + _errors_table({"this model": errors, **card["baselines"]}),
        *(
            f"### By {kind.replace('_', ' ')}\n\n{_errors_table(rows)}"
            for kind, rows in card["segments"].items()
        ),
        "## What the answer rests on\n\n" + _importance(card["importance"]),
        "## How it was made\n\n" + _facts(card),
    ]
    return "\n\n".join(sections) + "\n"


def _sales(rows: Mapping[str, Any]) -> str:
    return f"{rows['n']} sales ({rows['from']} to {rows['to']})"


def _errors_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    header = (
        "| | sales | RMSE of log price | mean error, $ | mean error, % | median error, % | within 10 %, % |"
    )
    lines = [
        f"| {name} | {e['n']} | {e['rmse_log']:.4f} | {e['mae_dollars']:,.0f} | {e['mape_percent']:.1f} "
        f"| {e['median_ape_percent']:.1f} | {e['within_10_percent']:.0f} |"
        for name, e in rows.items()
    ]
    return "\n".join([header, "|---|---|---|---|---|---|---|", *lines])


def _importance(importance: Mapping[str, float]) -> str:
    top = list(importance.items())[:10]
    lines = [f"| {name} | {rise:.4f} |" for name, rise in top]
    return "\n".join(["| field shuffled | RMSE of log price rises by |", "|---|---|", *lines])


def _facts(card: Mapping[str, Any]) -> str:
    facts = {
        "recipe": card["recipe"],
        "parameters": ", ".join(f"{key} {value}" for key, value in card["parameters"].items()),
        "more never means a lower answer": ", ".join(card["monotone"]) or "promised of no field",
        "seed": card["seed"],
        "trained at": card["trained_at"],
        "seconds of training": card["training_seconds"],
        "versions": ", ".join(f"{name} {version}" for name, version in card["versions"].items()),
        "SHA-256 of the training sales": card["data"]["sha256"]["train"],
        "schema SHA-256": card["schema_sha256"],
        "git commit": card["git_commit"] or "none",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
