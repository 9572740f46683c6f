"""Foreign text on a terminal is text: no markup, no commands to the terminal, no line of its own."""

from __future__ import annotations

import ast
import json
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model_package import artifact, recipes
from model_package.reference import ModelRef
from monitoring import phrases, terminal
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Deployment
from shadow.rollout import Decision
from shadow.settings import Settings
from shadow.status import JournalState, Status
from shadow.store import Store, deployments
from umbra.command import main
from umbra.commands import status

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOSTILE = (
    "see [/var/log] of [inc-1] [bold]x[/] :smile: \x1b[2J\x1b]0;title\x07 \u202egnp.exe \x9b31m\u2028 end"
)
PRINTING = {"echo", "secho", "print", "print_exc", "print_exception"}
WRITERS = {
    Path("monitoring/terminal.py"),
    Path("differential_tests/__main__.py"),  # says which library is missing, rich perhaps
}
PARTS_OF_RICH = {"Console", "Text", "TextColumn", "Markdown", "Prompt", "print", "inspect", "Panel"}
Umbra = Callable[..., Result]


def is_plain(output: str) -> bool:
    return all(unicodedata.category(each) not in ("Cc", "Cf", "Zl", "Zp") or each == "\n" for each in output)


@pytest.fixture
def umbra(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Umbra:
    """Runs a command in a directory with brackets in its name."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    data_dir = tmp_path / "[red]data[/red] [/x]"
    card = {"data": {"source": HOSTILE}, "trained_at": HOSTILE, "errors": {"rmse_log": 0.1}}
    files = {
        "card.json": json.dumps(card).encode(),
        "profile.json": b"{}",
        "card.md": f"# {HOSTILE}\n\n[a link](http://example.org/\x1b) `{HOSTILE}`\n".encode(),
    }
    artifact.save(data_dir / "models", "faulty", "faulty", lambda _: files, lambda _: None)
    environment = {"UMBRA_DATA_DIR": str(data_dir), "UMBRA_STORE_URL": store_url, "COLUMNS": "400"}
    return lambda *arguments, **more: CliRunner().invoke(main, arguments, env=environment | more)


def test_a_reason_with_brackets_and_escapes_does_not_break_the_audit_log(umbra: Umbra, store: Store) -> None:
    with store.writing() as connection:
        first = ModelRef("faulty", "1")
        made = Deployment(first, NOW, HOSTILE[:60], HOSTILE)
        deployments.append(connection, made)
    result = umbra("deployments")
    assert result.exit_code == 0
    assert "see [/var/log] of [inc-1] [bold]x[/] :smile: \\u001b[2J" in result.stdout
    assert is_plain(result.output)
    assert json.loads(umbra("deployments", "--json").stdout)[0]["reason"] == HOSTILE


def test_an_error_of_a_candidate_does_not_break_the_status(
    umbra: Umbra, store: Store, tmp_path: Path
) -> None:
    settings = Settings.from_environment({"UMBRA_DATA_DIR": str(tmp_path / "[red]data[/red] [/x]")})
    announced = Heartbeat(settings.run_dir, "scoring", NOW)
    announced.report(candidate="faulty@1", state="breaker_open", because=HOSTILE)
    result = umbra("status")
    assert "Traceback" not in result.output
    assert "[/var/log] of [inc-1]" in result.stdout
    assert is_plain(result.output)
    announced.close()


def test_what_the_store_says_does_not_break_the_status() -> None:
    nothing = JournalState(0, 0, 0, None)
    screen = terminal.Screen()
    with screen.capture() as shown:
        screen.print(status.render(Status(Path(HOSTILE), NOW, (), nothing, None, HOSTILE)))
    assert "[/var/log]" in shown.get()


@pytest.mark.parametrize("arguments", [["models"], ["models", "show", "faulty@1"], ["models", "verify"]])
def test_a_card_cannot_command_the_terminal(umbra: Umbra, store: Store, arguments: list[str]) -> None:
    result = umbra(*arguments)
    assert result.exit_code == 0
    assert is_plain(result.output)
    assert "[/var/log]" in result.stdout or arguments[-1] == "verify"


@pytest.mark.parametrize(
    "arguments",
    [
        ["outcomes", "import", "[bold]no[/]\x1b[2J.csv"],
        ["policy", "check", "[/x]\x1b[2J\n.toml"],
        ["train", "[/x]\x1b[2J"],
        ["train", "linear", "--data", "[/x]\x1b[2J.csv"],
        ["candidates", "add", "[/x]\x1b[2J"],
        ["rollback", "--reason", HOSTILE],
        ["[/x]\x1b[2J"],
        ["settings"],
        ["status"],
        ["candidates"],
    ],
)
def test_arguments_and_directories_are_repeated_as_text(
    umbra: Umbra, store: Store, arguments: list[str]
) -> None:
    result = umbra(*arguments, UMBRA_RECIPE_MODULES="faulty_recipe")
    assert is_plain(result.output)
    assert "Traceback" not in result.output


def test_a_bar_shows_a_description_as_text() -> None:
    with terminal.progress(terminal.Words(), terminal.Words("stage")) as bar:
        bar.add_task(HOSTILE, stage=HOSTILE)
        screen = terminal.Screen()
        with screen.capture() as shown:
            screen.print(bar.get_renderable())
    assert "[/var/log] of [inc-1]" in shown.get()
    assert "\x1b]0" not in shown.get()


def test_a_decision_that_cannot_be_shown_is_not_made() -> None:
    with pytest.raises(ValueError, match="expected one line"):
        Decision("somebody", HOSTILE, NOW)


def test_the_words_of_a_sentence_agree_in_number() -> None:
    assert phrases.count(1, "fault") == "1 fault"
    assert phrases.count(1200, "fault") == "1,200 faults"


def sources() -> Iterator[Path]:
    for package in (
        "umbra",
        "api",
        "shadow",
        "model_package",
        "monitoring",
        "differential_tests",
        "load_tests",
    ):
        yield from sorted((ROOT / package).rglob("*.py"))


def test_nothing_but_the_terminal_writes_to_the_terminal() -> None:
    """Whoever would print past it shows foreign text as markup."""
    past_it = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:60]}"
        for path in sources()
        if path.relative_to(ROOT) not in WRITERS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _imports_rich(node) or _writes(node)
    ]
    assert past_it == []


def _imports_rich(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "rich" for alias in node.names)
    return (
        isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] == "rich"
        and any(alias.name in PARTS_OF_RICH for alias in node.names)
    )


def _writes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    if called in ("sys.stdout.write", "sys.stderr.write"):
        return "visible(" not in ast.unparse(node)
    return called == "print" or (
        called.startswith(("click.", "traceback.")) and called.split(".")[-1] in PRINTING
    )
