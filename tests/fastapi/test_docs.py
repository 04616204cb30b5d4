"""docs/fastapi.md, and what docs/workers.md adds: what they show works."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from support.command import environment
from support.scripted import unused_port

from sessions_us.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "fastapi.md").read_text("utf-8")
WORKERS = (DOCS / "workers.md").read_text("utf-8")


def test_the_guide_runs(
    sessions_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All its Python, in the order of the page, makes one application that serves what it promises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSIONS_BASE_URL", sessions_sandbox.url)
    monkeypatch.setenv("SESSIONS_USER_KEY", sessions_sandbox.user_key)
    monkeypatch.setenv("SESSIONS_GUEST_KEY", sessions_sandbox.guest_key)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/fastapi.md", "exec"), names)

    app = names["app"]
    app.dependency_overrides.clear()
    registered = {"trigger": "EVENT_NEW_REGISTRATION", "data": {"registeredParticipant": {"id": "p1"}}}
    with TestClient(app) as visitor:
        missing = visitor.get("/rooms/none")
        exported = visitor.post("/export")
        hook = visitor.post(f"/hooks/sessions/{names['secret']}", json=registered)
    app.router.lifespan_context = names["lifespan"]
    with TestClient(app) as visitor:
        assert visitor.get("/rooms/none").status_code == 404
    # A process knows one quota of a key and an address, so the other application has another address.
    monkeypatch.setenv("SESSIONS_BASE_URL", sessions_sandbox.url.replace("127.0.0.1", "localhost"))
    in_code = re.search(r"^## In code$.*?```python\n(.*?)```", WORKERS, re.DOTALL | re.MULTILINE)
    assert in_code is not None
    exec(compile(in_code[1], "docs/workers.md", "exec"), shared := dict[str, Any]())
    app.router.lifespan_context = shared["app"].router.lifespan_context
    with TestClient(app) as visitor:
        assert visitor.get("/rooms/none").status_code == 404
    assert (tmp_path / "quota.db").exists()

    assert (missing.status_code, missing.text[:18]) == (404, "<h1>Not Found</h1>")
    assert (exported.status_code, hook.status_code) == (202, 202)
    assert "welcome, RegisteredParticipant(id='p1'" in capsys.readouterr().out
    assert [request.path for request in sessions_sandbox.requests].count("/api/bookings") > 1


def test_its_application_starts_as_it_says(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The first block, saved under the name that the page gives it, and its command: both workers start, and it serves."""
    sessions_sandbox.load({"rooms": [{"id": "blue", "name": "Blue"}]})
    saved = re.search(r"Save this as `(\w+\.py)`.*?```python\n(.*?)```", GUIDE, re.DOTALL)
    command = re.search(r"^(uvicorn .*--workers 2)$", GUIDE, re.MULTILINE)
    assert saved is not None
    assert command is not None
    (tmp_path / saved[1]).write_text(saved[2], "utf-8")
    told = environment(
        SESSIONS_BASE_URL=sessions_sandbox.url,
        SESSIONS_USER_KEY=sessions_sandbox.user_key,
        SESSIONS_GUEST_KEY=sessions_sandbox.guest_key,
        SESSIONS_QUOTA_STORE=str(tmp_path / "quota.db"),
    )
    port = unused_port()
    starting = [sys.executable, "-m", *command[1].split(), "--port", str(port)]
    with subprocess.Popen(
        starting, cwd=tmp_path, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            up = list(islice((line for line in server.stderr if "startup complete" in line), 2))
            answer = httpx.get(f"http://127.0.0.1:{port}/rooms/blue", timeout=60)
        finally:
            server.terminate()
    assert len(up) == 2
    assert answer.json() == {"name": "Blue"}
    assert (tmp_path / "quota.db").exists()
