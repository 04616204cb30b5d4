"""One class a name, so that a name says which one is meant wherever it stands."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "scripts", "benchmarks", "examples")


def test_no_two_classes_have_one_name() -> None:
    """In the package, and in what stands beside it. What is generated has the names of the document."""
    places = defaultdict(set)
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(path.relative_to(ROOT)))

    assert len(places) > 300
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}
