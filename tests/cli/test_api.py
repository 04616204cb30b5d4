"""Single requests: `api`, `get`, `create` and `cancel`."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, Terminal, at, environment, run
from support.further import further

from sessions_us.sandbox import Sandbox


def environ(sandbox: Sandbox) -> dict[str, str]:
    return {**at(sandbox), "SESSIONS_GUEST_KEY": sandbox.guest_key}


def asked(sandbox: Sandbox) -> list[tuple[str, str, str]]:
    return [(request.method, request.path, request.key_role) for request in sandbox.requests]


def answer(done: Any) -> Any:
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done
    return json.loads(done.stdout)


def test_any_request_can_be_sent(sessions_sandbox: Sandbox) -> None:
    """Fields are the query of a GET, and the body of others; the key is that of the path."""
    room = answer(run("api", "post", "/api/rooms", "-f", "name=5", **environ(sessions_sandbox)))
    page = answer(run("api", "api/rooms?page=7", "-F", "page=2", **environ(sessions_sandbox)))
    gone = run("api", "DELETE", f"/api/rooms/{room['id']}", **environ(sessions_sandbox))
    guest = run("api", "POST", "/api/guests/bookings/nothing", **environ(sessions_sandbox))

    assert room["name"] == "5"
    assert isinstance(page, list)
    assert sessions_sandbox.requests[1].query_string == "page=2"
    assert (gone.returncode, gone.stdout) == (0, "")
    assert guest.returncode == 12
    assert asked(sessions_sandbox) == [
        ("POST", "/api/rooms", "user"),
        ("GET", "/api/rooms", "user"),
        ("DELETE", f"/api/rooms/{room['id']}", "user"),
        ("POST", "/api/guests/bookings/nothing", "guest"),
    ]


def test_a_body_comes_from_a_file(sessions_sandbox: Sandbox, tmp_path: Any) -> None:
    """Whole, with what no option could say."""
    (tmp_path / "room.json").write_text('{"name": "Blue", "colour": "deep"}')
    room = answer(run("api", "POST", "/api/rooms", "--input", "room.json", cwd=tmp_path, **environ(sessions_sandbox)))

    assert (room["name"], room["colour"]) == ("Blue", "deep")


SESSION = ("--name", "x", "--start", "2030-01-31T10:00Z", "--end", "2030-01-31T11:00Z", "--time-zone", "UTC")
BOOKING = ("--page", "p", "--name", "x", "--email", "a@example.com", "--start", "2030-01-31T10:00Z")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["api", "FETCH", "/api/rooms"], 2, "METHOD is one of GET"),
        (["api", "post"], 2, "api post needs a PATH, such as /api/rooms"),
        (["api", "POST", "/api/rooms", "-f", "name"], 2, "a field is KEY=VALUE, not 'name'"),
        (["api", "POST", "/api/rooms", "-F", "name=x"], 2, "is no JSON"),
        (["api", "POST", "/api/rooms", "--input", "nothing.json"], 1, "nothing.json"),
        (["api", "POST", "/api/rooms", "--input", "a", "-f", "b=c"], 2, "exclude each other"),
        (["get", "bookings", "x"], 2, "is not one of booking-pages, rooms, sessions"),
        (["get", "sessions", ".."], 2, "id"),
        (["create", "session", "--name", "x"], 2, "create sessions needs --start, --end, --time-zone"),
        (
            ["create", "session", "--name", "x", "--start", "2030-01-01T10:00", "--end", "x", "--time-zone", "UTC"],
            2,
            "write --start 2030-01-01T10:00:00+02:00",
        ),
        *further(
            (["create", "booking", "--name", "x"], 2, "create bookings needs --page, --start, --email"),
            (["create", "session", *SESSION, "--page", "p"], 2, "create sessions takes no --page"),
            (["create", "booking", *BOOKING, "--end", "2030-01-31T11:00Z"], 2, "create bookings takes no --end"),
        ),
        (["create", "booking", *BOOKING[:-1], "soon"], 2, "--start is a moment such as 2030-01-31T10:00:00+02:00"),
        (["get", "rooms", "x", "--fields", " ,"], 2, "--fields names no field"),
    ],
)
def test_what_makes_no_sense_sends_nothing(
    sessions_sandbox: Sandbox, arguments: list[str], status: int, said: str
) -> None:
    """One line that says what to do."""
    done = run(*arguments, **environ(sessions_sandbox))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1), done
    assert said in done.stderr
    assert sessions_sandbox.requests == []


@pytest.mark.parametrize("form", ["csv", *further("table", "json", "ndjson")])
def test_a_field_inside_an_object(sessions_sandbox: Sandbox, form: str) -> None:
    """It is shown in each form, also where its object is not."""
    session = next(row for row in sessions_sandbox.data["sessions"] if row["room"])
    told, owner = environ(sessions_sandbox), session["room"]["id"]
    done = run("get", "sessions", session["id"], "-o", form, "--fields", "name,room.id", **told)

    assert (done.returncode, done.stderr) == (0, "")
    assert session["name"] in done.stdout
    assert owner in done.stdout


def test_one_object_in_each_form(sessions_sandbox: Sandbox) -> None:
    """Whole ids and links on a terminal however narrow; JSON in a pipe; the fields that one wants."""
    told = environ(sessions_sandbox)
    session = sessions_sandbox.data["sessions"][0]
    table = run("get", "session", session["id"], "--table", COLUMNS="40", **told).stdout
    row = answer(run("get", "sessions", session["id"], **told))
    chosen = run("get", "sessions", session["id"], "-o", "csv", "--fields", "name,startAt", **told).stdout

    assert f"sessionLink   {session['sessionLink']}" in table
    assert row["id"] == session["id"]
    assert chosen.splitlines() == ["name,startAt", f"{session['name']},{session['startAt']}"]


@pytest.mark.parametrize(("resource", "noun"), [("rooms", "room"), *further(("booking-pages", "booking page"))])
def test_an_id_that_would_lead_elsewhere(sessions_sandbox: Sandbox, resource: str, noun: str) -> None:
    """What was wrong is the id that was given, not a path that nobody gave; nothing is sent."""
    done = run("get", resource, "../x", **at(sessions_sandbox))

    said = f"sessions-us: '../x' is no id of a {noun}: an id with \\ or .. in it would lead to another path\n"
    assert (done.returncode, done.stderr) == (2, said)
    assert sessions_sandbox.requests == []


def test_a_session_is_created_and_deleted(sessions_sandbox: Sandbox) -> None:
    """And a booking made, with the guest's key, and cancelled."""
    told = environ(sessions_sandbox)
    times = ("--start", "2030-01-31T10:00:00+01:00", "--end", "2030-01-31T11:00:00+01:00", "--time-zone", "UTC")
    made = answer(run("create", "session", "--name", "Kick-off", *times, **told))
    assert made["startAt"] == "2030-01-31T09:00:00.000Z"
    assert run("cancel", "session", made["id"], **told).returncode == 0
    assert made["id"] not in {row["id"] for row in sessions_sandbox.data["sessions"]}

    booking = sessions_sandbox.data["bookings"][0]["id"]
    done = run("cancel", "bookings", booking, **told)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"Cancelled {booking}.\n")


