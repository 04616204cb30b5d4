"""README and docs/: every Python block and every shell line runs as it is written, and the lists are complete.

`tests/cli/test_documented.py` runs the lines of the README, docs/cli.md and docs/pipelines.md.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
import os
import re
import stat
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import methods
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from methods import PAGE, page
from support.command import COMMAND, at, environment

import sessions_us.errors
from sessions_us import CallOptions, ClientOptions
from sessions_us.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

# Pages that are read from top to bottom: a block may use what an earlier one made. Elsewhere each block is pasted alone.
TOGETHER = {"docs/fastapi.md", "docs/testing.md"}
# Shell lines that do not run here, by a part of them, and why.
NOT_SHELL = {
    "python3 -m venv": "installs; the first thing that .ci/run does",
    "pip install": "installs, from an index or a place of the reader's",
    "python -m nox": "a check of the repository; CONTRIBUTING.md has them",
    "sessions-us sandbox": "serves until it is stopped; tests/cli/test_demo_and_sandbox.py runs it",
    "uvicorn": "serves until it is stopped; tests/fastapi and tests/test_site_load.py run workers",
    "curl": "of a sandbox that is served; tests/test_testing_example.py runs examples/testing/any_language.sh",
}
RUN_ELSEWHERE = {"docs/cli.md", "docs/pipelines.md"}  # by tests/cli/test_documented.py
READMES_TESTS = "python3 -m venv .venv && .venv/bin/python -m pip install -q nox uv && .venv/bin/python -m nox -s tests"


class Block(NamedTuple):
    """Code of a page. `name` is the page and the block's number in it."""

    name: str
    page: str
    code: str


def blocks(language: str) -> list[Block]:
    found = []
    for path in (README, *sorted(DOCS.glob("*.md"))):
        name = path.relative_to(ROOT).as_posix()
        codes = re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        found += [Block(f"{name} {number}", name, code) for number, code in enumerate(codes, 1)]
    return found


def pasted() -> list[list[Block]]:
    """What is pasted into one program: a block, or all blocks of a page that is read from top to bottom."""
    runs = blocks("python")
    alone = [[block] for block in runs if block.page not in TOGETHER]
    return alone + [[block for block in runs if block.page == name] for name in sorted(TOGETHER)]


def is_test(code: str) -> bool:
    return re.search(r"^(async )?def test_", code, re.MULTILINE) is not None


def execute(code: str, name: str, namespace: dict[str, Any]) -> None:
    """As a program, or as in a console that can await."""
    compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(types.FunctionType(compiled, namespace)())
    else:
        exec(compiled, namespace)


