"""Every file, section and test that code or a page cites is in the repository.

The tests read docstrings and comments of Python, comments of configuration and scripts, and whole pages. A
citation of a file has a folder in it, as `docs/data.md`, and counts from the root or from the citing file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = {"build", "dist", "reports", "site", "venv", "node_modules", "__pycache__", "umbra-data", "umbra-demo"}
"""Folders at the root that programs write."""
OF_USERS = ("umbra-data/", "umbra-demo/", "models/")
"""Folders of users."""
COMMENTED = {".toml", ".yml", ".yaml", ".sh", ".conf"}
FILE = re.compile(r"(?<![\w/.:<{*$-])[\w.-]+/[\w/.-]*\.(?:md|py|toml|yml|json)(?![\w/*])")
NAME = re.compile(r"\w\.(?:md|py|toml|yml|json)\b")
PAGE_ALONE = re.compile(r"(?<![\w/.:<{*$-])[\w-]+\.md\b")
PLACEHOLDER = re.compile(r"(?!README|CHANGELOG|CONTRIBUTING)[A-Z][A-Z_]+(\.\w+)?")
TEST = re.compile(r"\b((?:tests|differential_tests|load_tests)/[\w/]+\.py)::(\w+)")
PAGE_AND_SECTIONS = re.compile(r'docs/(\w+)\.md((?:,? ?(?:and )?"[^"]+")*)')
ANCHOR = re.compile(r"\]\(([^)\s#]*)#([^)\s]+)\)")


def sources() -> list[Path]:
    """Return every file that may cite another."""
    folders = (path for path in ROOT.iterdir() if path.is_dir())
    written = [path for path in folders if path.name not in MADE and not path.name.startswith(".")]
    every = [ROOT, ROOT / ".ci", ROOT / ".github", *written]
    files = (file for folder in every for file in folder.glob("*" if folder == ROOT else "**/*"))
    return sorted(file for file in files if file.is_file() and file.suffix in {".py", ".md", *COMMENTED})


@cache
def texts(source: Path) -> list[str]:
    """Return what a file tells readers, each text on one line; nothing of a file that names no other."""
    text = source.read_text(encoding="utf-8")
    if not NAME.search(text):
        return []
    if source.suffix == ".md":
        parts = [text]
    elif source.suffix == ".py":
        parts = [*docstrings(text), *comments(text)]
    else:
        parts = re.findall(r"(?:^|\s)#(.*)", text)
    return [" ".join(words.split()) for words in parts]


def docstrings(code: str) -> Iterator[str]:
    """Yield every text that stands alone: docstrings, also those of values."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as words)):
                yield words


def comments(code: str) -> Iterator[str]:
    """Yield comments; those on lines that follow each other are one text."""
    block, last = "", -1
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield block
                block = ""
            block, last = f"{block} {token.string.lstrip('#')}", token.start[0]
    yield block


def exists(citation: str, source: Path) -> bool:
    if citation.startswith(OF_USERS) or any(map(PLACEHOLDER.fullmatch, citation.split("/"))):
        return True
    return any((folder / citation).exists() for folder in (ROOT, source.parent))


def lost_files(text: str, source: Path) -> list[str]:
    """Return the files that are cited and do not exist."""
    return [citation for citation in FILE.findall(text) if not exists(citation, source)]


def lost_pages(text: str, source: Path) -> list[str]:
    """Return the pages of docs/ that are cited without that folder."""
    alone = PAGE_ALONE.findall(text)
    return [page for page in alone if (ROOT / "docs" / page).exists() and not exists(page, source)]


@cache
def sections(page: Path) -> tuple[str, ...]:
    """Return the titles of a page's sections."""
    written = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return tuple(re.findall(r"^#+ (.+)$", written, re.MULTILINE))


def lost_sections(text: str) -> list[str]:
    """Return the sections that are cited as `docs/PAGE.md, "Title"` and are none of the page's."""
    return [
        f'docs/{page}.md, "{title}"'
        for page, titles in PAGE_AND_SECTIONS.findall(text)
        for title in re.findall(r'"([^"]+)"', titles)
        if (ROOT / f"docs/{page}.md").exists() and title not in sections(ROOT / f"docs/{page}.md")
    ]


