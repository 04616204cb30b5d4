"""What the shell and the interpreter see: completion, and what help costs."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from support.command import COMMAND, at, environment, python, run
from support.further import further

from sessions_us.sandbox import Sandbox


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sessions-us ", {"export", "list", "quota", "sandbox", "demo", "webhooks", "spec"}),
        ("sessions-us list s", {"sessions"}),
        ("sessions-us webhooks ", {"add", "remove"}),
        ("sessions-us export sessions --form", {"--format"}),
    ],
)
def test_completion(words: str, offered: set[str]) -> None:
    """Commands, resources and options are offered."""
    done = run(_SESSIONS_US_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))

    assert offered <= set(done.stdout.split()), done


def test_the_completion_script() -> None:
    """For the shells that there are, under the command's own name."""
    for shell in ("bash", "zsh", "fish"):
        done = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
        assert done.returncode == 0
        assert "_SESSIONS_US_COMPLETE" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    """Neither a database nor a server nor a client for HTTP."""
    program = """
import sys
from sessions_us.cli import main
try:
    main(["export", "--help"])
except SystemExit:
    print("", *sys.modules, sep="\\n", file=sys.stderr)
"""
    loaded = {name.partition(".")[0] for name in python("-W", "ignore", "-c", program, measured=False).stderr.split()}

    assert "typer" in loaded
    assert not {"pyarrow", "dlt", "duckdb", "starlette", "uvicorn", "fastapi", "redis", "httpx", "sqlite3"} & loaded


def test_rows_for_a_closed_output_are_not_asked_for(sessions_sandbox: Sandbox) -> None:
    """They would be lost, and the quota with them."""
    for command in ("list rooms", "api GET /api/rooms", "quota"):
        done = subprocess.run(
            ["sh", "-c", f"exec {shlex.join(COMMAND)} {command} >&-"],
            capture_output=True, encoding="utf-8", check=False, timeout=60, env=environment(**at(sessions_sandbox)),
        )  # fmt: skip
        assert (done.returncode, "the standard output is closed" in done.stderr) == (1, True)
    assert sessions_sandbox.requests == []


@pytest.mark.parametrize("closed", [">&-", "2>&-", *further(">&- 2>&-", "<&- >&- 2>&-")])
def test_a_closed_output_is_no_failure(closed: str) -> None:
    """A shell may close them; what is printed there is printed nowhere, and the status stays that of the work."""
    for arguments, status in ((["--version"], 0), (["list", "rooms"], 10)):
        line = f"exec {shlex.join([*COMMAND, *arguments])} {closed}"
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, encoding="utf-8", check=False, timeout=60, env=environment()
        )
        assert done.returncode == status, done
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("--help >&0", 141),
        *further(("demo --window 0.1 >&0", 141), ("list nothing 2>&0", 2)),
        ("list nothing 2>/dev/full", 2),
    ],
)
def test_an_output_that_takes_nothing(line: str, status: int) -> None:
    """Its reader went away, or its disk is full: the status says what became of the work, and nothing else is said."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} {line}"],
        capture_output=True, encoding="utf-8", check=False, timeout=60, env=environment(), stdin=writer,
    )  # fmt: skip
    os.close(writer)

    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_ctrl_c_while_the_commands_are_loaded() -> None:
    """Which takes a moment: no traceback then either."""
    program = """
import sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
from sessions_us.cli import main
main(["export", "rooms", "--to", "x.ndjson"])
"""
    done = python("-c", program)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
