from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from support.command import COMMAND, environment, run, without
from support.further import further

from sessions_us.cli.demo.show import least_time, play
from sessions_us.sandbox import Sandbox


def figures(output: str, row: str) -> list[float]:
    """The numbers of one row of the account at the end of the demo."""
    (line,) = (line for line in output.splitlines() if line.strip().startswith(f"{row}  "))
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", line.strip().removeprefix(row))]


def test_demo_tells_its_story_over_a_socket_without_a_429() -> None:
    """The demo ends with 0; its account has no 429, as many requests received as sent, and no time less than the least."""
    done = run("demo", "--window", "1")

    assert (done.returncode, done.stderr) == (0, "")
    assert figures(done.stdout, "429s") == [0, 0, 0]
    user, guest, both = figures(done.stdout, "requests sent")
    assert both == user + guest > 30
    assert figures(done.stdout, "received by the sandbox") == [user, guest, both]
    (least,) = figures(done.stdout, "least that the window allows")
    assert least == (-(-user // 10) - 1) * 1.0 > 0
    assert figures(done.stdout, "time taken")[0] >= least
    # One line for each request, besides the line of the account.
    assert len(re.findall(r"^(?:user|guest) +(?:GET|POST|PUT|DELETE) ", done.stdout, re.MULTILINE)) == both
    assert re.search(r"guest +GET +/api/sessions +403", done.stdout), "the wrong role was not refused"
    assert figures(done.stdout, "waited for the quota")[0] > 0
    assert "sandbox-user" not in done.stdout
    assert "sandbox-guest" not in done.stdout
    assert "\x1b" not in done.stdout


def test_demo_fits_a_narrow_terminal() -> None:
    """In 40 columns of ASCII a request has two lines, and no line is longer, but one that can't be broken."""
    done = run(
        "demo", "--window", "0.5", "--limit", "25", "--headers", "nestjs", COLUMNS="40", PYTHONIOENCODING="ascii"
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert figures(done.stdout, "429s") == [0, 0, 0]
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if "://" not in line) <= 40
    at = lines.index("user  POST   /api/booking-pages")
    assert lines[at + 1].strip().startswith("201, waited 0.0 s, 24/25 left,")


async def _told(prepare: Callable[[Sandbox], None]) -> tuple[list[str], str]:
    output = StringIO()
    async with Sandbox(limit=1000, window=60) as sandbox:
        prepare(sandbox)
        problems = await play(sandbox, Console(file=output, width=100), window=60, limit=1000)
    return problems, output.getvalue()


@pytest.mark.anyio
async def test_demo_says_nothing_is_wrong_when_nothing_is() -> None:
    """The same story with room for all of it has no problem."""
    problems, _ = await _told(lambda sandbox: None)

    assert problems == []


@pytest.mark.anyio
async def test_demo_calls_a_429_a_problem() -> None:
    """One 429, though the client gets over it, is a problem, and counted in the account."""
    problems, output = await _told(
        lambda sandbox: sandbox.fail(429, path="/api/bookings", headers={"Retry-After": "0"})
    )

    assert problems == ["the sandbox answered 429 1 times"]
    assert figures(output, "429s") == [1, 0, 1]


@pytest.mark.anyio
async def test_demo_calls_an_unexpected_error_a_problem_and_shows_the_account() -> None:
    """A write that fails ends the story, with the chapter and the error."""
    problems, output = await _told(lambda sandbox: sandbox.fail(500, method="POST", path="/api/events"))

    assert len(problems) == 1
    assert problems[0].startswith("chapter 5: ServerError: POST /api/events answered 500")
    assert figures(output, "429s") == [0, 0, 0]


@pytest.mark.anyio
async def test_demo_calls_a_request_that_it_did_not_send_a_problem() -> None:
    """The sandbox's count of requests is compared with the client's."""

    output = StringIO()
    async with Sandbox(limit=1000, window=60) as sandbox:
        async with httpx.AsyncClient() as other:
            await other.get(f"{sandbox.url}/api/rooms")
        problems = await play(sandbox, Console(file=output, width=100), window=60, limit=1000)

    (sent,) = figures(output.getvalue(), "requests sent")[-1:]
    assert problems == [f"the client sent {sent:.0f} requests, and the sandbox received {sent + 1:.0f}"]


@pytest.mark.parametrize(
    ("sent", "limit", "seconds"),
    [([0, 0], 10, 0), ([1, 0], 10, 0), ([10, 10], 10, 0), ([11, 5], 10, 3), ([31, 40], 10, 9), ([3, 1], 1, 6)],
)
def test_least_time_is_that_of_the_busiest_key(sent: Sequence[int], limit: int, seconds: float) -> None:
    """One window less than a key needs, since the last need not be over; keys don't wait for each other."""
    assert least_time(sent, limit, 3.0) == seconds


@pytest.mark.parametrize(
    ("blocked", "arguments"),
    [
        ("typer", ["--help"]),
        ("rich", ["demo"]),
        ("starlette", ["demo"]),
        ("uvicorn", ["demo"]),
        ("starlette", ["sandbox", "--port", "0"]),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(blocked: str, arguments: list[str]) -> None:
    """Whichever library is missing, the answer is what to install, and exit status 2."""
    done = without({blocked}, *arguments)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'sessions-us[cli,sandbox]'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dem"], "No such command 'dem'"),
        (["demo", "--limit", "0"], "--limit"),
        (["sandbox", "--port", "70000"], "--port"),
        (["sandbox", "--fault", "often"], "must look like 502:0.05"),
        *further(
            (["demo", "--limit", "many"], "--limit"),
            (["demo", "--window", "0"], "--window"),
            (["demo", "--headers", "draft-9"], "draft-6"),
            (["sandbox", "--fault", "700:0.5"], "status must be from 200 to 599"),
            (["sandbox", "--fields", "some"], "--fields"),
            (["sandbox", "--deliver-to", "nowhere"], "deliver_to must be a URL"),
        ),
        (["sandbox", "--fault", "502:2"], "chance must be more than 0"),
        (["sandbox", "--noise", "loud"], "must look like 3/min"),
        (["sandbox", "--data", "nowhere.json"], "nowhere.json can't be read"),
        (["sandbox", "--data", __file__], "is not JSON"),
        (["sandbox", "--data", "/dev/zero"], "larger than 64 MiB"),
        (["sandbox", "--user-key", "k", "--guest-key", "k"], "must differ"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments: list[str], said: str) -> None:
    """A wrong command line is refused with exit status 2 and a line that says where it is wrong."""
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_a_port_that_is_taken_is_one_line() -> None:
    """The sandbox says that its port is taken, with exit status 1."""
    with _serving("--port", "0") as (_, told):
        port = told["SESSIONS_BASE_URL"].rpartition(":")[2]
        done = run("sandbox", "--port", port)

    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["list"],
        ["export"],
        ["webhooks", "add"],
        ["spec"],
        *further(["demo"], ["sandbox"], ["quota"], ["trigger"], ["webhooks"], ["webhooks", "remove"], ["spec", "diff"]),
    ],
)
def test_help_has_examples(command: list[str]) -> None:
    """Help is there for the whole and for each command, with examples that can be pasted, a line each."""
    done = run(*command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    name = " ".join(["sessions-us", *command])
    assert re.search(rf"^ +{name}\b.*$", done.stdout.partition("Examples:")[2], re.MULTILINE)


class _serving:  # noqa: N801  # it reads as a verb
    """`sessions-us sandbox` as a process of its own, until Ctrl-C."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> tuple[subprocess.Popen[str], dict[str, str]]:
        self.process = subprocess.Popen(
            [*COMMAND, "sandbox", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self.process.stdout is not None
        told = [self.process.stdout.readline().strip() for _ in range(4)]
        return self.process, dict(line.split("=", 1) for line in told[1:])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=60)


def test_sandbox_serves_until_ctrl_c() -> None:
    """It prints where and with which keys, answers there with the limit it was given, and ends with 0 on SIGINT."""
    with _serving("--port", "0", "--limit", "7", "--headers", "x-ratelimit", "--latency", "0.01") as (process, told):
        answer = httpx.get(
            f"{told['SESSIONS_BASE_URL']}/api/rooms", headers={"x-api-key": told["SESSIONS_USER_KEY"]}, timeout=30
        )
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)

    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-limit"] == "7"
    assert process.returncode == 0
    assert re.fullmatch(r"\S+  user   GET    /api/rooms  200  6 left, reset in 60 s\n", stderr)


def test_sandbox_begins_as_it_is_told(tmp_path: Path) -> None:
    """Its own keys, data and fields, failures by chance, others on the key, a still clock, and no log."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"rooms": [{"name": "Blue", "description": "Ours"}]}')
    options = (
        "--user-key",
        "u",
        "--guest-key",
        "g",
        "--empty",
        "--data",
        str(seed),
        "--fields",
        "all",
        "--time",
        "still",
    )
    more = ("--fault", "502:1", "--noise", "2/min", "--seed", "7", "--host", "127.0.0.1", "--quiet")
    with _serving("--port", "0", *options, *more) as (process, told):
        assert (told["SESSIONS_USER_KEY"], told["SESSIONS_GUEST_KEY"]) == ("u", "g")
        with httpx.Client(base_url=told["SESSIONS_BASE_URL"], headers={"x-api-key": "u"}, timeout=30) as client:
            assert client.get("/api/rooms").status_code == 502
            client.delete("/_sandbox/faults")
            (room,) = client.get("/api/rooms").json()
            assert (room["name"], room["description"]) == ("Blue", "Ours")
            before = client.get("/_sandbox/clock").json()
            client.post("/_sandbox/clock", json={"seconds": 59})
            assert client.get("/_sandbox/clock").json() == {"now": before["now"] + 59, "time": "still"}
            assert client.get("/api/rooms").headers["ratelimit-remaining"] == "6"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


def test_the_keys_of_the_command_are_stable() -> None:
    """So that they can stand in a configuration."""
    with _serving("--port", "0") as (_, told):
        assert (told["SESSIONS_USER_KEY"], told["SESSIONS_GUEST_KEY"]) == ("sandbox-user-key", "sandbox-guest-key")


def test_the_command_is_installed() -> None:
    """The package declares the command under its name."""
    (command,) = entry_points(group="console_scripts", name="sessions-us")

    assert command.value == "sessions_us.cli:main"
