"""Every snippet of Python in docstrings, word for word against a sandbox. tests/test_docs.py runs those of README and docs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import CodeType, ModuleType
from typing import Any

import pytest
from fastapi import FastAPI

import sessions_us
from sessions_us import GuestClient, UserClient, fastapi, pipelines, sandbox, webhooks
from sessions_us.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "sessions_us"
WRITTEN = r"(?:\A|\n\n)((?: {4}.*\n?|\n)+)"  # paragraphs of a docstring that are indented
SAID = r"`((?:await|async with|async for) [^`]+)`"  # what stands in a sentence


def snippets() -> Iterator[tuple[str, str]]:
    """The snippets and where they stand."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            text = ast.get_docstring(node) or ""
            found = [dedent(code) for code in re.findall(WRITTEN, text)]
            found += [re.sub(r":$", ": ...", re.sub(r"\s+", " ", code)) for code in re.findall(SAID, text)]
            yield from ((str(path.relative_to(SOURCES)), code) for code in found if compiled(code, "") is not None)


def compiled(code: str, where: str) -> CodeType | None:
    """The code as a console takes it that can await; None for what is no Python, such as examples of the command."""
    try:
        made: CodeType = compile(code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return None
    return made


def public(module: ModuleType) -> dict[str, Any]:
    names = getattr(module, "__all__", None) or dir(module)
    return {name: getattr(module, name) for name in names if not name.startswith("_")}


SNIPPETS = sorted(set(snippets()))


def test_snippets_are_found() -> None:
    """In the docstrings of packages, classes and functions."""
    places = {where for where, _ in SNIPPETS}

    assert {"fastapi/__init__.py", "pipelines/__init__.py", "sandbox/__init__.py", "client.py"} <= places
    assert {"pipelines/notices.py", "_calls/pager.py"} <= places


@pytest.mark.parametrize(("where", "code"), SNIPPETS, ids=[f"{where}-{n}" for n, (where, _) in enumerate(SNIPPETS)])
def test_a_snippet_works(
    sessions_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, code: str
) -> None:
    """With the names that the package exports, and those that a reader has from the lines around it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSIONS_BASE_URL", sessions_sandbox.url)
    monkeypatch.setenv("SESSIONS_USER_KEY", sessions_sandbox.user_key)
    monkeypatch.setenv("SESSIONS_GUEST_KEY", sessions_sandbox.guest_key)
    names: dict[str, Any] = {}
    for module in (sessions_us, webhooks, sandbox, pipelines, fastapi):
        names |= public(module)
    names |= {"asyncio": asyncio, "FastAPI": FastAPI, "app": FastAPI()}
    names["event_id"] = sessions_sandbox.data["events"][0]["id"]
    names["delivery"] = webhooks.parse_webhook('{"trigger": "SESSION_ENDED", "data": {"session": {"id": "a"}}}')
    program = compiled(code, where)
    assert program is not None

    async def typed() -> None:
        async with UserClient() as user, GuestClient() as guest:
            await eval(program, names | {"user": user, "guest": guest, "rooms": user.rooms, "pager": user.rooms.list()})

    if program.co_flags & inspect.CO_COROUTINE:
        asyncio.run(typed())
    else:
        eval(program, names)
