from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import subprocess
from typing import Any

import httpx
import pytest
from support.command import COMMAND, Terminal, at, environment, run, started, until
from support.further import further
from support.list_server import ListServer, Paging

from sessions_us.cli.resources import SHOWN, Listing
from sessions_us.cli.table import cell
from sessions_us.sandbox import Sandbox


def rows(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def ids(sandbox: Sandbox, path: str) -> set[str]:
    """The truth: what the server itself lists, page by page."""
    found: set[str] = set()
    with httpx.Client(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as http:
        page = 1
        while part := http.get(path, params={"page": page}).json():
            found |= {row["id"] for row in part}
            page += 1
    return found


@pytest.mark.parametrize("resource", ["sessions", "booking-pages", *further("bookings", "rooms", "events")])
def test_a_list_in_a_pipe_is_ndjson_with_every_row(sessions_sandbox: Sandbox, resource: str) -> None:
    """Each row once, all of them, one JSON object a line."""
    done = run("list", resource, "--all", **at(sessions_sandbox))

    assert (done.returncode, done.stderr) == (0, "")
    found = [row["id"] for row in rows(done.stdout)]
    assert len(found) == len(set(found)) > 20
    assert set(found) == ids(sessions_sandbox, f"/api/{resource}")


@pytest.mark.sessions_sandbox(fields="all")
def test_rows_are_as_the_server_sent_them(sessions_sandbox: Sandbox) -> None:
    """Wire names, and fields that no document describes, value by value."""
    done = run("list", "sessions", "--limit", "20", **at(sessions_sandbox))
    raw = httpx.get(
        f"{sessions_sandbox.url}/api/sessions", headers={"x-api-key": sessions_sandbox.user_key}, timeout=30
    ).json()

    assert rows(done.stdout) == raw
    assert len(raw) == 20


def test_a_number_that_json_does_not_have_is_a_string(sessions_sandbox: Sandbox) -> None:
    """What comes out of the pipe is JSON, whatever went in."""
    sessions_sandbox.fail(200, path="/api/rooms", body='[{"id": "r", "size": NaN, "more": [-1e999]}]')
    done = run("list", "rooms", "--limit", "1", **at(sessions_sandbox))

    assert json.loads(done.stdout, parse_constant=pytest.fail) == {"id": "r", "size": "NaN", "more": ["-Infinity"]}


@pytest.mark.parametrize("id", ["a\\b", "a/../b"])
@pytest.mark.parametrize("resource", ["participants", *further("transcripts", "takeaways")])
def test_an_id_that_would_lead_elsewhere(sessions_sandbox: Sandbox, resource: str, id: str) -> None:
    """What was wrong is the id that was given, not a path that nobody gave; nothing is sent."""
    done = run("list", resource, id, **at(sessions_sandbox))

    said = f"sessions-us: '{id}' is no id of a session: an id with \\ or .. in it would lead to another path\n"
    assert (done.returncode, done.stderr) == (2, said)
    assert sessions_sandbox.requests == []


def test_limit_stops_reading(sessions_sandbox: Sandbox) -> None:
    """Five rows are five rows, and one request."""
    done = run("list", "sessions", "--limit", "5", **at(sessions_sandbox))

    assert len(rows(done.stdout)) == 5
    assert len(sessions_sandbox.requests) == 1


def test_one_row_is_one_row(sessions_sandbox: Sandbox) -> None:
    """In words, too."""
    done = run("list", "rooms", "--limit", "1", **at(sessions_sandbox))

    assert done.stderr.startswith("sessions-us: 1 row, and more may follow")


def test_what_belongs_to_a_session_or_a_page(sessions_sandbox: Sandbox) -> None:
    """Participants, transcripts, takeaways, a page's bookings and collaborators."""
    environ = at(sessions_sandbox)
    sessions = rows(run("list", "sessions", "--all", **environ).stdout)
    ended = next(each["id"] for each in sessions if each.get("endedAt"))
    page = rows(run("list", "booking-pages", "--limit", "1", **environ).stdout)[0]["id"]
    found = {
        resource: run("list", resource, of, **environ)
        for resource, of in {
            "participants": ended,
            "transcripts": ended,
            "takeaways": ended,
            "bookings": page,
            "collaborators": page,
        }.items()
    }

    assert {resource: done.returncode for resource, done in found.items()} == dict.fromkeys(found, 0)
    assert all("id" in row for row in rows(found["participants"].stdout))
    assert rows(found["participants"].stdout)
    assert rows(found["transcripts"].stdout)[0]["content"]
    assert "takeawaysText" in rows(found["takeaways"].stdout)[0]
    paths = [request.path for request in sessions_sandbox.requests]
    assert f"/api/booking-pages/{page}/bookings" in paths
    assert f"/api/booking-pages/{page}/collaborators" in paths


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["participants"], "SESSION_ID"),
        (["collaborators"], "PAGE_ID"),
        (["rooms", "x"], "takes no id"),
        (["participants", ".."], "id must not be"),
        (["nothing"], "booking-pages"),
        (["sessions", "--limit", "0"], "--limit"),
        (["sesions"], "Did you mean sessions?"),
        (["rooms", "--all", "--limit", "3"], "--all and --limit exclude each other"),
        (["rooms", "--page", "2", "--cursor", "x"], "--page and --cursor exclude each other"),
        (["rooms", "-o", "csv", "--json"], "exclude each other"),
        (["rooms", "--since", "soon"], "neither a date"),
        (["rooms", "--since", "999999d"], "beyond the calendar"),
    ],
)
def test_what_makes_no_sense_sends_nothing(sessions_sandbox: Sandbox, arguments: list[str], said: str) -> None:
    """One line, exit status 2, and no request."""
    done = run("list", *arguments, **at(sessions_sandbox))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr
    assert sessions_sandbox.requests == []