@pytest.fixture
def world(sessions_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """An empty directory, and an environment that leads to a sandbox."""
    sessions_sandbox.load({"rooms": [{"id": "blue", "name": "Blue"}]})
    monkeypatch.chdir(tmp_path)
    for name, value in at(sessions_sandbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SESSIONS_GUEST_KEY", sessions_sandbox.guest_key)
    return sessions_sandbox


@pytest.mark.parametrize("together", [pytest.param(each, id=each[0].name) for each in pasted()])
def test_python_runs_as_it_is_written(together: list[Block], world: Sandbox, tmp_path: Path) -> None:
    """Pasted into a new file in an empty directory, with the address and the keys in the environment."""
    before = logging.getLogger("sessions_us").level
    namespace: dict[str, Any] = {"__name__": "pasted"}
    for block in together:
        if is_test(block.code):
            run_with_pytest(block.code, tmp_path)
        elif "sessions_us.pipelines" in block.code:
            run_as_a_program(block.code, tmp_path, world)
        else:
            execute(block.code, block.name, namespace)
    for app in {id(each): each for each in namespace.values() if isinstance(each, FastAPI)}.values():
        app.dependency_overrides = {}
        with TestClient(app) as visitor:
            assert visitor.get("/openapi.json").status_code == 200
            if "/rooms/{room_id}" in app.openapi()["paths"]:
                assert visitor.get("/rooms/blue").json() == {"name": "Blue"}
    assert logging.getLogger("sessions_us").level == before
    assert not [request for request in world.requests if request.route is None]


def run_with_pytest(code: str, place: Path) -> None:
    """As a file of tests that somebody has beside an installed package, with what that brings: anyio's plugin and ours, found
    by themselves there (loading all plugins of this project takes longer than the test)."""
    (place / "test_pasted.py").write_text(code, "utf-8")
    plugins = ["-p", "no:cacheprovider", "-p", "sessions_us.sandbox.pytest_plugin", "-p", "anyio.pytest_plugin"]
    plugins += ["-p", "pytest_httpx"] if "pytest_httpx" in code else []
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, "test_pasted.py"]
    told = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = subprocess.run(command, cwd=place, env=told, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def run_as_a_program(code: str, place: Path, sandbox: Sandbox) -> None:
    """In a process of its own, because dlt keeps pipelines and their directories for a whole process."""
    (place / "pasted.py").write_text(code, "utf-8")
    told = environment(**at(sandbox), HOME=str(place), DLT_DATA_DIR=str(place), RUNTIME__DLTHUB_TELEMETRY="false")
    done = subprocess.run(
        [sys.executable, "pasted.py"], cwd=place, env=told, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "block",
    [pytest.param(each, id=each.name) for each in blocks("sh") if each.page not in RUN_ELSEWHERE],
)
def test_shell_runs_as_it_is_written(block: Block, world: Sandbox, tmp_path: Path) -> None:
    """Line by line in an empty directory, but for the lines that `NOT_SHELL` gives a reason for."""
    lines = [line for line in block.code.splitlines() if not any(part in line for part in NOT_SHELL)]
    if block.page == "README.md":
        lines = [line for line in lines if not line.startswith("sessions-us")]
    shim = tmp_path / "bin" / "sessions-us"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    shim.chmod(stat.S_IRWXU)
    script = "\n".join(["set -eu", *(line for line in lines if "curl" not in block.code)])
    told = environment(**at(world), PATH=f"{shim.parent}{os.pathsep}{os.environ['PATH']}", HOME=str(tmp_path))
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=told, capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_action_of_the_overlay_fits_at_its_end() -> None:
    """As docs/document.md says it: appended to the overlay, it names where a list has its rows."""
    pytest.importorskip("jsonpath_rfc9535", reason="needs the dependency group `regenerate`")
    from regeneration.overlay.actions import apply
    from regeneration.overlay.core_yaml import parse_yaml

    (block,) = blocks("yaml")
    overlay = (ROOT / "spec" / "overlay.yaml").read_text("utf-8") + block.code
    document = apply(
        json.loads((ROOT / "spec" / "upstream.json").read_text("utf-8")), parse_yaml(overlay.encode(), "overlay")
    )
    assert document["paths"]["/api/rooms"]["get"]["x-envelope"] == "rows"


def test_exceptions_are_needed() -> None:
    """What is not run has a reason, and no reason is left of something that is gone."""
    shell = "\n".join(block.code for block in blocks("sh"))
    assert [part for part in NOT_SHELL if part not in shell] == []


def test_the_readme_is_short_and_its_test_command_is_found() -> None:
    """At most 120 lines; the command below the mark is the first shell line with "test", which is what others look for."""
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    first = next(
        line
        for block in blocks("sh")
        if block.page == "README.md"
        for line in block.code.splitlines()
        if "test" in line
    )
    marked = text.partition("<!-- the tests:")[2].partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [line for line in marked if "nox -s tests" in line] == [READMES_TESTS] == [first]
    assert "never spoken to the live service" in "\n".join(text.splitlines()[:24])


def test_the_workflow_runs_what_has_to_pass() -> None:
    """The required job waits for each session of .ci/run, and for the two that CONTRIBUTING.md adds."""
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    called = {
        name
        for line in re.findall(r"^ *nox \d+m (.+)$|-m nox -s (\w+)", run, re.MULTILINE)
        for name in " ".join(line).split()
    }
    assert {"types", "operations"} < called
    required = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8").partition("\n  elsewhere:")[0]
    jobs = {*re.findall(r"session: (\w+),", required), *re.findall(r"session: \[(.*)\]", required)[0].split(", ")}
    assert jobs == {"tests", "lowest", "installed", *called}


def test_the_list_of_methods_is_current() -> None:
    """docs/methods.md is what scripts/methods.py writes: 47 rows."""
    assert PAGE.read_text("utf-8") == page()
    assert len(re.findall(r"^\| `\w+\(", page(), re.MULTILINE)) == 47


def test_a_list_of_methods_that_is_not_current_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` says so and writes nothing; without it the page is written."""
    monkeypatch.setattr(methods, "PAGE", tmp_path / "methods.md")

    assert methods.main("--check") == 1
    assert capsys.readouterr().err == "docs/methods.md is not current: run python scripts/methods.py\n"
    assert not methods.PAGE.exists()
    assert methods.main() == 0
    assert methods.main("--check") == 0
    assert methods.PAGE.read_text("utf-8") == page()


def test_each_error_has_an_entry() -> None:
    """What happened, what was sent, what to do, for each class but the root."""
    entries = re.split(r"^## `(\w+)`$", (DOCS / "errors.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    told = dict(zip(entries[::2], entries[1::2], strict=True))
    assert sorted(told) == sorted({*sessions_us.errors.__all__} - {"SessionsError"})
    for name, text in told.items():
        for part in ("**What happened.**", "**What was sent.**", "**What to do.**"):
            assert text.count(part) == 1, (name, part)


def test_each_setting_is_in_the_table() -> None:
    """Every option of a client, of `with_options`, and every variable that the package reads."""
    text = (DOCS / "configuration.md").read_text("utf-8")
    options = {*ClientOptions.__annotations__, *CallOptions.__annotations__}
    assert [option for option in sorted(options) if f"`{option}`" not in text] == []
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    variables = set(re.findall(r'"(SESSIONS_[A-Z_]+[A-Z])"', sources))
    assert variables
    assert [variable for variable in sorted(variables) if variable not in text] == []
