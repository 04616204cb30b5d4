"""One canary key, put wherever a key can be, and looked for wherever it must not be."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import pickle
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from html import escape
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpcore
import httpx
import pytest
from support.scripted import Early, Reset, Say, Scripted, Silence, unused_port

from sessions_us import (
    ConfigurationError,
    DecodeError,
    GuestClient,
    Quota,
    RetryPolicy,
    SessionsError,
    SQLiteStore,
    StatusError,
    UserClient,
    UserKey,
)
from sessions_us._send.connections import KeyAuth
from sessions_us._send.origin import PRODUCTION
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio

POLICY = RetryPolicy(attempts=2, backoff=0.001)


def everything(error: BaseException) -> list[str]:
    """All that a traceback printer could show of an error: messages, attributes, notes, causes, and every local."""
    seen: list[str] = []
    todo: list[BaseException | None] = [error]
    done: set[int] = set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in done:
            continue
        done.add(id(each))
        seen += [str(each), repr(each), repr(each.__dict__), repr(each.args)]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            name = frame.f_code.co_filename
            assert "/httpx/" not in name, "a frame of httpx's holds the headers"
            assert "/httpcore/" not in name
            if "/tests/" not in name:  # the test itself knows the key
                seen += [f"{local}={value!r}" for local, value in frame.f_locals.items()]
        todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return seen


STAGES = {"UserClient", "Calls", "Cache", "SingleFlight", "Retry", "Http", "Connections", "Origin", "Limiter"}


def parts(user: object) -> list[str]:
    """How all objects of ours that a client reaches show themselves: its stages, its limiter, its resources."""
    seen: list[str] = []
    found: dict[int, object] = {}
    todo: list[object] = [user]
    while todo:
        each = todo.pop()
        if id(each) in found or isinstance(each, type | ModuleType | FunctionType | asyncio.AbstractEventLoop):
            continue
        found[id(each)] = each
        if type(each).__module__.startswith("sessions_us"):
            seen += [f"{type(each).__name__} {each!r}"]
            if hasattr(each, "__dict__"):
                seen += [repr(vars(each))]
        todo += gc.get_referents(each)
    return seen


def echoes(key: str) -> dict[str, Say]:
    """What a server may say that has heard the key, in all the forms in which JSON can write it."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    slashes = json.dumps(key)[1:-1].replace("/", "\\/")
    numbers = "".join(f"&#x{ord(letter):X};" if letter in "=/&<>\"'`" else letter for letter in key)
    told = json.dumps({"id": "s1", key: {"nested": key}, "name": [key]})
    return {
        "in a message": Say(401, {"message": f"no such key: {key}", key: [{"at": key}]}),
        "in a list of messages": Say(400, {"message": [f"{key} is bad", key]}),
        "escaped": Say(400, f'{{"message": "{escaped}"}}'.encode()),
        "in text": Say(500, f"<html>{key}</html>".encode()),
        "in a redirect": Say(302, {"next": key}, {"x-seen": "yes"}),
        "in a 200 that is no JSON": Say(200, f"<html>{key}</html>".encode()),
        "in a 200 without an id": Say(200, {"key": key}),
        "as the name of a field": Say(200, told.encode()),
        "with its slashes escaped, cut off": Say(401, f'{{"message": "no such key: {slashes}'.encode()),
        "in JSON within JSON, cut off": Say(502, f'{{"message": {json.dumps(json.dumps({"key": key}))}'.encode()),
        "in JSON within JSON": Say(401, {"message": f'upstream: {{"key": "{slashes}"}}'}),
        "in a URL": Say(401, {"message": f"no such key: {quote(key, safe='')}"}),
        "in a URL in a URL": Say(401, {"message": f"no such key: {quote(quote(key, safe=''), safe='')}"}),
        "in a page": Say(502, f"<html>{escape(key)}</html>".encode()),
        "in a page, by numbers": Say(502, f"<html>{numbers}</html>".encode()),
        "in UTF-16": Say(200, json.dumps({"key": key}, ensure_ascii=False).encode("utf-16-be")),
    }


KEYS = ["canary-{}", 'canary"\\{}', "canary {} with/odd?characters&%41"]