def test_a_terminal_gets_a_table(sessions_sandbox: Sandbox) -> None:
    """Headings and whole ids, where there is room for them."""
    with Terminal("list", "sessions", "--limit", "3", columns=170, **at(sessions_sandbox)) as terminal:
        output = terminal.read()

    assert terminal.status == 0
    first = httpx.get(
        f"{sessions_sandbox.url}/api/sessions", headers={"x-api-key": sessions_sandbox.user_key}, timeout=30
    ).json()[0]
    assert "starts (UTC)" in output
    assert first["id"] in output
    assert "{" not in output


def seen(output: str) -> list[str]:
    """The lines that a terminal shows in the end: what stood there before was erased."""
    lines = (re.split(r"\x1b\[[?\d;]*[A-Za-z]|\r", line.removesuffix("\r"))[-1] for line in output.split("\n"))
    return [line for line in lines if line]


def test_json_on_a_terminal_is_json(sessions_sandbox: Sandbox) -> None:
    """Nothing else is left between the lines."""
    with Terminal("list", "rooms", "--json", "--all", columns=300, **at(sessions_sandbox)) as terminal:
        output = terminal.read()

    assert len([json.loads(line) for line in seen(output)]) == len(ids(sessions_sandbox, "/api/rooms"))


@pytest.mark.anyio
async def test_a_list_that_may_not_be_complete_says_so() -> None:
    """A server that ignores page numbers: its rows are printed, and the exit status and one line tell the rest."""
    async with ListServer(93, Paging(ignored=True)) as server:
        place = {"SESSIONS_USER_KEY": "key", "SESSIONS_BASE_URL": server.url, "SESSIONS_QUOTA": "1000/1s"}
        done = await asyncio.to_thread(run, "list", "rooms", "--all", **place)

    assert len(rows(done.stdout)) == 20
    assert (done.returncode, "rows may be missing" in done.stderr) == (19, True)


@pytest.mark.sessions_sandbox(empty=True)
def test_an_empty_list(sessions_sandbox: Sandbox) -> None:
    """No lines in a pipe, and a word for people."""
    assert run("list", "rooms", **at(sessions_sandbox)).stdout == ""
    assert run("list", "rooms", "--table", **at(sessions_sandbox)).stdout == "No rooms.\n"


@pytest.mark.parametrize("columns", [40, 160, *further(80)])
@pytest.mark.parametrize("resource", ["bookings", *further("sessions", "events")])
def test_nothing_is_cut_without_a_mark(sessions_sandbox: Sandbox, resource: str, columns: int) -> None:
    """In a pipe as on a terminal no line is longer. The time comes first, each cell is whole, or an id with a mark, and a column
    that there is no room for, or that is empty, is named."""
    environ = {**at(sessions_sandbox), "COLUMNS": str(columns)}
    done = run("list", resource, "--table", "--limit", "3", **environ)
    first = rows(run("list", resource, "--limit", "1", **environ).stdout)[0]
    lines = done.stdout.splitlines()
    table = [line for line in lines if not line.startswith(("Empty", "Not shown"))]
    shown = SHOWN[Listing(resource)].columns

    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("starts (UTC)") or "Empty: starts (UTC)" in done.stdout
    notes = re.findall(r"(?:Empty|Not shown for want of room): ([^.]*)\.", " ".join(done.stdout.split()))
    hidden = " ".join(notes).replace(" ", "")
    for heading, where in shown.items():
        value = cell(first, where)
        if heading not in lines[0]:
            assert heading.replace(" ", "") in hidden, heading
        elif value not in table[2]:
            words = " ".join(" ".join(table[2:5]).split())
            assert f"{value[:8]}…" in table[2] or all(word in words for word in value.split()), heading
    assert ("…" in done.stdout) == ("Ids are shortened" in " ".join(done.stdout.split()))


