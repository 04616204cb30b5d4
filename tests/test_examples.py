from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from sessions_us.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, sandbox: Sandbox, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """An example as it is run after it was copied: a program of its own, set up by its environment alone."""
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment(sandbox), "PYTHONUTF8": "1"},
    )


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {
        "SESSIONS_BASE_URL": sandbox.url,
        "SESSIONS_USER_KEY": sandbox.user_key,
        "SESSIONS_GUEST_KEY": sandbox.guest_key,
        "SESSIONS_QUOTA": "1000/60s",
    }


def sent(sandbox: Sandbox) -> list[str]:
    return [f"{request.method} {request.path}" for request in sandbox.requests]


@pytest.mark.parametrize(
    "name", ["quickstart.py", "backend.py", "pipeline.py", "workers.py", "weeks.py", "attendance.py"]
)
def test_examples_are_short(name: str) -> None:
    """People copy what they can read at a glance: less than 80 lines."""
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 80


def test_quickstart_plans_and_tidies_up(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The script lists, plans, invites, reads and deletes, in seven requests, of which none is refused."""
    done = run("quickstart.py", sessions_sandbox, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "The newest sessions:"
    assert len([line for line in lines if line.startswith("  ")]) == 5
    (link,) = (line for line in lines if line.startswith("Planned Kick-off: https://"))
    path = f"/api/sessions/{link.rpartition('/')[2]}"
    requests = sent(sessions_sandbox)
    assert requests[:3] == ["GET /api/sessions", "POST /api/sessions", f"POST {path}/participants"]
    assert sorted(requests[3:5]) == [f"GET {path}", f"GET {path}/participants"]
    assert requests[5:] == [f"DELETE {path}"]
    assert [request.status for request in sessions_sandbox.requests] == [200, 201, 201, 200, 200, 204]
    invited = sessions_sandbox.requests[2].json["emails"]
    assert f"Kick-off has {len(invited) + 1} participants" in lines
    assert lines[-1] == "994 of 1000 requests left in this window"


def test_quickstart_says_an_error_in_a_line(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """What the server refuses ends the script with the error's name and no traceback."""
    sessions_sandbox.fail(403, path="/api/sessions", method="POST")
    done = run("quickstart.py", sessions_sandbox, cwd=tmp_path)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("PermissionDeniedError: POST /api/sessions answered 403")


def test_pipeline_writes_every_session(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """One line for each session that the API has, with the participants that the API gives for it, and no more requests
    than sessions and pages."""
    done = run("pipeline.py", sessions_sandbox, "out.ndjson", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    rows = _rows(tmp_path / "out.ndjson")
    expected = _all_sessions(sessions_sandbox)
    assert [row["id"] for row in rows] == [session["id"] for session in expected]
    assert {row["id"]: row["participants"] for row in rows} == {
        session["id"]: [_without_nulls(each) for each in session["participants"]] for session in expected
    }
    assert list(tmp_path.iterdir()) == [tmp_path / "out.ndjson"], "the place is kept though the export is complete"


def test_pipeline_goes_on_where_it_failed(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """A run that fails on its third page keeps two; the next one asks for no earlier page, and nothing is missing."""
    third = _all_sessions(sessions_sandbox)[45]["id"]
    sessions_sandbox.fail(403, path=f"/api/sessions/{third}/participants")
    failed = run("pipeline.py", sessions_sandbox, "out.ndjson", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("PermissionDeniedError")
    assert len(_rows(tmp_path / "out.ndjson")) == 40
    before = len(sessions_sandbox.requests)

    resumed = run("pipeline.py", sessions_sandbox, "out.ndjson", cwd=tmp_path)

    assert resumed.returncode == 0, resumed.stderr
    asked = [request for request in sessions_sandbox.requests[before:] if request.path == "/api/sessions"]
    assert asked[0].query == {"page": "3"}
    ids = [row["id"] for row in _rows(tmp_path / "out.ndjson")]
    assert ids == [session["id"] for session in _all_sessions(sessions_sandbox)]


_CRASH = f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, {str(EXAMPLES)!r})
import pipeline

def write_text(path, text):
    path.open("w").close()
    os._exit(9)

pathlib.Path.write_text = write_text
asyncio.run(pipeline.main())
"""


def test_pipeline_goes_on_after_a_crash(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """In the middle of a line, and of the cursor: no line is torn, nothing is missing."""
    (tmp_path / "crash.py").write_text(_CRASH, "utf-8")
    place = tmp_path / "place"
    place.mkdir()
    third = _all_sessions(sessions_sandbox)[45]["id"]
    sessions_sandbox.fail(403, path=f"/api/sessions/{third}/participants")
    assert run("pipeline.py", sessions_sandbox, "out.ndjson", cwd=place).returncode == 1
    with (place / "out.ndjson").open("a", encoding="utf-8") as file:
        file.write('{"id": "x", "na')
    assert run(str(tmp_path / "crash.py"), sessions_sandbox, "out.ndjson", cwd=place).returncode == 9
    done = run("pipeline.py", sessions_sandbox, "out.ndjson", cwd=place)

    assert done.returncode == 0, done.stderr
    ids = [row["id"] for row in _rows(place / "out.ndjson")]
    assert ids == [session["id"] for session in _all_sessions(sessions_sandbox)]
    assert list(place.iterdir()) == [place / "out.ndjson"]


def test_workers_write_each_note_once(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """A file for each session that is over and has takeaways, and one request for each that is over."""
    done = run("workers.py", sessions_sandbox, "notes", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    asked = Counter(request.path for request in sessions_sandbox.requests if request.path.endswith("/takeaways"))
    over = [session for session in _all_sessions(sessions_sandbox) if session["endedAt"]]
    assert asked == Counter(f"/api/sessions/{session['id']}/takeaways" for session in over)
    notes = {session["id"]: _asked(sessions_sandbox, f"/api/sessions/{session['id']}/takeaways") for session in over}
    written = {path.stem: path.read_text("utf-8") for path in (tmp_path / "notes").iterdir()}
    assert written == {
        session["id"]: f"# {session['name']}\n\n{notes[session['id']]['takeawaysText']}\n"
        for session in over
        if notes[session["id"]] is not None
    }
    assert done.stdout == f"{len(written)} notes in notes\n"
    assert len(written) > 20


def test_workers_end_together(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """What one of them is refused ends the program in a line, though the others still had work."""
    sessions_sandbox.fail(403, path="/api/sessions/*/takeaways")
    done = run("workers.py", sessions_sandbox, "notes", cwd=tmp_path)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("PermissionDeniedError")


def test_weeks_counts_what_was_held(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The table's sums are those of the API's rows."""
    done = run("weeks.py", sessions_sandbox, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    held = [each for each in _all_sessions(sessions_sandbox) if each["actualStart"] and each["endedAt"]]
    weeks = [row["week"] for row in rows]
    assert weeks == sorted(set(weeks))
    assert all(date.fromisoformat(week).isoweekday() == 1 for week in weeks)
    assert sum(int(row["sessions"]) for row in rows) == len(held)
    assert sum(int(row["quick"]) for row in rows) == sum(each["quickSession"] for each in held) > 0
    assert sum(int(row["minutes"]) for row in rows) == 42 * len(held)


def test_attendance_counts_a_person_once(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The host was in all sessions; everybody else in those whose participants the API says."""
    done = run("attendance.py", sessions_sandbox, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    over = [session for session in _all_sessions(sessions_sandbox) if session["endedAt"]]
    counted: Counter[str] = Counter()
    for session in over:
        people = [each["user"] or each["guest"] for each in session["participants"]]
        counted.update({person["email"] for person in people if person["email"]})
    *shown, last = done.stdout.splitlines()
    told = [(email, int(count)) for count, email in map(str.split, shown)]
    assert told[0] == ("grace@example.com", len(over))
    assert [count for _, count in told] == [count for _, count in counted.most_common(10)]
    assert all(counted[email] == count for email, count in told)
    assert last == f"{len(counted)} people"


@pytest.mark.anyio
async def test_backend_uses_both_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A visitor sees the free slots and takes one; the next visitor does not see it, and can't take it."""
    async with _backend(monkeypatch, limit=100) as (sandbox, visitor):
        page = sandbox.team_page_id
        start = {"start": (datetime.now(UTC) + timedelta(days=1)).isoformat()}  # so that no time passes meanwhile
        free = (await visitor.get(f"/pages/{page}/slots", params=start)).json()
        booking = {"start_at": free[3], "name": "Ada Lovelace", "email": "ada@example.com"}
        made = await visitor.post(f"/pages/{page}/bookings", json=booking)
        left = (await visitor.get(f"/pages/{page}/slots", params=start)).json()
        again = await visitor.post(f"/pages/{page}/bookings", json=booking)

        assert made.status_code == 201
        assert made.json()["id"]
        assert left == [slot for slot in free if slot != free[3]]
        assert again.status_code == 409
        assert [(request.path, request.key_role, request.status) for request in sandbox.requests] == [
            (f"/api/booking-pages/{page}/slots", "user", 201),
            ("/api/guests/bookings", "guest", 201),
            (f"/api/booking-pages/{page}/bookings", "user", 200),  # in the background
            (f"/api/booking-pages/{page}/slots", "user", 201),
            ("/api/guests/bookings", "guest", 409),
        ]
        assert sandbox.requests[1].json["participantEmail"] == "ada@example.com"


@pytest.mark.anyio
async def test_backend_answers_503_without_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request an hour, a new question is answered with a 503 at once, and the server is not asked."""
    async with _backend(monkeypatch, limit=1, window=3600.0) as (sandbox, visitor):
        asked = f"/pages/{sandbox.team_page_id}/slots"
        start = datetime.now(UTC) + timedelta(days=1)
        first = await visitor.get(asked, params={"start": start.isoformat()})
        again = await visitor.get(asked, params={"start": start.isoformat()})
        second = await visitor.get(asked, params={"start": (start + timedelta(days=1)).isoformat()})

        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json(), "the same question is answered from a copy"
        assert second.status_code == 503
        assert 60 < int(second.headers["retry-after"]) < 3700
        assert len(sandbox.requests) == 1


@pytest.mark.anyio
async def test_backend_tells_visitors_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is not there is a 404; a naive time is refused before the API is asked; any other failure is a 502."""
    async with _backend(monkeypatch, limit=100) as (sandbox, visitor):
        start = {"start": datetime.now(UTC).isoformat()}
        missing = await visitor.get("/pages/none/slots", params=start)
        naive = await visitor.get(f"/pages/{sandbox.team_page_id}/slots", params={"start": "2030-01-01T10:00:00"})
        sandbox.fail(401)
        broken = await visitor.get(f"/pages/{sandbox.team_page_id}/slots", params=start)

        assert (missing.status_code, naive.status_code, broken.status_code) == (404, 422, 502)
        assert len(sandbox.requests) == 2


@asynccontextmanager
async def _backend(
    monkeypatch: pytest.MonkeyPatch, *, limit: int, window: float = 60.0
) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    """The example's application in this process, its lifespan entered, before a sandbox on a socket."""
    app = _load("backend").app
    async with Sandbox(limit=limit, window=window) as sandbox:
        for name, value in {**environment(sandbox), "SESSIONS_QUOTA": f"{limit}/{window:g}s"}.items():
            monkeypatch.setenv(name, value)
        async with app.router.lifespan_context(app) as state:

            async def served(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": dict(state)}, receive, send)  # as servers do with what a lifespan yields

            transport = httpx.ASGITransport(app=served)
            async with httpx.AsyncClient(transport=transport, base_url="http://backend") as visitor:
                yield sandbox, visitor


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # FastAPI looks for the module of the annotations
    spec.loader.exec_module(module)
    return module


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _all_sessions(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the sandbox has, asked without the client."""
    sessions: list[dict[str, Any]] = []
    number = 1
    while rows := _asked(sandbox, f"/api/sessions?page={number}"):
        sessions += rows
        number += 1
    return sessions


def _asked(sandbox: Sandbox, path: str) -> Any:
    answer = httpx.get(f"{sandbox.url}{path}", headers={"x-api-key": sandbox.user_key}, timeout=30)
    return answer.raise_for_status().json()


def _without_nulls(value: Any) -> Any:
    """Models leave out what is null."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value
