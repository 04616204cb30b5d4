"""scripts/public_names.py: what is public, and what may not change without a line in the changelog."""

from __future__ import annotations

import pytest
from public_names import latest_changes, public, undeclared

import sessions_us
from sessions_us import fastapi, pipelines, sandbox, webhooks

BEFORE = {"sessions_us.Room.name": "str | None", "sessions_us.Pager.collect": "(limit: int | None = …) -> list[T]"}


@pytest.mark.parametrize("module", [sessions_us, fastapi, pipelines, sandbox, webhooks])
def test_every_public_name_is_in_it(module: object) -> None:
    """Read from the sources as it is: what Python exports, without the submodules and dunder names."""
    name = module.__name__  # type: ignore[attr-defined]
    exported = getattr(module, "__all__", None) or dir(module)
    expected = {f"{name}.{each}" for each in exported if each[0].isupper()}
    assert expected
    assert expected - set(public()) == set()


def test_what_is_gone_or_differs_is_told() -> None:
    """Each by its path, and what it was and is; a new name is nobody's trouble."""
    now = {"sessions_us.Room.name": "str", "sessions_us.new": "() -> None"}
    gone, differs = sorted(undeclared(BEFORE, now, "- `unrelated` is gone"), key=len)
    assert gone == "sessions_us.Pager.collect is gone"
    assert differs == "sessions_us.Room.name was str | None, is str"


def test_what_the_changelog_names_may_go() -> None:
    """In backquotes, alone or in code; a word of prose is not enough."""
    assert undeclared(BEFORE, {}, "- `Pager.collect(limit=…)` is gone, and so is `name`") == []
    assert len(undeclared(BEFORE, {}, "- collect is gone, and so is the name")) == 2


def test_the_changes_are_those_of_the_next_version() -> None:
    """The first part of CHANGELOG.md, which begins with the version."""
    assert latest_changes().startswith(f"[{sessions_us.__version__}]")