def test_a_width_that_nobody_knows(sessions_sandbox: Sandbox) -> None:
    """COLUMNS=0 is no terminal without columns, which could show nothing."""
    done = run("list", "rooms", "--table", "--limit", "2", COLUMNS="0", **at(sessions_sandbox))

    assert done.returncode == 0
    assert 40 < max(map(len, done.stdout.splitlines())) <= 80


def test_a_narrow_terminal_without_unicode(sessions_sandbox: Sandbox) -> None:
    """In 40 columns of ASCII no line is longer."""
    environ = at(sessions_sandbox)
    done = run("list", "rooms", "--table", "--limit", "2", COLUMNS="40", PYTHONIOENCODING="ascii", **environ)

    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert max(map(len, done.stdout.splitlines())) <= 40
    assert done.stdout.isascii()


def test_a_list_has_a_limit_and_says_what_all_would_cost(sessions_sandbox: Sandbox) -> None:
    """One request."""
    done = run("list", "rooms", **at(sessions_sandbox))

    assert (done.returncode, len(rows(done.stdout)), len(sessions_sandbox.requests)) == (0, 20, 1)
    assert "20 rows, and more may follow; --all costs a request for each 20" in done.stderr


@pytest.mark.parametrize(
    "limit", [["-n", "23"], ["-n", "3", "--since", "90d"], *further([], ["-n", "5"], ["-n", "20"], ["-n", "40"])]
)
def test_a_cursor_goes_on(sessions_sandbox: Sandbox, limit: list[str]) -> None:
    """It is told in one line wherever a list stops, and gives what was not shown, and nothing twice."""
    done = run("list", "sessions", *limit, **at(sessions_sandbox))
    cursor = done.stderr.partition("--cursor ")[2].split()[0]
    rest = run("list", "sessions", "--all", "--cursor", cursor, *limit[2:], **at(sessions_sandbox))
    whole = run("list", "sessions", "--all", *limit[2:], **at(sessions_sandbox))

    assert (len(done.stderr.splitlines()), rest.stderr) == (1, "")
    assert done.stdout + rest.stdout == whole.stdout


def test_the_cursor_of_a_cursor(sessions_sandbox: Sandbox) -> None:
    """A list in small pieces is the whole list."""
    found, cursor = "", ["-n", "7"]
    for _ in range(4):
        done = run("list", "rooms", "-n", "7", *cursor[2:], **at(sessions_sandbox))
        found += done.stdout
        cursor = ["-n", "7", "--cursor", done.stderr.partition("--cursor ")[2].split()[0]] if done.stderr else []

    assert found == run("list", "rooms", "--all", **at(sessions_sandbox)).stdout
    assert cursor == []


@pytest.mark.parametrize("form", ["table", *further("csv", "json", "ndjson")])
def test_a_field_that_does_not_exist(sessions_sandbox: Sandbox, form: str) -> None:
    """One line with the one that was meant, status 2, and no rows; a field of the document that no row has is empty."""
    wrong = run("list", "bookings", "-n", "3", "-o", form, "--fields", "id,particpantEmail", **at(sessions_sandbox))
    empty = run("list", "bookings", "-n", "3", "-o", form, "--fields", "", **at(sessions_sandbox))
    known = run(
        "list", "sessions", "-n", "3", "-o", form, "--fields", "id,booking.participantEmail", **at(sessions_sandbox)
    )

    assert (wrong.returncode, wrong.stdout, len(wrong.stderr.splitlines())) == (2, "", 1)
    assert "Did you mean participantEmail?" in wrong.stderr
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "--fields names no field" in empty.stderr
    assert known.returncode == 0


@pytest.mark.parametrize("form", ["csv", *further("table", "json", "ndjson")])
def test_fields_inside_objects(sessions_sandbox: Sandbox, form: str) -> None:
    """Each form shows them, though their objects are not chosen."""
    place = at(sessions_sandbox) | {"COLUMNS": "200"}
    done = run("list", "events", "-n", "3", "-o", form, "--fields", "id,session.name", **place)
    truth = rows(run("list", "events", "-n", "3", **place).stdout)

    assert done.returncode == 0
    assert "Empty" not in done.stdout
    assert all(row["id"] in done.stdout and row["session"]["name"] in done.stdout for row in truth)