def anchors(page: Path) -> set[str]:
    """Return the names under which GitHub links to the sections of a page."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in sections(page)}


def lost_anchors(text: str, page: Path) -> list[str]:
    """Return the anchors of links that are none of their page's."""
    links = [(page.parent / target if target else page, anchor) for target, anchor in ANCHOR.findall(text)]
    return [
        f"{target.name}#{anchor}"
        for target, anchor in links
        if target.suffix == ".md" and target.exists() and anchor not in anchors(target)
    ]


def lost_tests(text: str) -> list[str]:
    """Return the tests that are cited as `FILE::NAME` and do not exist."""
    return [
        f"{path}::{name}"
        for path, name in TEST.findall(text)
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]


SOURCES = sources()
PAGES = [source for source in SOURCES if source.suffix == ".md"]


def named(source: Path) -> str:
    """Return the path from the root."""
    return str(source.relative_to(ROOT))


def test_every_file_that_is_cited_exists() -> None:
    lost = {
        named(source): missing
        for source in SOURCES
        if (missing := [name for text in texts(source) for name in lost_files(text, source)])
    }
    assert lost == {}


def test_code_cites_a_page_with_its_folder() -> None:
    lost = {
        named(source): missing
        for source in SOURCES
        if source.suffix == ".py"
        if (missing := [page for text in texts(source) for page in lost_pages(text, source)])
    }
    assert lost == {}


def test_every_section_that_is_cited_by_its_title_exists() -> None:
    lost = {
        named(source): missing
        for source in SOURCES
        if (missing := [title for text in texts(source) for title in lost_sections(text)])
    }
    assert lost == {}


def test_code_that_cites_the_statistics_says_which_section() -> None:
    code = [source for source in SOURCES if source.suffix == ".py" and source != Path(__file__)]
    cited = [
        (named(source), titles)
        for source in code
        for text in texts(source)
        for page, titles in PAGE_AND_SECTIONS.findall(text)
        if page == "statistics"
    ]
    assert len(cited) >= 15
    assert [source for source, titles in cited if not titles] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_anchors_of_links_are_sections(page: Path) -> None:
    assert lost_anchors(page.read_text(encoding="utf-8"), page) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    assert lost_tests(page.read_text(encoding="utf-8")) == []


def test_broken_citations_are_reported() -> None:
    here = ROOT / "monitoring" / "drift.py"
    lost = "see docs/nowhere.md, (monitoring/nothing.py) and `tests/docs/no_page.md`."
    assert lost_files(lost, here) == ["docs/nowhere.md", "monitoring/nothing.py", "tests/docs/no_page.md"]
    assert lost_sections('docs/statistics.md, "Drift", "Luck" and "3.6"') == [
        'docs/statistics.md, "Luck"',
        'docs/statistics.md, "3.6"',
    ]
    assert lost_pages("as measured: statistics.md 3.6", here) == ["statistics.md"]
    page = ROOT / "docs" / "deciding.md"
    assert lost_anchors("[a](statistics.md#drift) [b](statistics.md#luck) [c](#luck)", page) == [
        "statistics.md#luck",
        "deciding.md#luck",
    ]
    nothing = "tests/docs/test_citations.py::test_nothing"
    assert lost_tests(f"as `{nothing}` proves") == [nothing]


def test_files_of_users_and_examples_are_no_citations() -> None:
    here = ROOT / "README.md"
    for example in (
        "umbra-data/example.json",
        "models/NAME/VERSION/manifest.json",
        "https://github.com/a/b/none.md",
        "GET /openapi.json",
        "/etc/prometheus/prometheus.yml",
        "rules/*.yml",
        "sales.json",
    ):
        assert lost_files(f"`{example}`", here) == []


def test_comments_on_lines_that_follow_each_other_are_read_together() -> None:
    code = '# docs/statistics.md,\n# "Luck"\nvalue = 1\n'
    assert [lost_sections(" ".join(text.split())) for text in comments(code) if text] == [
        ['docs/statistics.md, "Luck"']
    ]