@pytest.mark.parametrize("words", ["-v api GET /api/rooms", "api GET /api/rooms -v", "api --verbose /api/rooms"])
def test_requests_can_be_watched(sessions_sandbox: Sandbox, words: str) -> None:
    """On stderr, so that the rows stay what they are."""
    done = run(*words.split(), **environ(sessions_sandbox))

    assert done.stderr.splitlines() == ["sessions-us: > GET /api/rooms", "sessions-us: < 200 GET /api/rooms"]


def test_an_error_names_the_server_and_who_chose_it() -> None:
    """The usual reason is an address that is no longer true."""
    place = {"SESSIONS_USER_KEY": "k", "SESSIONS_BASE_URL": "http://127.0.0.1:1"}
    done = run("list", "rooms", "--max-wait", "1", **place)

    assert done.returncode == 15
    assert "the server is http://127.0.0.1:1, as SESSIONS_BASE_URL says" in done.stderr


def test_plain_http_can_be_allowed_without_python() -> None:
    """The message says how."""
    place = {"SESSIONS_USER_KEY": "k", "SESSIONS_BASE_URL": "http://192.0.2.1:9"}
    refused = run("list", "rooms", **place)

    assert refused.returncode == 10
    assert "set SESSIONS_ALLOW_HTTP=1" in refused.stderr


