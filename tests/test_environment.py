"""What the environment says means the same for the library and for the command: key files, and the store of the quota."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.command import run

from sessions_us import ConfigurationError, GuestClient, GuestKey, Quota, RedisStore, SQLiteStore, UserClient, UserKey
from sessions_us.fastapi import clients_of, sessions_lifespan
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio

CANARY = "canary-5c0ffee-key"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SESSIONS_") and "TEST" not in name]:
        monkeypatch.delenv(name)


def held(path: Path, content: bytes = f"{CANARY}\n".encode(), mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


# -- key files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_key_is_read_from_its_file(end: bytes, tmp_path: Path) -> None:
    """As it stands, and with the line break that an editor adds; through a link, as secrets are mounted."""
    path = held(tmp_path / "key", CANARY.encode() + end)
    link = tmp_path / "link"
    link.symlink_to(path)
    for place in (path, Path(path), link):
        assert UserKey.from_file(place) == UserKey(CANARY)
    assert GuestKey.from_file(path) == GuestKey(CANARY)


@pytest.mark.parametrize(("kind", "key"), [(UserClient, UserKey), (GuestClient, GuestKey)])
def test_what_goes_first(
    kind: type[UserClient | GuestClient],
    key: type[UserKey | GuestKey],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key that is given, then the file that the environment names, then the key in the environment."""

    def used(given: str | None = None) -> str:
        return kind(given).fingerprint("test")

    def named(value: str) -> str:
        return kind(value).fingerprint("test")

    monkeypatch.setenv(key.variable, "of-the-variable")
    assert used() == named("of-the-variable")
    monkeypatch.setenv(f"{key.variable}_FILE", "")
    assert used() == named("of-the-variable")
    monkeypatch.setenv(f"{key.variable}_FILE", held(tmp_path / "key"))
    assert used() == named(CANARY)
    assert used("given") == named("given")


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0o600, "can't be read"),
        (b"", 0o600, "blank"),
        (b"\n", 0o600, "blank"),
        (f"{CANARY}\n{CANARY}\n".encode(), 0o600, "more than one line"),
        (f"SESSIONS_USER_KEY={CANARY}\nOTHER=1\n".encode(), 0o600, "more than one line"),
        (f" {CANARY}\n".encode(), 0o600, "white space"),
        (CANARY.encode() + b"\xff\x00", 0o600, "HTTP header can't carry"),
        (CANARY.encode() * 1000, 0o600, "too long"),
        (CANARY.encode(), 0o644, "chmod 600"),
        (CANARY.encode(), 0o640, "chmod 600"),
        (CANARY.encode(), 0o601, "chmod 600"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_can_not_be_used(
    content: bytes | None, mode: int, why: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error says which file and why; the variable that names it is named, and no key is shown, in no frame either."""
    path = str(tmp_path / "key") if content is None else held(tmp_path / "key", content, mode)
    monkeypatch.setenv("SESSIONS_USER_KEY", "the-one-that-must-not-stand-in")
    monkeypatch.setenv("SESSIONS_USER_KEY_FILE", path)
    with pytest.raises(ConfigurationError, match=why) as caught:
        UserClient() if named else UserKey.from_file(path)

    message = str(caught.value)
    assert ("SESSIONS_USER_KEY_FILE" in message) is named
    assert named or path in message
    assert CANARY not in message
    assert caught.value.__context__ is None or CANARY not in repr(caught.value.__context__)
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if "sessions_us" in frame.f_code.co_filename]
    assert frames
    assert CANARY not in repr([frame.f_locals for frame in frames])


def test_what_is_no_file_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is no regular file, nor one of another user, whoever can read it."""
    with pytest.raises(ConfigurationError, match="no regular file"):
        UserKey.from_file(tmp_path)
    path = held(tmp_path / "key")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        UserKey.from_file(path)


def test_a_file_that_fails_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one on a disk that is damaged: it was opened. And a path that no file can have."""

    def fail(descriptor: int, size: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = held(tmp_path / "key")
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", fail)
        with pytest.raises(ConfigurationError, match=r"key.*can't be read \(Input/output error\)"):
            UserKey.from_file(path)
    with pytest.raises(ConfigurationError, match=r"k\\x00x.*can't be read \(.*embedded null.*\)"):
        UserKey.from_file("k\0x")
    assert UserKey.from_file(path) == UserKey(CANARY)


def test_a_key_where_its_file_belongs_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a slip that is easily made: the message names the variable, and not what it holds."""
    monkeypatch.setenv("SESSIONS_USER_KEY_FILE", CANARY)
    with pytest.raises(ConfigurationError, match="SESSIONS_USER_KEY_FILE") as caught:
        UserClient()
    assert CANARY not in str(caught.value)
    done = run("list", "rooms", SESSIONS_USER_KEY_FILE=CANARY)
    assert (done.returncode, CANARY in done.stdout + done.stderr) == (10, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("mode", "group", "works"), [(0o440, 65534, True), (0o400, 0, False), (0o444, 65534, False)])
def test_a_mounted_secret_belongs_to_root(mode: int, group: int, works: bool, tmp_path: Path) -> None:
    """Another user reads it if its group may, and nobody beyond that; whatever else root owns is refused."""
    for each in (tmp_path, *tmp_path.parents[:-1]):
        if each.owner() == "root" and not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    path = held(tmp_path / "key", mode=mode)
    os.chown(path, 0, group)
    script = (
        "import os, sys\n"
        "from sessions_us.keys import UserKey\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(UserKey.from_file(sys.argv[1]).digest('test'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)

    assert (done.returncode == 0) is works, done.stderr
    assert CANARY not in done.stderr
    assert not works or done.stdout.strip() == UserKey(CANARY).digest("test")


def test_an_application_opens_the_client_of_a_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for a key in the environment; the other client is not opened."""
    monkeypatch.setenv("SESSIONS_GUEST_KEY_FILE", held(tmp_path / "key"))
    app = FastAPI(lifespan=sessions_lifespan())
    with TestClient(app):
        assert clients_of(app).guest.fingerprint("test") == GuestClient(CANARY).fingerprint("test")
        with pytest.raises(ConfigurationError, match="SESSIONS_USER_KEY"):
            _ = clients_of(app).user


def test_the_command_takes_the_same_file(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Also before a key in the environment, and its option goes before its variable."""
    path = held(tmp_path / "key", sessions_sandbox.user_key.encode())
    environ = {"SESSIONS_BASE_URL": sessions_sandbox.url, "SESSIONS_USER_KEY": "wrong"}
    by_variable = run("list", "rooms", **environ, SESSIONS_USER_KEY_FILE=path)
    by_option = run("list", "rooms", "--key-file", path, **environ, SESSIONS_USER_KEY_FILE="/no/such/file")
    assert [done.returncode for done in (by_variable, by_option)] == [0, 0]
    refused = run("list", "rooms", **environ, SESSIONS_USER_KEY_FILE="/no/such/file")
    assert (refused.returncode, "SESSIONS_USER_KEY_FILE" in refused.stderr) == (10, True)


# -- the store of the quota ----------------------------------------------------------------------------------------------


def test_the_environment_names_the_store(tmp_path: Path) -> None:
    """A path is a file for this host, a URL is a server; nothing is memory."""
    path = str(tmp_path / "quota.db")
    assert Quota.from_env({"SESSIONS_QUOTA_STORE": path}) == Quota(store=SQLiteStore(path))
    assert Quota.from_env({"SESSIONS_QUOTA_STORE": path, "SESSIONS_QUOTA": "5/30s"}) == Quota(
        5, 30, store=SQLiteStore(path)
    )
    assert Quota.from_env({"SESSIONS_QUOTA_STORE": "REDIS://localhost"}) == Quota(store=RedisStore("redis://localhost"))
    assert "hush" not in repr(Quota.from_env({"SESSIONS_QUOTA_STORE": "redis://:hush@localhost"}))
    assert Quota.from_env({"SESSIONS_QUOTA_STORE": " "}).store is None


@pytest.mark.parametrize(
    "store", ["/no/such/directory/quota.db", "/", "postgres://u:hush@host/db", "redis://host/?a=b"]
)
def test_a_store_that_can_not_be_names_its_variable(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client is made, not at its first call."""
    monkeypatch.setenv("SESSIONS_QUOTA_STORE", store)
    with pytest.raises(ConfigurationError, match=r"^SESSIONS_QUOTA_STORE: ") as caught:
        UserClient("k")
    assert "hush" not in str(caught.value)
    done = run("list", "rooms", SESSIONS_USER_KEY="k", SESSIONS_QUOTA_STORE=store)
    assert (done.returncode, "SESSIONS_QUOTA_STORE: " in done.stderr, "hush" in done.stderr) == (10, True, False)


def test_what_is_given_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota of the caller's own has the store that the caller gave, or none."""
    monkeypatch.setenv("SESSIONS_QUOTA_STORE", "/no/such/directory/quota.db")
    monkeypatch.setenv("SESSIONS_QUOTA", "nonsense")
    quotas = (Quota(), "20/60s", Quota(limit=30, store=SQLiteStore(tmp_path / "quota.db")))
    clients = [UserClient(f"given-{number}", quota=quota) for number, quota in enumerate(quotas)]

    assert [client.quota.snapshot().limit for client in clients] == [10, 20, 30]


async def test_a_program_and_the_command_share_the_store(
    sessions_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One variable for everything on the host: the command sees what the program sent, and asks nobody."""
    path = str(tmp_path / "quota.db")
    environ = {
        "SESSIONS_BASE_URL": sessions_sandbox.url,
        "SESSIONS_USER_KEY": sessions_sandbox.user_key,
        "SESSIONS_QUOTA_STORE": path,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with UserClient() as user:
        await user.rooms.list().collect(limit=1)
    sent = len(sessions_sandbox.requests)
    done = run("quota", "--json", **environ)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["limit"] == 1000
    assert len(sessions_sandbox.requests) == sent > 0
