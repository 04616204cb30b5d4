"""A small project to regenerate: the real scripts and pins, a document of a few operations that has every trap in it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import regenerate as command

REPOSITORY = Path(__file__).resolve().parents[2]
EVIL = 'x"""\nimport os\nos.environ["INJECTED"] = "1"\n"""\\'


def document() -> dict[str, Any]:
    """A new copy of the small upstream document."""

    def answer(schema: Any) -> dict[str, Any]:
        return {"description": "ok", "content": {"application/json": {"schema": schema}}}

    def ref(name: str) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{name}"}

    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    page = {"name": "page", "in": "query", "schema": {"type": "integer", "default": 1}}
    key = {"name": "x-api-key", "in": "header", "schema": {"type": "string"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": EVIL, "version": "1"},
        "security": [{"key": []}],
        "paths": {
            "/api/things": {
                "get": {
                    "summary": EVIL,
                    "description": EVIL,
                    "parameters": [page, key],
                    "responses": {
                        "200": answer({"type": "array", "items": ref("Thing")}),
                        "400": answer(ref("Error")),
                        "default": answer(ref("Error")),
                    },
                },
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("NewThing")}}},
                    "responses": {"201": answer(ref("Thing")), "200": answer({"type": "string"})},
                },
            },
            "/api/things/{id}": {
                "parameters": [identifier],
                "get": {"responses": {"200": answer({"allOf": [ref("Thing")], "nullable": True})}},
                "delete": {"responses": {"204": {"description": "gone"}}},
            },
            "/api/anything": {"get": {"responses": {"200": answer({})}}},
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {
                "Thing": {
                    "type": "object",
                    "title": "Not the class's name",
                    "description": EVIL,
                    "required": ["id", "startAt"],
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "startAt": {
                            "type": "string",
                            "format": "date-time",
                            "nullable": True,
                            "default": "2026-01-02T03:04:05Z",
                        },
                        "colour": {"allOf": [ref("Colour")], "nullable": True},
                        "colours": {"type": "array", "items": ref("Colour")},
                        "owner": {"nullable": True, "oneOf": [ref("Person")]},
                        "guests": {"type": "array", "items": {"anyOf": [{"type": "string"}, ref("Person")]}},
                        "parent": ref("Thing"),
                        "size": {"type": "string", "enum": ["a-b", "a_b"]},
                        "free": {"type": "object", "additionalProperties": {"type": "string"}},
                        "additionalProperties": {"type": "boolean"},
                        "toDict": {"type": "number"},
                        "class": {"type": "string", "description": EVIL},
                        'in"jec\\t': {"type": "string"},
                        "x-day": {"type": "string", "format": "date"},
                    },
                },
                "Person": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {"id": {"type": "string"}, "email": {"type": "string", "nullable": True}},
                },
                "Colour": {"type": "string", "enum": ["red", "dark blue", 'q"uote'], "description": EVIL},
                "NewThing": {"type": "object", "properties": {"name": {"type": "string"}}},
                "Error": {"type": "object", "properties": {"message": {"type": "string"}}},
                "Payload": {"type": "object", "x-keep": True, "properties": {"inner": ref("Inner")}},
                "Inner": {"type": "object", "properties": {"text": {"type": "string"}}},
            },
        },
    }


OVERLAY = """
overlay: 1.0.0
info: {title: names, version: "1"}
actions:
  - target: $.paths['/api/things'].get
    description: names
    update:
      operationId: list_things
      tags: [things]
      x-key-role: user
      x-pagination: {parameter: page, size: 20}
  - target: $.paths['/api/things'].post
    description: names
    update: {operationId: create_thing, tags: [things], x-key-role: guest, x-observed: true}
  - target: $.paths['/api/things/{id}'].get
    description: names
    update: {operationId: get_thing, tags: [things], x-key-role: user}
  - target: $.paths['/api/things/{id}'].delete
    description: names
    update: {operationId: delete_thing, tags: [things], x-key-role: user, x-removes: true}
  - target: $.paths['/api/anything'].get
    description: names
    update: {operationId: get_anything, tags: [odd-ones], x-key-role: user, x-repeatable: false}
  - target: $
    description: what a deletion changes
    update: {x-invalidates: {delete_thing: [things]}}
"""

Regenerate = Callable[..., "subprocess.CompletedProcess[str]"]


def lay_out(root: Path, upstream: Mapping[str, Any], overlay: str) -> None:
    """Write the inputs of regeneration under a folder."""
    data = json.dumps(upstream).encode()
    (root / "spec").mkdir(parents=True, exist_ok=True)
    (root / "spec/upstream.json").write_bytes(data)
    (root / "spec/upstream.toml").write_text(f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n')
    (root / "spec/overlay.yaml").write_text(overlay)


def without_progress(complained: str) -> str:
    """What the command had to complain of: on a slow machine it also tells every ten seconds which step it is at."""
    return "".join(line for line in complained.splitlines(keepends=True) if not line.endswith(" …\n"))


def run_script(root: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What scripts/regenerate.py does for a project, without the second that a new interpreter takes to import the tools."""
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd or root), contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            status = command.main(arguments, root)
        except SystemExit as end:  # argparse's
            status = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, status, said.getvalue(), without_progress(complained.getvalue()))


def run_process(
    root: Path, *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(root / "scripts/regenerate.py"), *arguments],
        cwd=cwd or root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    done.stderr = without_progress(done.stderr)
    return done


@pytest.fixture
def upstream() -> dict[str, Any]:
    return document()


@pytest.fixture
def overlay_text() -> str:
    return OVERLAY


@pytest.fixture
def evil() -> str:
    """A string that tries to end the literal it is put into and run code."""
    return EVIL


@pytest.fixture
def regenerate() -> Regenerate:
    """Run the command for a project, in this process: regenerate(root, *arguments, cwd=…)."""
    return run_script


@pytest.fixture
def regenerate_process() -> Regenerate:
    """Run scripts/regenerate.py of a project as somebody does: regenerate_process(root, *arguments, cwd=…, **environment)."""
    return run_process


@pytest.fixture
def rewrite() -> Callable[[Path, Mapping[str, Any], str], None]:
    """Replace a project's inputs: rewrite(root, upstream, overlay)."""
    return lay_out


@pytest.fixture(scope="session")
def generated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(REPOSITORY / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    lay_out(root, document(), OVERLAY)
    process = run_script(root)
    assert process.returncode == 0, process.stderr
    return root


@pytest.fixture
def project(generated_once: Path, tmp_path: Path) -> Path:
    """A project of its own, up to date."""
    without_bytecode = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(generated_once, tmp_path / "project", ignore=without_bytecode))


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Every file under a folder, by relative path, but for bytecode."""

    def take(root: Path) -> dict[str, bytes]:
        files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    return take


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """This repository, as far as regeneration needs it, to put things in place in."""
    root = tmp_path / "whole"
    without_bytecode = shutil.ignore_patterns("__pycache__")
    for folder in ("scripts", "src", "spec", "generated"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=without_bytecode)
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root
