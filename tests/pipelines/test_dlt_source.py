"""`sessions_source`: run by dlt against a sandbox over HTTP, into DuckDB and PostgreSQL, looked at past dlt."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from support.databases import Database
from support.scripted import Say, Scripted, Silence
from support.serving import eventually

from sessions_us import ConfigurationError, PermissionDeniedError, Quota
from sessions_us.pipelines import sessions_source
from sessions_us.sandbox import Sandbox

LISTS = {"booking_pages": 25, "bookings": 34, "rooms": 23, "sessions": 106, "events": 25}

MOMENT = "2026-03-01T09:30:00.250Z"

Run = Callable[..., None]


@pytest.fixture
def duck(tmp_path: Path) -> Database:
    return Database(f"duckdb:///{tmp_path}/out.duckdb")


@pytest.fixture
def run(sessions_sandbox: Sandbox, tmp_path: Path) -> Iterator[Run]:
    """Runs a pipeline as a program of a user's does, one run after the other."""

    def run(database: Database, **options: Any) -> None:
        name = database.url.partition(":")[0]
        destination = dlt.destinations.duckdb if name == "duckdb" else dlt.destinations.postgres
        pipeline = dlt.pipeline(
            "sandbox", pipelines_dir=str(tmp_path / "dlt"), destination=destination(database.url), dataset_name="data"
        )
        pipeline.run(source(sessions_sandbox, **options))

    yield run
    dlt.pipeline().deactivate()


def source(sandbox: Sandbox, **options: Any) -> Any:
    settings = {"base_url": sandbox.url, "quota": Quota(sandbox.limiter.limit, sandbox.limiter.window), **options}
    return sessions_source(sandbox.user_key, **settings)


