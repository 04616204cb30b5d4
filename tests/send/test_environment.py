"""What is set in the environment for the way to the server: proxies and certificates."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any
from uuid import uuid4

import certifi
import httpx
import pytest
from support.command import run
from support.waiting import until

from sessions_us import ConfigurationError, TransportError, UserClient

pytestmark = pytest.mark.anyio

HOST = "https://api.sessions.test"
REFUSED = {
    "a network of IPv6": ("NO_PROXY", "localhost,fd00::/8"),
    "an address in brackets": ("NO_PROXY", "[::1]"),
    "SOCKS without its package": ("ALL_PROXY", "socks5://127.0.0.1:9"),
    "no scheme of a proxy": ("HTTPS_PROXY", "ftp://127.0.0.1:9"),
    "a port that is none": ("HTTPS_PROXY", "http://ada:secret@127.0.0.1:port"),
    "a port beyond the last": ("HTTPS_PROXY", "http://127.0.0.1:99999"),
    "in small letters": ("https_proxy", "127.0.0.1:port"),
    "a proxy without a host": ("HTTPS_PROXY", "http://"),
    "a proxy without a host, for all": ("all_proxy", "http://:80"),
    "a proxy that is not used": ("HTTP_PROXY", "ftp://127.0.0.1:9"),
    "no such file": ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
    "a file without certificates": ("SSL_CERT_FILE", "/dev/null"),
    "no such folder": ("SSLKEYLOGFILE", "/nowhere/keys.log"),
    "no such folders of certificates": ("SSL_CERT_DIR", "/nowhere:/nowhere/else"),
    "a file for a folder of certificates": ("SSL_CERT_DIR", "/dev/null"),
    "a folder without certificates": ("SSL_CERT_DIR", "/dev"),
}


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    """Whatever this machine has set and installed."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)


@pytest.mark.parametrize(("variable", "value"), REFUSED.values(), ids=REFUSED)
async def test_a_variable_that_cant_be_used_is_named(variable, value, monkeypatch):
    """At each use, not when the client is made. Nothing is left behind, and all is well once the variable is."""
    monkeypatch.setenv(variable, value)
    async with UserClient(f"key-{uuid4()}", base_url=HOST) as user:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=rf"^{variable}\b") as caught:
                await user.rooms.get("r1")
            assert "secret" not in str(caught.value)
            assert caught.value.__cause__ is caught.value.__context__ is None

        snapshot = user.quota.snapshot()
        assert (snapshot.in_flight, snapshot.remaining, sum(snapshot.waiting.values())) == (0, 10, 0)
        monkeypatch.delenv(variable)
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
        assert (await user.rooms.get("r1")).id == "r1"


@pytest.mark.parametrize(
    ("variable", "told"), [("HTTPS_PROXY", "HTTPS_PROXY"), ("all_proxy", "all_proxy"), ("HTTP_PROXY", "")]
)
async def test_a_proxy_that_does_not_answer_is_named(variable, told, monkeypatch):
    """Nobody looks for the fault at the server. One that is not for this server has no part in it."""
    monkeypatch.setenv(variable, "http://ada:secret@127.0.0.1:1")
    async with UserClient(f"key-{uuid4()}", base_url="https://127.0.0.1:2", retries=0) as user:
        with pytest.raises(TransportError) as caught:
            await user.rooms.get("r1")
        assert (f"from the proxy of {told} (" in str(caught.value)) == bool(told)
        assert "proxy" in str(caught.value).lower() or not told
        assert "secret" not in str(caught.value)

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(TransportError) as caught:
            async with UserClient(f"key-{uuid4()}", base_url="https://127.0.0.1:2", retries=0) as another:
                await another.rooms.get("r1")
        assert "proxy" not in str(caught.value).lower()


async def test_a_good_proxy_beside_a_bad_one_is_not_named(monkeypatch):
    """The error names the variable that can't be used, whichever is looked at first."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    async with UserClient(f"key-{uuid4()}", base_url=HOST) as user:
        with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY can't be used"):
            await user.rooms.get("r1")


async def test_one_folder_of_certificates_is_enough(monkeypatch, tmp_path):
    """Others may be missing. A file that is named too goes before all folders."""
    (tmp_path / "0a775a30.0").touch()
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
    async with UserClient(f"key-{uuid4()}", base_url=HOST) as user:
        assert (await user.rooms.get("r1")).id == "r1"
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    async with UserClient(f"key-{uuid4()}", base_url=HOST) as user:
        assert (await user.rooms.get("r1")).id == "r1"


async def answer(self: Any, request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"id": "r1"})


@pytest.mark.parametrize(("variable", "value"), REFUSED.values(), ids=REFUSED)
async def test_a_transport_of_the_callers_own_needs_none_of_them(variable, value, monkeypatch):
    """Neither are plain addresses on this machine concerned."""
    monkeypatch.setenv(variable, value)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"id": "r1"}))
    async with UserClient(f"key-{uuid4()}", base_url=HOST, transport=transport) as user:
        assert (await user.rooms.get("r1")).id == "r1"


def test_the_command_calls_it_a_matter_of_configuration():
    """Not a bug: one line that names the variable."""
    told = {"SESSIONS_USER_KEY": "k", "SESSIONS_BASE_URL": HOST}
    done = run("list", "rooms", **told, SSL_CERT_FILE="/nowhere/certificates.pem")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1)
    assert "SSL_CERT_FILE" in done.stderr


async def test_certificates_are_read_once(monkeypatch):
    """Each reading blocks the loop for all. A cancelled call drops its connections, and not the certificates."""
    read: list[object] = []
    original = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **how: read.append(how) or original(**how))
    arrived: list[object] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, UserClient(f"key-{uuid4()}", base_url=url) as user:
        for times in (1, 2, 3):
            call = asyncio.create_task(user.rooms.get("r1"))
            await until(lambda times=times: len(arrived) == times)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    assert len(read) == 1
