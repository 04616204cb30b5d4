"""scripts/public_names.py: what is public, and what may not change without a line in the changelog."""

from __future__ import annotations

from pathlib import Path

import public_names
import pytest
from public_names import MODULES, latest_changes, public, undeclared

import sessions_us
from sessions_us import fastapi, pipelines, sandbox, telemetry, webhooks

UPGRADING = Path(__file__).parents[1] / "docs" / "upgrading.md"
BEFORE = {"sessions_us.Room.name": "str | None", "sessions_us.Pager.collect": "(limit: int | None = …) -> list[T]"}


@pytest.mark.parametrize("module", [sessions_us, fastapi, pipelines, sandbox, telemetry, webhooks])
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
    gone, differs = sorted(undeclared(BEFORE, now, "### Removed\n- `unrelated` is gone"), key=len)
    assert gone == "sessions_us.Pager.collect is gone"
    assert differs == "sessions_us.Room.name was str | None, is str"


@pytest.mark.parametrize("heading", ["Changed", "Removed"])
def test_what_the_changelog_names_may_go(heading: str) -> None:
    """In backquotes, alone or in code; a word of prose is not enough."""
    assert undeclared(BEFORE, {}, f"### {heading}\n- `Pager.collect(limit=…)` is gone, and so is `name`\n") == []
    assert len(undeclared(BEFORE, {}, f"### {heading}\n- collect is gone, and so is the name\n")) == 2


def test_a_feature_is_no_declaration() -> None:
    """A name that the changelog praises elsewhere, before or after, is not said to be gone."""
    changes = "`collect`\n### Clients\n- `Pager.collect` reads lists\n### Removed\n- `name`\n### Added\n- `collect`\n"
    assert undeclared(BEFORE, {}, changes) == ["sessions_us.Pager.collect is gone"]


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("sessions_us.Quota.limit", "10"),  # an attribute
        ("sessions_us.RetryPolicy.attempts", "4"),  # a field with a validator
        ("sessions_us.SQLiteStore.__init__", "'local'"),  # an argument
        ("sessions_us.webhooks.MAX_BODY", "1024 * 1024"),  # a constant
    ],
)
def test_a_default_that_differs_is_told(path: str, default: str) -> None:
    """Of an argument, a field, an attribute and a constant: another default changes what a call does."""
    now = public()
    before = {path: now[path].replace(f" = {default}", " = other")}
    assert undeclared(before, now, "") == [f"{path} was {before[path]}, is {now[path]}"]


def test_what_is_compared_is_what_upgrading_promises() -> None:
    """docs/upgrading.md names each module that people import from."""
    text = UPGRADING.read_text("utf-8")
    assert [place for place in {*MODULES.values()} if f"`{place}`" not in text] == []


def test_the_changes_are_those_of_the_next_version() -> None:
    """The first part of CHANGELOG.md, which begins with the version."""
    assert latest_changes().startswith(f"[{sessions_us.__version__}]")


def test_a_version_is_compared_with_what_was_written_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written and compared there is no difference; a name that is gone is an error that says what to do."""
    snapshot = tmp_path / "api.txt"
    monkeypatch.setattr(public_names, "SNAPSHOT", snapshot)

    assert public_names.main("--write") == 0
    assert public_names.main() == 0
    assert capsys.readouterr().out.startswith(f"{len(public())} public names; none is gone")

    snapshot.write_text(f"{snapshot.read_text('utf-8')}sessions_us.Vanished class(Exception)\n", "utf-8")
    assert public_names.main() == 1
    assert capsys.readouterr().err == (
        "sessions_us.Vanished is gone: say so in CHANGELOG.md, under Changed or Removed\n"
    )