def test_the_forms_of_rows(sessions_sandbox: Sandbox) -> None:
    """An array, CSV and chosen fields."""
    environ = at(sessions_sandbox)
    array = json.loads(run("list", "bookings", "--limit", "2", "-o", "json", **environ).stdout)
    table = run("list", "bookings", "--limit", "2", "-o", "csv", "--fields", "startAt,guests", **environ).stdout
    lines = run("list", "bookings", "-n", "2", "-o", "ndjson", "--fields", "id,participantName", **environ).stdout

    assert list(csv.DictReader(table.splitlines())) == [
        {"startAt": row["startAt"], "guests": json.dumps(row["guests"])} for row in array
    ]
    assert rows(lines) == [{name: row[name] for name in ("id", "participantName")} for row in array]


def test_rows_since_a_moment(sessions_sandbox: Sandbox) -> None:
    """Those that start later, of all pages."""
    environ = at(sessions_sandbox)
    every = rows(run("list", "sessions", "--all", **environ).stdout)
    moment = sorted(row["startAt"] for row in every if row["startAt"])[60]
    found = rows(run("list", "sessions", "--all", "--since", moment, **environ).stdout)

    assert [row["id"] for row in found] == [
        row["id"] for row in every if (row["startAt"] or row["createdAt"]) >= moment
    ]


@pytest.mark.parametrize(
    ("limit", "read", "requests"), [(["-n", "40"], 40, 3), *further(([], 20, 1), (["-n", "5"], 20, 1))]
)
def test_rows_since_a_moment_cost_what_they_cost_without_it(
    sessions_sandbox: Sandbox, limit: list[str], read: int, requests: int
) -> None:
    """Nobody asked for the whole list. One line says how few rows were read, and what all would cost."""
    done = run("list", "sessions", *limit, "--since", "2999-01-01", "--table", **at(sessions_sandbox))

    assert (done.returncode, len(sessions_sandbox.requests)) == (0, requests)
    assert done.stdout == "No sessions since 2999-01-01.\n"
    assert f"0 of the {read} rows read, and more may follow; --all costs a request for each 20" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", *further("latin-1", "utf-8")])
def test_json_survives_any_encoding(sessions_sandbox: Sandbox, encoding: str) -> None:
    """What the output is said to be encoded in takes nothing away from a row."""
    name = "Café \U0001f600 \u202e"
    with httpx.Client(base_url=sessions_sandbox.url, headers={"x-api-key": sessions_sandbox.user_key}) as http:
        http.post("/api/rooms", json={"name": name}).raise_for_status()
    done = run("list", "rooms", "--all", PYTHONIOENCODING=encoding, **at(sessions_sandbox))

    assert name in [row["name"] for row in rows(done.stdout)]


def test_a_reader_that_went_away(sessions_sandbox: Sandbox) -> None:
    """No word about it, and exit status 141; the same for a table."""
    for form in ("--json", "--table"):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*COMMAND, "list", "sessions", form],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            env=environment(**at(sessions_sandbox)),
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.sessions_sandbox(limit=2, window=600)
def test_ctrl_c_shows_what_was_read(sessions_sandbox: Sandbox) -> None:
    """The rows until then, and exit status 130."""
    with started("list", "sessions", "--table", "--all", **at(sessions_sandbox)) as process:
        until(lambda: sum(request.status == 200 for request in sessions_sandbox.requests) == 2)
        process.send_signal(signal.SIGINT)
        output, problems = process.communicate(timeout=60)

    assert process.returncode == 130
    assert re.fullmatch(r"sessions-us: stopped; --cursor \S+ goes on here\n", problems)
    assert len(re.findall(r"^20\d\d-", output, re.MULTILINE)) >= 20


@pytest.mark.sessions_sandbox(limit=1, window=600)
def test_max_wait_keeps_what_was_read(sessions_sandbox: Sandbox) -> None:
    """The first page is there, the second would have to wait: exit status 14, and no 429."""
    done = run("list", "sessions", "--all", "--max-wait", "0", **at(sessions_sandbox))

    assert done.returncode == 14
    assert len(rows(done.stdout)) == 20
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"; --cursor \S+ goes on here\n$", done.stderr)
    assert [request.status for request in sessions_sandbox.requests] == [200]


@pytest.mark.parametrize(("form", "row"), [("--table", "20\\d\\d-"), ("--json", '{"id"')])
@pytest.mark.sessions_sandbox(limit=1, window=600)
def test_a_terminal_says_what_is_waited_for(sessions_sandbox: Sandbox, form: str, row: str) -> None:
    """The quota, and for how long, below the rows that are there; Ctrl-C shows what was read and gives the cursor back."""
    with Terminal("list", "sessions", "--all", form, **at(sessions_sandbox)) as terminal:
        terminal.read(until=lambda output: "20 rows, waiting for the quota, " in output)
        terminal.press("\x03")
        output = terminal.read()

    assert terminal.status == 130
    assert len([line for line in seen(output) if re.match(row, line)]) == 20
    assert output.rfind("\x1b[?25h") > output.rfind("\x1b[?25l")
