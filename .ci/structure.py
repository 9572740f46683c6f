"""Print how the code is built and named: what the figures are that a reader would count.

    python .ci/structure.py            for people
    python .ci/structure.py --json     for programs

Odd names are those that say nothing of what they name (`one`, `found`, `told`), as a share of all variables
that are bound. A module cycle is a set of modules of which each imports every other, directly or not. An
upward arrow is an import against an order that pyproject.toml states.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this very checkout, whatever is installed
PACKAGES = ("umbra", "api", "shadow", "monitoring", "model_package", "differential_tests")
OUTSIDE = (
    "load_tests",
    "benchmarks",
    "notebooks",
    "grafana",
    "kibana",
    "elasticsearch",
    "deploy",
    "docs",
    ".ci",
)
ODD = frozenset(
    [
        "one",
        "found",
        "told",
        "some",
        "given",
        "asked",
        "shown",
        "kept",
        "made",
        "said",
        "this",
        "here",
        "there",
        "whole",
        "part",
        "parts",
        "place",
        "places",
        "words",
        "again",
        "mine",
        "theirs",
        "way",
        "ways",
        "both",
        "thing",
    ]
)


@dataclass(frozen=True, slots=True)
class Structure:
    """The figures. `odd_names` counts bindings by name; cycles and arrows name modules."""

    bindings: int
    odd_names: Mapping[str, int]
    module_cycles: Sequence[Sequence[str]]
    upward_arrows: Sequence[str]
    repeated_classes: Mapping[str, Sequence[str]]
    formatter_switched_off: Sequence[str]

    @property
    def odd_share(self) -> float:
        """The share of odd names among all bindings."""
        return sum(self.odd_names.values()) / max(1, self.bindings)


def measure() -> Structure:
    """Read every module of the repository but tests and migrations."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    names = Counter(name for tree in trees.values() for name in _bound_names(tree))
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return Structure(
        bindings=names.total(),
        odd_names={name: names[name] for name in sorted(ODD) if names[name]},
        module_cycles=_cycles(graph),
        upward_arrows=sorted(_upward_arrows(graph)),
        repeated_classes=_repeated_classes(trees),
        formatter_switched_off=[str(path.relative_to(ROOT)) for path in trees if _is_off(path)],
    )


def _sources() -> Iterator[Path]:
    for folder in (*PACKAGES, *OUTSIDE):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def _bound_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _repeated_classes(trees: Mapping[Path, ast.Module]) -> dict[str, list[str]]:
    """Public classes of the packages whose name stands in more than one module."""
    modules = defaultdict(list)
    for path, tree in trees.items():
        if path.relative_to(ROOT).parts[0] in PACKAGES:
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    modules[node.name].append(str(path.relative_to(ROOT)))
    return {name: paths for name, paths in sorted(modules.items()) if len(paths) > 1}


def _is_off(path: Path) -> bool:
    return re.search(r"#\s*fmt:\s*(skip|off)", path.read_text(encoding="utf-8")) is not None


def _cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Find the strongly connected components of more than one module (Tarjan, without recursion)."""
    imported = {
        module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)
    }
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    cycles = []
    for start, targets in imported.items():
        calls = [] if start in index else [(start, iter(targets))]
        while calls:
            module, rest = calls[-1]
            if module not in index:
                index[module] = low[module] = len(index)
                stack.append(module)
            for target in rest:
                if target not in index:
                    calls.append((target, iter(imported.get(target, ()))))
                    break
                if target in stack:
                    low[module] = min(low[module], index[target])
            else:
                calls.pop()
                if calls:
                    low[calls[-1][0]] = min(low[calls[-1][0]], low[module])
                if low[module] == index[module]:
                    position = stack.index(module)
                    if len(stack) - position > 1:
                        cycles.append(sorted(stack[position:]))
                    del stack[position:]
    return cycles


def _upward_arrows(graph: grimp.ImportGraph) -> set[str]:
    """Each import from a layer to a higher one, or to another of the same height, of every stated order."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    arrows = set()
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            for container in contract.get("containers", [""]):
                arrows |= set(_against(graph, contract["layers"], container))
    return arrows


def _against(graph: grimp.ImportGraph, layers: Sequence[str], container: str) -> Iterator[str]:
    prefix = f"{container}." if container else ""
    heights = {
        f"{prefix}{module.strip()}": (-height, module.strip())
        for height, layer in enumerate(layers)
        for module in layer.split("|")
    }
    for module in graph.modules:
        importer = _layer_of(module, heights)
        for target in graph.find_modules_directly_imported_by(module) if importer else ():
            imported = _layer_of(target, heights)
            if imported and imported != importer and heights[imported][0] >= heights[importer][0]:
                yield f"{module} -> {target}"


def _layer_of(module: str, heights: Mapping[str, tuple[int, str]]) -> str:
    return next((layer for layer in heights if module == layer or module.startswith(f"{layer}.")), "")


def _lines(structure: Structure) -> Iterator[str]:
    most = sorted(structure.odd_names.items(), key=lambda pair: -pair[1])[:5]
    share = f"{100 * structure.odd_share:.2f} %"
    yield f"odd names         {share} of {structure.bindings:,} bindings {dict(most)}"
    for title, lines in (
        ("module cycles", structure.module_cycles),
        ("upward arrows", structure.upward_arrows),
        ("repeated classes", structure.repeated_classes.items()),
        ("formatter off", structure.formatter_switched_off),
    ):
        yield "\n    ".join([f"{title:17} {len(lines)}", *map(str, lines)])


if __name__ == "__main__":
    measured = measure()
    facts = json.dumps(asdict(measured) | {"odd_share": measured.odd_share})
    sys.stdout.write((facts if "--json" in sys.argv[1:] else "\n".join(_lines(measured))) + "\n")
