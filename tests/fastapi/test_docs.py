"""docs/fastapi.md: what it shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sessions_us.sandbox import Sandbox

GUIDE = (Path(__file__).parents[2] / "docs" / "fastapi.md").read_text("utf-8")


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
    app.router.lifespan_context = names["shared"]
    with TestClient(app) as visitor:
        assert visitor.get("/rooms/none").status_code == 404
    assert (tmp_path / "quota.db").exists()

    assert (missing.status_code, missing.text[:18]) == (404, "<h1>Not Found</h1>")
    assert (exported.status_code, hook.status_code) == (202, 202)
    assert "welcome, RegisteredParticipant(id='p1'" in capsys.readouterr().out
    assert [request.path for request in sessions_sandbox.requests].count("/api/bookings") > 1
