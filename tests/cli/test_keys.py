"""Where the key comes from, and which files are no place for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import at, run
from support.further import further

from sessions_us.sandbox import Sandbox


@pytest.fixture
def held(sessions_sandbox: Sandbox, tmp_path: Path) -> Path:
    file = tmp_path / "the key"
    file.write_text(f"{sessions_sandbox.user_key}\n")
    file.chmod(0o600)
    return file


def environ(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    return {"SESSIONS_BASE_URL": sandbox.url, **changes}


def test_a_private_file(sessions_sandbox: Sandbox, held: Path) -> None:
    """It is used by its option and by its variable, also through a link, and goes before SESSIONS_USER_KEY."""
    link = held.with_name("link")
    link.symlink_to(held)
    wrong = environ(sessions_sandbox, SESSIONS_USER_KEY="wrong")
    by_option = run("list", "rooms", "--key-file", str(held), **wrong)
    by_variable = run("list", "rooms", **wrong, SESSIONS_USER_KEY_FILE=str(link))

    assert [done.returncode for done in (by_option, by_variable)] == [0, 0]
    assert by_option.stdout == by_variable.stdout != ""


@pytest.mark.parametrize("mode", [0o610, 0o604, *further(0o640, 0o660, 0o644, 0o620)])
def test_a_file_that_others_can_use(sessions_sandbox: Sandbox, held: Path, mode: int) -> None:
    """It is refused with the command that mends it, which does."""
    held.chmod(mode)
    done = run("list", "rooms", "--key-file", str(held), **environ(sessions_sandbox))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1)
    assert sessions_sandbox.user_key not in done.stderr
    assert sessions_sandbox.requests == []
    command = done.stderr.split("`")[1]
    assert command == f"chmod 600 '{held}'"
    assert os.system(command) == 0
    assert run("list", "rooms", "--key-file", str(held), **environ(sessions_sandbox)).returncode == 0


def test_what_is_no_file_with_a_key(sessions_sandbox: Sandbox, held: Path, tmp_path: Path) -> None:
    """A directory, a pipe that nobody writes to, nothing, an empty, a huge, a binary one: one line each, and no hang."""
    places = {name: tmp_path / name for name in ("missing", "pipe", "empty", "huge", "binary", "lines")}
    os.mkfifo(places["pipe"], 0o600)
    for name, content in {"empty": b"\n", "huge": b"k" * 10_000, "binary": b"\xff\x00", "lines": b"a\nb\n"}.items():
        places[name].write_bytes(content)
        places[name].chmod(0o600)
    for place in (tmp_path, *places.values()):
        done = run("list", "rooms", "--key-file", str(place), **environ(sessions_sandbox))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1), place
        assert str(place) in done.stderr
    assert sessions_sandbox.requests == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user(sessions_sandbox: Sandbox, held: Path) -> None:
    """It is refused, though it can be read."""
    os.chown(held, 12345, 12345)
    done = run("list", "rooms", "--key-file", str(held), **environ(sessions_sandbox))

    assert done.returncode == 10
    assert "belongs to another user" in done.stderr


@pytest.mark.parametrize(
    "command", [["list", "rooms"], ["export", "rooms"], *further(["quota"], ["webhooks", "remove", "x"])]
)
def test_no_key(sessions_sandbox: Sandbox, tmp_path: Path, command: list[str]) -> None:
    """One line says where to put it, and nothing is sent or written."""
    to = ["--to", str(tmp_path / "rooms.ndjson")] if command[0] == "export" else []
    done = run(*command, *to, **{**at(sessions_sandbox), "SESSIONS_USER_KEY": ""})

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1)
    assert "SESSIONS_USER_KEY" in done.stderr
    assert "--key-file" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_no_argument(sessions_sandbox: Sandbox) -> None:
    """There is no option that takes one."""
    done = run("list", "rooms", "--key", "canary", **environ(sessions_sandbox))

    assert done.returncode == 2
    assert "No such option" in done.stderr