@pytest.mark.parametrize("form", KEYS)
async def test_a_canary_key_shows_up_nowhere(form, caplog):
    """Logs at DEBUG of us, httpx, httpcore and asyncio; repr; errors with all their frames; events; pickles; snapshots."""
    caplog.set_level(logging.DEBUG)
    for name in ("sessions_us", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    key = form.format(uuid4().hex)
    seen: list[str] = []
    errors: list[BaseException] = []
    faults = {"reset": Reset(), "early": Early(), "silence": Silence(), "nonsense": Say(raw=b"?\r\n\r\n", close=True)}
    for fault in (*faults.values(), *echoes(key).values()):
        events: list[Any] = []
        async with Scripted(fault) as server:
            options: dict[str, Any] = {"base_url": server.url, "retries": POLICY, "timeout": 0.2, "max_wait": 1}
            for strict in (False, True):
                async with UserClient(key, on_event=events.append, strict=strict, **options) as user:
                    calls: list[Callable[[], Any]] = [
                        lambda user=user: user.sessions.get("s1"),
                        lambda user=user: user.sessions.list().collect(),
                        lambda user=user: user.webhooks.create(url="https://example.com", trigger="SESSION_CREATED"),
                        lambda user=user: user.request("GET", "/api/anything"),
                        lambda user=user: user.sessions.get(""),
                    ]
                    for call in calls:
                        try:
                            await call()
                        except (SessionsError, ValueError) as error:
                            errors.append(error)
                    snapshot = user.quota.snapshot()
                    seen += [
                        repr(user),
                        str(user),
                        repr(vars(user)),
                        repr(snapshot),
                        repr(user.quota),
                        repr(user.sessions),
                    ]
                    seen += [repr(user.sessions.list()), user.sessions.list().cursor]
                    shown = parts(user)
                    assert {each.split(" ")[0] for each in shown} >= STAGES
                    seen += shown
                    for hidden in (copy.copy, copy.deepcopy, pickle.dumps):
                        with pytest.raises(TypeError):
                            hidden(user)
        seen += [repr(event) for event in events]
    async with UserClient(key, base_url=f"http://127.0.0.1:{unused_port()}", retries=POLICY) as user:
        try:
            await user.sessions.get("s1")
        except SessionsError as error:
            errors.append(error)
    for error in errors:
        seen += everything(error)
        if isinstance(error, SessionsError):
            again = pickle.loads(pickle.dumps(error))
            seen += [repr(again.__dict__), repr(copy.copy(error).__dict__), pickle.dumps(error, 0).decode("latin-1")]
    seen += [record.getMessage() for record in caplog.records]
    seen += [repr(record.args) for record in caplog.records]

    assert len(errors) > 60
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    escaped = json.dumps(key)[1:-1]
    forms = {key, escaped, repr(key)[1:-1], escaped.replace("/", "\\/"), json.dumps(escaped)[1:-1], quote(key, safe="")}
    forms |= {quote(quote(key, safe=""), safe=""), escape(key), key.replace("/", "&#x2f;"), "\\x00".join(key[:12])}
    assert not [
        text[:300] + text[-200:] for text in dict.fromkeys(seen) if any(form.lower() in text.lower() for form in forms)
    ]


async def test_a_key_in_the_headers_of_an_answer_shows_up_nowhere(caplog):
    """As a value, as a name, and in what is told of a coding. (httpcore logs at DEBUG what a server says, word for word.)"""
    caplog.set_level(logging.DEBUG, logger="sessions_us")
    key, events = f"Canary-{uuid4()}", list[Any]()
    said = {"content-encoding": key}, {"x-seen": key}, {"x-request-id": key}, {f"x-{key}": "no such key"}
    errors = list[BaseException]()
    for status in (200, 401):
        for headers in said:
            async with Scripted(Say(status, {"id": "s1"}, headers)) as server:
                async with UserClient(key, base_url=server.url, on_event=events.append) as user:
                    try:
                        await user.sessions.get("s1")
                    except SessionsError as error:
                        errors.append(error)

    assert len(errors) == 4
    seen = [text for error in errors for text in everything(error)]
    seen += [repr(event) for event in events] + [record.getMessage() for record in caplog.records]
    assert any("Content-Encoding '[api key]'" in text for text in seen)
    assert not [text for text in seen if key.lower() in text.lower()]


async def test_a_header_of_the_callers_own_is_in_no_frame():
    """It may be a secret too, and so may a parameter."""
    canary = f"canary-{uuid4()}"
    async with Scripted(Say(404, {"message": "gone"})) as server, UserClient("key", base_url=server.url) as user:
        own = user.with_options(headers={"authorization": canary}, query={"token": canary}, cache_ttl=5)
        for call in (own.rooms.get("r1"), own.rooms.list().collect(), own.rooms.delete("r1")):
            with pytest.raises(StatusError) as caught:
                await call
            assert not [text for text in everything(caught.value) if canary in text]


async def test_an_error_of_the_callers_transport():
    """It comes through as it is, but without the frames that hold the request and its headers."""
    key = f"canary-{uuid4()}"

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert request.headers["x-api-key"] == key
            try:
                raise KeyError("a bug")
            except KeyError as error:
                raise RuntimeError("in the transport") from error

    async with UserClient(key, transport=Broken()) as user:
        with pytest.raises(RuntimeError, match="in the transport") as caught:
            await user.sessions.get("s1")

    assert not [text for text in everything(caught.value) if key in text]


async def test_a_cancelled_call_shows_no_key():
    """A CancelledError has a traceback too."""
    key = f"canary-{uuid4()}"
    async with Scripted(Silence()) as server, UserClient(key, base_url=server.url) as user:
        call = asyncio.ensure_future(user.sessions.get("s1"))
        while not server.arrived:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call

    assert not [text for text in everything(caught.value) if key in text]


async def test_a_write_that_is_cancelled_in_any_turn_shows_no_key():
    """Also while its headers leave, and in the cause of the TimeoutError around it."""
    key = f"canary-{uuid4()}"
    errors: list[BaseException] = []
    async with Scripted(Silence()) as server, UserClient(key, base_url=server.url, quota="1000/1s") as user:
        for turns in range(40):
            call = asyncio.ensure_future(user.rooms.create(name="n"))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            errors.append(caught.value)
            with pytest.raises(TimeoutError) as late:
                async with asyncio.timeout(None) as patience:
                    _expire(patience, turns)
                    await user.rooms.create(name="n")
            errors.append(late.value)

    assert not [text for error in errors for text in everything(error) if key in text]


def _expire(patience: asyncio.Timeout, turns: int) -> None:
    """Let the time be over after so many turns of the loop."""
    loop = asyncio.get_running_loop()
    if turns:
        loop.call_soon(_expire, patience, turns - 1)
    else:
        patience.reschedule(loop.time())


@pytest.mark.parametrize("tail", ["\r\nx-evil: 1", "\nx", "\x00", "\x7f", "\u2028", "é", "\x0bx", "\x85"])
@pytest.mark.parametrize("kind", [UserClient, GuestClient])
def test_a_key_that_injects_a_header_is_refused(kind, tail):
    """By us, at construction, and not by whatever library meets it first."""
    key = f"canary-{uuid4()}{tail}"
    with pytest.raises(ConfigurationError) as caught:
        kind(key)

    assert not [text for text in everything(caught.value) if key[:40] in text]


@pytest.mark.parametrize("where", ["https://127.0.0.1", "http://127.0.0.1:{other}", "http://localhost:{port}"])
async def test_the_key_goes_to_its_origin_only(where):
    """Another host, port or scheme is stopped before the key is put on; a redirect there is not followed."""
    async with Scripted(Say(body={})) as other, Scripted(Say()) as server:
        target = where.format(other=other.port, port=server.port) + "/api/sessions/s1"
        server.then(Say(307, None, {"location": target}))
        async with UserClient("canary", base_url=server.url) as user:
            with pytest.raises(StatusError) as caught:
                await user.sessions.get("s1")
        auth = KeyAuth(UserKey("canary"), httpx.URL(server.url))
        async with httpx.AsyncClient(auth=auth) as http:
            with pytest.raises(ConfigurationError, match="another origin"):
                await http.get(target)

    assert caught.value.status_code == 307
    assert len(server.arrived) == 1
    assert other.arrived == []


async def test_a_redirect_to_plain_http_is_not_followed():
    """That would put the key on the wire in the clear."""
    asked: list[httpx.URL] = []

    class Wire(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url)
            return httpx.Response(301, headers={"location": "http://api.example.com/api/sessions/s1"})

    async with UserClient("canary", base_url="https://api.example.com", transport=Wire()) as user:
        with pytest.raises(StatusError):
            await user.sessions.get("s1")

    assert [url.scheme for url in asked] == ["https"]


async def test_the_sandbox_does_not_log_keys(caplog):
    """Neither its own, nor one that it does not know."""
    caplog.set_level(logging.DEBUG)
    stranger = f"canary-{uuid4()}"
    async with Sandbox() as sandbox:
        async with UserClient(sandbox.user_key, base_url=sandbox.url) as user:
            await user.rooms.list().collect(1)
        async with UserClient(stranger, base_url=sandbox.url) as user:
            with pytest.raises(StatusError) as caught:
                await user.rooms.list().collect(1)
        keys = [sandbox.user_key, sandbox.guest_key, stranger]
        seen = [*caplog.messages, *(repr(request) for request in sandbox.requests), *everything(caught.value)]

    assert not [text for text in seen for key in keys if key in text]


def test_the_command_line_does_not_show_a_key():
    """No command prints a key that is in the environment."""
    import os

    key = f"canary-{uuid4()}"
    environment = {**os.environ, "SESSIONS_USER_KEY": key, "SESSIONS_GUEST_KEY": f"{key}-guest"}
    for arguments in (["--help"], ["--version"], ["demo", "--window", "nonsense"], ["no-such-command"]):
        done = subprocess.run(
            [sys.executable, "-m", "sessions_us.cli", *arguments],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert key not in done.stdout + done.stderr


async def test_a_decode_error_does_not_keep_the_key():
    """The body helps to find out what is wrong with it."""
    key = f"canary-{uuid4()}"
    async with Scripted(Say(200, f"<p>{key}</p>".encode())) as server, UserClient(key, base_url=server.url) as user:
        with pytest.raises(DecodeError) as caught:
            await user.sessions.get("s1")

    assert caught.value.body == b"<p>[api key]</p>"


async def test_a_state_is_named_by_a_digest(tmp_path: Path):
    """A name that a store writes down, or a metric could bear, can't be turned back into the key. It tells the origin."""
    key = f"canary-{uuid4()}"
    quota = Quota(store=SQLiteStore(tmp_path / "quota.db"))
    for origin in (PRODUCTION, "https://other.example.com"):
        async with UserClient(key, base_url=origin, quota=quota, transport=httpx.MockTransport(_nothing)) as user:
            await user.request("GET", "/api/rooms")

    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in written
    with closing(sqlite3.connect(tmp_path / "quota.db")) as file:
        ((table,),) = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        names = [name for (name,) in file.execute(f"SELECT name FROM {table}")]
    assert len(set(names)) == 2
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


def _nothing(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[])


async def test_a_key_in_a_header_of_an_answer_is_in_httpcores_records_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY.md says so: httpcore logs the headers of answers at DEBUG, which SESSIONS_LOG does not turn on."""
    key, events = f"canary-{uuid4()}", list[Any]()
    monkeypatch.setenv("SESSIONS_LOG", "debug")
    echo = {"x-echo": key, "x-request-id": key}

    async def told() -> list[str]:
        caplog.clear()
        errors = []
        async with (
            Scripted(Say(200, {"id": "s1"}, echo), Say(404, {"message": "gone"}, echo)) as server,
            UserClient(key, base_url=server.url, on_event=events.append) as user,
        ):
            await user.rooms.get("s1")
            with pytest.raises(StatusError) as caught:
                await user.rooms.get("s2")
            errors.append(caught.value)
        assert not [each for each in [*map(repr, events), *everything(errors[0])] if key in each]
        return [
            f"{record.name} {record.msg}" for record in caplog.records if key in f"{record.getMessage()} {record.args}"
        ]

    root = logging.getLogger()
    before, level = list(root.handlers), logging.getLogger("sessions_us").level
    try:
        assert await told() == []
        caplog.set_level(logging.DEBUG)
        places = await told()
    finally:
        root.handlers[:] = before
        logging.getLogger("sessions_us").setLevel(level)
    assert {place.partition(" ")[0] for place in places} == {f"{httpcore.__name__}.http11"}
    assert len(places) == 2
    assert all("receive_response_headers.complete" in place for place in places)