def asked(sandbox: Sandbox, path: str) -> list[Any]:
    """All rows of a list, or of what belongs to a row, without the client and beside the limit."""
    rows: list[Any] = []
    with httpx.Client(transport=None, base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as client:
        for number in range(1, 100):
            answer = client.get(path, params={"page": number}).raise_for_status().json()
            rows += [each for each in answer if each not in rows] if isinstance(answer, list) else [answer]
            if len(answer or ()) < 20 or not isinstance(answer, list):
                break
    return rows


def write(sandbox: Sandbox, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, f"{sandbox.url}{path}", json=body, headers={"x-api-key": sandbox.user_key})
    return answer.raise_for_status().json() if answer.content else None


def requests(sandbox: Sandbox, since: int = 0) -> Counter[str]:
    """How often the last word of a path was asked for."""
    return Counter(request.path.rpartition("/")[2] for request in sandbox.requests[since:])


@pytest.mark.sessions_sandbox(limit=1000, fields="all")
def test_everything_arrives_once_and_typed(sessions_sandbox: Sandbox, database: Database, run: Run) -> None:
    """Each table holds what the API has, with no request beyond what that takes; a second run changes nothing and reads
    only what can have changed."""
    run(database)
    needed = requests(sessions_sandbox)
    sessions = asked(sessions_sandbox, "/api/sessions")
    told = sum(len(session["participants"]) for session in sessions)
    before = len(sessions_sandbox.requests)

    def counted() -> dict[str, tuple[int, int]]:
        keys = dict.fromkeys(LISTS, "id") | {"sessions__participants": "(_dlt_parent_id, id)"}
        keys["sessions__transcripts"] = "(_dlt_parent_id, _dlt_list_idx)"
        keys["booking_pages__bookings"] = keys["booking_pages__collaborators"] = "(_dlt_parent_id, id)"
        query = "SELECT count(*), count(DISTINCT {}) FROM data.{}"
        return {table: database.rows(query.format(key, table))[0] for table, key in keys.items()}  # type: ignore[misc]

    first = counted()
    assert {table: count for table, (_, count) in first.items() if table in LISTS} == LISTS
    assert first["sessions__participants"] == (told, told)
    with_notes = "SELECT count(*) FROM data.sessions WHERE takeaways__takeaways_text LIKE '%next steps%'"
    ((notes,),) = database.rows(with_notes)
    assert first["sessions__transcripts"][0] == 4 * notes > 100
    assert all(rows == distinct for rows, distinct in first.values())
    begun = sum(bool(session["actualStart"] or session["endedAt"]) for session in sessions)
    assert (needed["participants"], needed["transcripts"], needed["takeaways"]) == (0, begun, begun)

    run(database)
    assert counted() == first
    again = requests(sessions_sandbox, before)
    assert 0 < again["takeaways"] == again["transcripts"] <= begun - notes, "what is on, or ended lately without notes"
    assert again["sessions"] == 8, "six pages, one for the number of the first, and one to see which was the last"
    assert sessions_sandbox.limiter.refused == 0

    columns = database.columns("data", "sessions")
    assert columns["ended_at"] == columns["booking__start_at"] == "timestamp with time zone"
    assert columns["quick_session"] == database.columns("data", "events")["is_published"] == "boolean", (
        "unknown, and kept"
    )
    speakers = """SELECT count(*) FROM data.sessions__transcripts t JOIN data.sessions__participants p
        ON t._dlt_parent_id = p._dlt_parent_id AND t.participant_id = p.id"""
    assert database.rows(speakers) == [(first["sessions__transcripts"][0],)]


@pytest.fixture
def few(sessions_sandbox: Sandbox) -> dict[str, str]:
    """The ids of a session and of a booking page, beside which there is next to nothing."""
    plan = {"startAt": "2030-01-01T10:00:00.000Z", "plannedEnd": "2030-01-01T11:00:00.000Z", "timeZone": "UTC"}
    session = write(sessions_sandbox, "POST", "/api/sessions", {"name": "Kick-off", **plan})["id"]
    write(sessions_sandbox, "POST", f"/api/sessions/{session}/participants", {"emails": ["ada@example.com"]})
    page = write(sessions_sandbox, "POST", "/api/booking-pages", {"name": "Intro"})["id"]
    write(sessions_sandbox, "POST", f"/api/booking-pages/{page}/collaborators", {"email": "joan@example.com"})
    return {"session": session, "page": page}


@pytest.mark.sessions_sandbox(limit=1000, empty=True)
def test_children_that_went_go(sessions_sandbox: Sandbox, duck: Database, run: Run, few: dict[str, str]) -> None:
    """Who left a session or a page is in its table no more, the last one too."""
    run(duck, resources=["sessions", "booking_pages"])
    assert duck.rows("SELECT count(*) FROM data.sessions__participants") == [(2,)]
    assert duck.rows("SELECT email FROM data.booking_pages__collaborators") == [("joan@example.com",)]

    participants = f"/api/sessions/{few['session']}/participants"
    write(sessions_sandbox, "DELETE", participants, {"emails": ["ada@example.com"]})
    collaborators = f"/api/booking-pages/{few['page']}/collaborators"
    write(sessions_sandbox, "DELETE", collaborators, {"email": "joan@example.com"})
    assert len(asked(sessions_sandbox, participants)) == 1
    assert asked(sessions_sandbox, collaborators) == []
    run(duck, resources=["sessions", "booking_pages"])

    assert duck.rows("SELECT is_owner FROM data.sessions__participants") == [(True,)]
    assert duck.rows("SELECT count(*) FROM data.booking_pages__collaborators") == [(0,)]
    assert duck.rows("SELECT count(*) FROM data.booking_pages") == [(1,)]


@pytest.mark.sessions_sandbox(limit=1000, empty=True)
def test_notes_that_come_late_are_read(
    sessions_sandbox: Sandbox, duck: Database, run: Run, few: dict[str, str]
) -> None:
    """Takeaways are written after the end, so a session that is just over and has none is read again until it has; its
    participants are not."""
    sessions_sandbox.end_session(few["session"], takeaways="", transcript=())
    run(duck, resources=["sessions"])
    before = len(sessions_sandbox.requests)
    run(duck, resources=["sessions"])
    assert requests(sessions_sandbox, before)["takeaways"] == 1
    assert requests(sessions_sandbox, before)["participants"] == 0

    (present, _) = asked(sessions_sandbox, f"/api/sessions/{few['session']}/participants")
    said = {"participantId": present["id"], "sourceTimestamp": MOMENT, "content": [{"text": "Yes."}]}
    sessions_sandbox.load({"sessions": [{"id": few["session"], "takeaways": "We agreed.", "transcripts": [said]}]})
    run(duck, resources=["sessions"])
    before = len(sessions_sandbox.requests)
    run(duck, resources=["sessions"])

    assert duck.rows("SELECT id, takeaways__takeaways_text FROM data.sessions") == [(few["session"], "We agreed.")]
    assert requests(sessions_sandbox, before)["takeaways"] == 0


@pytest.mark.sessions_sandbox(limit=1000, empty=True)
def test_what_failed_is_read_by_the_next_run(
    sessions_sandbox: Sandbox, duck: Database, run: Run, few: dict[str, str]
) -> None:
    """A refusal ends the run with its reason and loads nothing of it; a session that went meanwhile ends nothing."""
    sessions_sandbox.start_session(few["session"])
    sessions_sandbox.fail(403, path="/api/sessions/*/transcripts")
    with pytest.raises(Exception, match="answered 403") as raised:
        run(duck, resources=["sessions"])
    reasons = [raised.value]
    while reasons[-1].__cause__ is not None:
        reasons.append(reasons[-1].__cause__)
    assert isinstance(reasons[-1], PermissionDeniedError)

    sessions_sandbox.fail(404, path="/api/sessions/*/takeaways")
    run(duck, resources=["sessions"])
    assert duck.rows("SELECT count(*) FROM data.sessions") == [(1,)]
    assert duck.rows("SELECT count(*) FROM data.sessions__participants") == [(2,)]


@pytest.mark.skipif(
    "SESSIONS_EAGER" in os.environ, reason="dlt stops its loop under its tasks, and never has eager ones"
)
def test_a_run_that_fails_leaves_nothing_open(duck: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A list waits for its answer when another is refused: its connection is closed when dlt has stopped its loop, and no
    task, thread or complaint is left."""
    told = {"ratelimit-limit": "1000", "ratelimit-remaining": "999", "ratelimit-reset": "60"}
    script = Say(body=[], headers=told), Silence(), Say(403), Silence()  # at first one at a time, then two
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Scripted(*script)) as server:
        own = set(threading.enumerate())
        pipeline = dlt.pipeline("failing", pipelines_dir=str(tmp_path), destination=dlt.destinations.duckdb(duck.url))
        with pytest.raises(Exception, match="answered 403"):
            pipeline.run(sessions_source("key", base_url=server.url, quota=Quota(limit=1000)))
        pipeline.deactivate()
        left = {thread.name for thread in set(threading.enumerate()) - own if "sessions-us" in thread.name}

        async def closed() -> None:
            await eventually(lambda: server.open_connections == 0)

        portal.call(closed)

    assert len(server.arrived) >= 3, "one that waits, one that is refused, and what was sent before dlt heard of that"
    assert left == set()
    assert [
        record.getMessage()
        for record in caplog.records
        if record.name == "asyncio" and record.levelno > logging.WARNING
    ] == []


@pytest.mark.sessions_sandbox(limit=10, window=1.0, empty=True)
def test_all_resources_share_the_quota(
    sessions_sandbox: Sandbox, duck: Database, run: Run, few: dict[str, str]
) -> None:
    """dlt reads all resources at once; the server still refuses nothing, and the sessions alone can be asked for."""
    run(duck)
    assert sessions_sandbox.limiter.admitted > 10, "more than a window holds"
    assert sessions_sandbox.limiter.refused == 0
    before = len(sessions_sandbox.requests)

    run(duck, resources=["sessions"], children=False)
    assert set(requests(sessions_sandbox, before)) == {"sessions"}


@pytest.mark.parametrize("resources", [[], ["session"], "sessions", ["sessions", "nothing"]])
def test_an_unknown_list_is_said_at_once(resources: Any) -> None:
    """Before dlt runs anything, and with the names that there are."""
    with pytest.raises(ValueError, match="booking_pages, bookings, rooms, sessions, events"):
        sessions_source("key", resources=resources)


def test_what_can_not_be_meant_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, and an address that would give it away."""
    monkeypatch.delenv("SESSIONS_USER_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="SESSIONS_USER_KEY"):
        sessions_source()
    with pytest.raises(ConfigurationError, match="plain http"):
        sessions_source("key", base_url="http://example.com")


@pytest.mark.parametrize("name", ["DltSink", "sessions_source"])
def test_dlt_is_imported_by_those_who_use_it(name: str) -> None:
    """Importing the package costs nothing of it, and where it is missing one line says what to install."""
    code = f"""
import sys
import sessions_us.pipelines
print("dlt" in sys.modules)
sys.modules["dlt"] = None
try:
    sessions_us.pipelines.{name}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "False",
        f"sessions_us.pipelines.{name} needs dlt: pip install 'sessions-us[pipelines]'",
    ]
