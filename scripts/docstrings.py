"""Writes the docstrings that a reference page takes in as plain Markdown, for readers who get no rendered page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import griffe

ROOT: Final = Path(__file__).parents[1]
_DIRECTIVE: Final = re.compile(r"^::: (\S+)\n(?:    .*\n|\n(?=    ))*", re.MULTILINE)


def expanded(text: str) -> str:
    """A page with each `::: name` replaced by the docstrings of that object and its public members."""
    return _DIRECTIVE.sub(lambda found: "\n".join(_written(_load(found[1]), 2)) + "\n", text)


@cache
def packages() -> griffe.ModulesCollection:
    """Our packages as griffe reads them from the sources, without importing them."""
    loader = griffe.GriffeLoader(search_paths=[ROOT / "src", ROOT / "generated"])
    for package in ("sessions_us_api", "sessions_us"):
        loader.load(package)
    loader.resolve_aliases(implicit=True)
    return loader.modules_collection


def _load(name: str) -> Any:
    loaded = packages()[name]
    return loaded.final_target if loaded.is_alias else loaded


def _written(found: Any, level: int) -> Iterator[str]:
    if found.docstring is not None:
        yield f"{'#' * level} `{_signature(found)}`\n"
        yield f"{found.docstring.value.strip()}\n"
    for name, member in found.members.items():
        target = target_of(member)
        if target is not None and not name.startswith("_") and (found.is_class or _is_exported(found, name)):
            yield from _written(target, min(level + 1, 6))


def target_of(member: Any) -> Any:
    """The member itself, where an alias leads; None for what is not ours."""
    try:
        target = member.final_target if member.is_alias else member
    except griffe.AliasResolutionError:
        return None
    return target if target.path.startswith("sessions_us") and not target.is_module else None


def _is_exported(module: Any, name: str) -> bool:
    return module.exports is None or name in module.exports


def _signature(found: Any) -> str:
    if not found.is_function or "property" in found.labels:
        return str(found.name)
    given = ", ".join(str(each) for each in found.parameters if each.name not in ("self", "cls"))
    return f"{found.name}({given}) -> {found.returns}"
