from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.test_list import ids
from support.command import Terminal, at, environment, python, run, started, until, without
from support.further import further

from sessions_us.cli.export import Exportable
from sessions_us.cli.target import Target, without_secrets
from sessions_us.pipelines import RESOURCES
from sessions_us.sandbox import Sandbox


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused(sandbox: Sandbox) -> int:
    return sum(request.status == 429 for request in sandbox.requests)


def test_a_file_holds_every_row_with_what_belongs_to_it(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Each session once, its children nested, the state beside it; and the report on stdout."""
    done = run("export", "sessions", "--to", "out.ndjson", cwd=tmp_path, **at(sessions_sandbox))

    assert done.returncode == 0
    found = rows(tmp_path / "out.ndjson")
    assert len(found) == len({row["id"] for row in found})
    assert {row["id"] for row in found} == ids(sessions_sandbox, "/api/sessions")
    assert all({"participants", "transcripts", "takeaways"} <= set(row) for row in found)
    (report,) = map(json.loads, done.stdout.splitlines())
    assert (report["resource"], report["rows"], report["complete"]) == ("sessions", len(found), True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ndjson", "out.ndjson.state"]
    assert "sessions-us: sessions: " in done.stderr
    assert refused(sessions_sandbox) == 0


def test_the_forms(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The suffix says what it is: a directory, Parquet, a database; --no-children saves their requests."""
    environ = at(sessions_sandbox)
    expected = ids(sessions_sandbox, "/api/rooms")
    for to in ("plain", "typed.parquet", "duckdb:///base.duckdb"):
        before = len(sessions_sandbox.requests)
        done = run("export", "rooms", "booking-pages", "--no-children", "--to", to, cwd=tmp_path, **environ)
        assert done.returncode == 0, done.stderr
        assert len(sessions_sandbox.requests) - before < 20

    import duckdb
    import pyarrow.parquet as pq

    assert {row["id"] for row in rows(tmp_path / "plain" / "rooms.ndjson")} == expected
    assert set(pq.read_table(tmp_path / "typed.parquet" / "rooms.parquet")["id"].to_pylist()) == expected
    with duckdb.connect(str(tmp_path / "base.duckdb")) as base:
        found = base.execute("SELECT id FROM sessions_us.rooms").fetchall()
    assert sorted(name for (name,) in found) == sorted(expected)
    assert {path.name for path in tmp_path.glob("*.state")} == {
        "plain.state",
        "typed.parquet.state",
        "base.duckdb.state",
    }


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), *further((signal.SIGTERM, 143))])
@pytest.mark.sessions_sandbox(limit=4, window=1.0)
def test_a_stop_saves_and_tells_how_to_go_on(
    sessions_sandbox: Sandbox, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """The command that it prints, run as it is, ends the job: each row once, none missing, nothing read twice."""
    environ = at(sessions_sandbox)
    command = ["export", "bookings", "rooms", "--to", "all of it"]
    with started(*command, cwd=tmp_path, **environ) as process:
        until(lambda: sum(request.status == 200 for request in sessions_sandbox.requests) >= 6)
        process.send_signal(number)
        output, problems = process.communicate(timeout=60)
    before = len(sessions_sandbox.requests)

    assert (process.returncode, output) == (status, "")
    assert "Traceback" not in problems
    again = shlex.split(problems.splitlines()[-1].partition("to go on: ")[2])
    assert again == ["sessions-us", *command]
    sessions_sandbox.limiter.reset()  # a new process can't know what the last one left of the quota
    done = run(*again[1:], cwd=tmp_path, **environ)
    assert done.returncode == 0, done.stderr
    whole = len(sessions_sandbox.requests)
    sessions_sandbox.limiter.reset()
    for name in ("bookings", "rooms"):
        found = [row["id"] for row in rows(tmp_path / "all of it" / f"{name}.ndjson")]
        sessions_sandbox.limiter.reset()
        assert sorted(found) == sorted(ids(sessions_sandbox, f"/api/{name}"))
    pages = [request.query_string for request in sessions_sandbox.requests[:whole] if request.path == "/api/bookings"]
    assert before >= 6
    assert len(pages) <= 10  # two passes of three pages, and what was in flight at the stop
    assert sum(request.status == 429 for request in sessions_sandbox.requests[:whole]) == 0


def test_two_places_cost_no_more_than_one(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Both have all rows; a quick run says as of when nothing is missing; either spelling of a resource is taken."""
    environ = at(sessions_sandbox)
    command = ("export", "booking_pages", "--no-children", "--to", "a.ndjson", "--to", "b.parquet")
    first = run(*command, cwd=tmp_path, **environ)
    sent = len(sessions_sandbox.requests)
    quick = run(*command, "--quick", cwd=tmp_path, **environ)

    import pyarrow.parquet as pq

    written = {row["id"] for row in rows(tmp_path / "a.ndjson")}
    assert written == set(pq.read_table(tmp_path / "b.parquet" / "booking_pages.parquet")["id"].to_pylist())
    assert sent == json.loads(first.stdout)["requests"] == 8
    told = json.loads(quick.stdout)
    assert (told["quick"], told["resumed"], told["complete"]) == (True, False, True)
    assert told["as_of"] == json.loads(first.stdout)["as_of"]
    assert "sessions-us: this run cost 8 requests\n" in first.stderr
    assert f"sessions-us: this run cost {told['requests']} requests\n" in quick.stderr
    assert "a quick run; complete as of 20" in quick.stderr


def test_a_row_that_can_not_be_read(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """It stops the export; with --on-error skip it is named, and status 19 says that something is missing, until it is not."""
    one = next(each["id"] for each in sessions_sandbox.data["sessions"] if each["endedAt"])
    sessions_sandbox.fail(403, times=100, path=f"/api/sessions/{one}/takeaways")
    command = ("export", "sessions", "--to", "out.ndjson")
    stopped = run(*command, cwd=tmp_path, **at(sessions_sandbox))
    skipped = run(*command, "--on-error", "skip", cwd=tmp_path, **at(sessions_sandbox))
    sessions_sandbox.heal()
    whole = run(*command, cwd=tmp_path, **at(sessions_sandbox))

    assert [each.returncode for each in (stopped, skipped, whole)] == [11, 19, 0]
    assert f"1 row could not be read whole ({one}); the next export tries again" in skipped.stderr
    assert json.loads(skipped.stdout)["failed"] == {"count": 1, "ids": [one]}
    assert json.loads(whole.stdout)["changed"] == 1


def test_a_new_key_goes_on_if_it_is_said(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The refusal names the option; with it the rows stay, though the key is of somebody who does not see them."""
    rooms = ids(sessions_sandbox, "/api/rooms")
    sessions_sandbox.load({"users": [{"id": "kim", "email": "kim@example.com", "key": "key-of-kim"}]})
    command = ("export", "rooms", "--to", "rooms.ndjson")
    first = run(*command, cwd=tmp_path, **at(sessions_sandbox))
    kims = {**at(sessions_sandbox), "SESSIONS_USER_KEY": "key-of-kim"}
    stopped, unsafe, done, again = (
        run(*command, *more, cwd=tmp_path, **kims)
        for more in ([], ["--new-key", "--delete-vanished"], ["--new-key"], ["--quick"])
    )

    assert [each.returncode for each in (first, stopped, unsafe, done, again)] == [0, 18, 2, 0, 0]
    assert "of another key for this server" in stopped.stderr
    assert "(--new-key)" in stopped.stderr
    assert "--new-key and --delete-vanished exclude each other" in unsafe.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["vanished"]["count"]) == (len(rooms), len(rooms))
    assert {row["id"] for row in rows(tmp_path / "rooms.ndjson")} == rooms
    assert "key-of-kim" not in stopped.stderr + (tmp_path / "rooms.ndjson.state").read_text("latin-1")


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    """Though what is being saved takes for ever."""
    program = """
import asyncio, sys
import sessions_us.pipelines as pipelines
async def stubborn(*_, **__):
    print("begun", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
pipelines.export = stubborn
from sessions_us.cli import main
main(["export", "rooms", "--to", "x.ndjson"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment(SESSIONS_USER_KEY="k"),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C again stops at once" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


@pytest.mark.sessions_sandbox(limit=3, window=600)
def test_a_terminal_gets_a_bar(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Rows, requests, and what is waited for; Ctrl-C gives the cursor back and tells how to go on."""
    with Terminal("export", "rooms", "--to", "rooms.ndjson", cwd=tmp_path, **at(sessions_sandbox)) as terminal:
        terminal.read(until=lambda output: "waiting for the quota, " in output and " requests" in output)
        terminal.press("\x03")
        output = terminal.read()

    assert terminal.status == 130
    assert "━" in output
    assert "to go on: sessions-us export rooms --to rooms.ndjson" in output
    assert output.rfind("\x1b[?25h") > output.rfind("\x1b[?25l") >= 0


def test_no_colour_and_a_narrow_terminal(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """NO_COLOR is obeyed, and 40 columns are enough."""
    with Terminal(
        "export", "rooms", "--to", "r.ndjson", columns=40, cwd=tmp_path, NO_COLOR="1", **at(sessions_sandbox)
    ) as terminal:
        output = terminal.read()

    assert terminal.status == 0
    assert not [code for code in ("\x1b[3", "\x1b[9", "\x1b[38") if code in output]
    assert "rooms" in output


@pytest.mark.sessions_sandbox(limit=2, window=600)
def test_two_at_once(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The second says that the first is there, with status 18."""
    command = ["export", "rooms", "--to", "rooms.ndjson"]
    with started(*command, cwd=tmp_path, **at(sessions_sandbox)):
        until(lambda: (tmp_path / "rooms.ndjson").exists())
        done = run(*command, cwd=tmp_path, **at(sessions_sandbox))

    assert done.returncode == 18
    assert "in use" in done.stderr.splitlines()[-1]


def test_one_place_in_two_spellings_is_one_sink(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """It is not taken for another export, and the first line says how much there is to do."""
    places = ("--to", "rooms.ndjson", "--to", "./rooms.ndjson")
    first, second = (run("export", "rooms", *places, cwd=tmp_path, **at(sessions_sandbox)) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0)
    assert len(rows(tmp_path / "rooms.ndjson")) == len(ids(sessions_sandbox, "/api/rooms"))
    assert first.stderr.splitlines()[0] == "sessions-us: rooms: starting"
    assert second.stderr.splitlines()[0] == "sessions-us: rooms: starting, 8 requests to go"


def test_a_file_that_is_not_ours_is_left_alone(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """It is told, and not a byte of it changes."""
    (tmp_path / "rooms.ndjson").write_text("mine\n")
    done = run("export", "rooms", "--to", "rooms.ndjson", cwd=tmp_path, **at(sessions_sandbox))

    assert done.returncode == 18
    assert "is there already" in done.stderr
    assert (tmp_path / "rooms.ndjson").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rooms", "events", "--to", "x.ndjson"], "several resources need a directory"),
        (["rooms", "--to", "x.csv"], "give --format"),
        (["rooms", "--to", "postgresql://me:sardine@db.example.com/x"], "give --state"),
        (["rooms", "--to", "duckdb:///x.duckdb", "--format", "parquet"], "goes into files"),
        (["rooms", "--to", "duckdb://x.duckdb"], "three slashes in duckdb:///sessions.duckdb"),
        (["rooms", "--to", "x", "--refresh-children", "7"], "such as 7d, 12h or 30m. Help: sessions-us export -h"),
        (["rooms", "--to", "x", "--children", "notes"], "rooms have no children: leave 'notes' out"),
        (["participants", "--to", "x.ndjson"], "booking-pages"),
        (["rooms", "--to", ""], "--to names no place"),
        *further(
            (["rooms", "--to", "-"], "--to - would be the standard output"),
            (["sesions", "--to", "x"], "Did you mean sessions?"),
            (["rooms", "--to", "x", "--full-every", "soon"], "'soon' is no duration"),
            (
                ["sessions", "--to", "x", "--children", "notes"],
                "children are some of participants, transcripts, takeaways",
            ),
            (["rooms", "--to", "x", "--mark-vanished", "--delete-vanished"], "exclude each other"),
            (["rooms"], "--to"),
            ([], "RESOURCE"),
        ),
    ],
)
def test_what_makes_no_sense_writes_nothing(tmp_path: Path, arguments: list[str], said: str) -> None:
    """One line, exit status 2, no file, and no password."""
    done = run("export", *arguments, cwd=tmp_path, SESSIONS_USER_KEY="k")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr
    assert "sardine" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Parquet and databases name it; NDJSON needs none."""
    environ = at(sessions_sandbox)
    libraries = {"pyarrow", "dlt", "duckdb", "starlette", "redis"}
    for to in ("x.parquet", "duckdb:///x.duckdb"):
        done = without(libraries, "export", "rooms", "--to", to, cwd=tmp_path, **environ)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), to
        assert "pip install 'sessions-us[cli,pipelines]'" in done.stderr
    done = without(libraries, "export", "rooms", "--to", "x.ndjson", cwd=tmp_path, **environ)

    assert done.returncode == 0
    assert len(rows(tmp_path / "x.ndjson")) == len(ids(sessions_sandbox, "/api/rooms"))


def test_a_missing_driver_of_a_database(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """dlt asks for it no earlier than for the connection, and says so in many lines."""
    to = ("--to", "postgresql://me:sardine@127.0.0.1:1/x", "--state", "s")
    done = without({"psycopg2"}, "export", "rooms", *to, cwd=tmp_path, **at(sessions_sandbox))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (18, "", 1)
    assert "can't be reached: dlt[postgres] is not installed" in done.stderr


def test_a_password_is_never_told(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Not when the database can't be reached, and not when the job says how to go on."""
    url = "postgresql://me:s4rdine%21@127.0.0.1:1/x?sslpassword=t1nned&connect_timeout=1"
    done = run("export", "rooms", "--to", url, "--state", "s", cwd=tmp_path, **at(sessions_sandbox))

    assert done.returncode != 0
    assert not [secret for secret in ("s4rdine", "t1nned") if secret in done.stdout + done.stderr]
    assert len(done.stderr.splitlines()) == 1
    assert without_secrets(url) == "postgresql://me:***@127.0.0.1:1/x?sslpassword=***&connect_timeout=***"
    assert without_secrets(f"--to={url}") == f"--to={without_secrets(url)}"
    assert without_secrets("rediss://:sardine@host/0") == "rediss://:***@host/0"
    target = Target.of(url, None, Path("s"), 1)
    assert target.hide("it said s4rdine! and s4rdine%21 and t1nned of " + url).count("***") == 6
    assert "s4rdine" not in repr(target)


@pytest.mark.parametrize("url", ["://me:sar{}dine@h/db", "://me:sar{}dine@h/db?a=tuna", "://h:1/db?a=sar{}dine&b=tuna"])
@pytest.mark.parametrize("odd", ["", "/", "?", "#", "@", ":", " ", "%40", "=", "\n"])
def test_a_password_may_hold_anything(url: str, odd: str) -> None:
    """Databases are reached with passwords that nobody escaped, so they are not shown either."""
    url = "postgresql" + url.format(odd)
    told = [
        without_secrets(url),
        without_secrets(f"--to={url}"),
        Target(url, "dlt", Path("s")).hide(f"{url} said sar{odd}dine"),
    ]

    assert not [secret for secret in ("sar", "dine", "tuna") if secret in "".join(told)]
    assert without_secrets("postgresql://me@h:5432/db") == "postgresql://me@h:5432/db"


def test_what_can_be_exported_is_what_the_library_exports() -> None:
    """The same resources, as the command writes them."""
    assert [name.replace("-", "_") for name in Exportable] == list(RESOURCES)


@pytest.mark.sessions_sandbox(limit=6, window=2)
def test_an_export_shares_the_budget(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """With a store another process comes in between, and nobody is served 429."""
    environ = {**at(sessions_sandbox), "SESSIONS_QUOTA_STORE": str(tmp_path / "quota.db")}
    with started("export", "bookings", "--to", "bookings.ndjson", cwd=tmp_path, **environ) as process:
        until(lambda: sessions_sandbox.requests)
        other = run("list", "rooms", "--limit", "1", **environ)
        process.communicate(timeout=60)

    assert (other.returncode, process.returncode) == (0, 0)
    assert refused(sessions_sandbox) == 0
    assert len(rows(tmp_path / "bookings.ndjson")) == 34


def test_a_full_disk_is_a_line(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """What can't be written is told with the file's name, and no traceback."""
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from sessions_us.cli import main
main(["export", "sessions", "--to", "x.ndjson"])
"""
    done = python("-c", program, cwd=tmp_path, measured=False, **at(sessions_sandbox))

    assert done.returncode == 18
    assert "Traceback" not in done.stderr