def test_help_in_every_form() -> None:
    """As everywhere; a group alone shows its own."""
    assert run("list", "-h").stdout == run("list", "--help").stdout == run("help", "list").stdout != ""
    assert run("webhooks").stdout == run("webhooks", "-h").stdout != ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list rooms -n 0", "0 must be at least 1. Help: sessions-us list -h"),
        ("list rooms -n x", "'x' is no such number. Help: sessions-us list -h"),
        ("quota --every 0", "0.0 must be from 0.1 to 3600. Help: sessions-us quota -h"),
        ("list rooms --max-wait nan", "nan is no number. Help: sessions-us list -h"),
        ("list sessions --json id,name", "list sessions takes no id; to choose fields, give --fields id,name"),
    ],
)
def test_a_wrong_command_line_says_what_to_do(words: str, said: str) -> None:
    """In plain words, and where the help is."""
    done = run(*words.split(), SESSIONS_USER_KEY="k")

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.endswith(f"{said}\n")


def test_a_booking_is_made_with_the_guests_key(sessions_sandbox: Sandbox) -> None:
    """And printed as it was made."""
    page = sessions_sandbox.team_page_id
    booking = answer(run("create", "bookings", "--page", page, *BOOKING[2:], **environ(sessions_sandbox)))

    assert booking["participantName"] == "x"
    assert sessions_sandbox.requests[0].json["bookingPageId"] == page
    assert asked(sessions_sandbox) == [("POST", "/api/guests/bookings", "guest")]


def test_an_input_that_is_no_json_is_refused(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Before anything is sent."""
    (tmp_path / "body").write_text("{", "utf-8")
    done = run("api", "POST", "/api/rooms", "--input", str(tmp_path / "body"), **environ(sessions_sandbox))

    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no JSON" in done.stderr
    assert sessions_sandbox.requests == []


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ("--input /dev/zero", 2, "larger than 64 MiB"),
        ("--input - </dev/zero", 2, "larger than 64 MiB"),
        ("--input - <&-", 1, "the standard input is closed"),
        ("--input deep", 2, "nested too deeply"),
        ('-F "name=$(cat deep)"', 2, "is no JSON"),
    ],
)
def test_an_input_without_an_end(sessions_sandbox: Sandbox, tmp_path: Path, given: str, status: int, said: str) -> None:
    """Of bytes, of brackets, or none at all: one line, and nothing is sent."""
    (tmp_path / "deep").write_text("[" * 100_000, "utf-8")
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} api POST /api/rooms {given}"],
        capture_output=True, encoding="utf-8", check=False, timeout=60, cwd=tmp_path,
        env=environment(**environ(sessions_sandbox)),
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done
    assert said in done.stderr
    assert sessions_sandbox.requests == []


def test_an_answer_on_a_terminal_is_indented(sessions_sandbox: Sandbox) -> None:
    """As people read JSON."""
    with Terminal("api", "POST", "/api/rooms", "-f", "name=Blue", **environ(sessions_sandbox)) as terminal:
        shown = terminal.read()

    assert '  "name": "Blue"' in shown
