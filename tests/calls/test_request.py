"""`client.request`: any path of the API."""

from __future__ import annotations

import enum
import json

import pytest
from support.rooms import client, retrying
from support.scripted import Reset, Say, Scripted

from sessions_us import CallStarted, ClientEvent, InvalidIdError, TransportError

pytestmark = pytest.mark.anyio

HOSTILE = [
    "//evil.test/api", "https://evil.test/api", "/api/../admin", "/api/%2e%2e/admin", "/api/%2E./x", "/./api", "/api\\..\\x",
    "/api/x?key=1", "/api#x", "/api/x\r\nHost: evil", "/api/\x00", "/api/%00", "/api/%0d%0a", "api/sessions", "",
    "/api/%5c..", "/api/x%2f..%2fadmin", "/api/%2e%2e%2fadmin",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
async def test_a_path_cant_lead_elsewhere(path):
    """`request` takes paths of the API and nothing else; nothing is sent."""
    async with Scripted(Say(body={})) as server, retrying(server) as user:
        with pytest.raises(ValueError, match="path"):
            await user.request("GET", path)

    assert server.arrived == []


async def test_request_returns_json():
    """With the same errors, quota and retries; only GET is repeated."""
    async with Scripted(Say(body={"any": [1]})) as server, retrying(server) as user:
        params = {"a": 1, "b": None, "c": True, "d": ["x", "y"]}
        assert await user.request("get", "/api/new-things", params=params) == {"any": [1]}
        await user.request("POST", "/api/new-things", json={"ü": None})
    async with Scripted(Say(204, b"")) as empty, retrying(empty) as user:
        assert await user.request("DELETE", "/api/new-things/1") is None
    async with Scripted(Reset()) as broken, retrying(broken) as user:
        with pytest.raises(TransportError):
            await user.request("PUT", "/api/new-things/1", json={})

    assert [arrived.target for arrived in server.arrived] == ["/api/new-things?a=1&c=true&d=x&d=y", "/api/new-things"]
    assert json.loads(server.arrived[1].body) == {"ü": None}
    assert len(broken.arrived) == 1


async def test_the_operation_of_a_path():
    """Events name the operation that the document has at a path; a path that it does not have is named by itself."""
    told: list[str] = []

    def hear(event: ClientEvent) -> None:
        if isinstance(event, CallStarted):
            told.append(event.operation)

    paths = ("/api/sessions/s1/transcripts", "/api/sessions", "/api/sessions/", "/api/new-things/1")
    async with Scripted(Say(body={})) as server, client(server, on_event=hear) as user:
        for path in paths:
            await user.request("GET", path)
        await user.request("DELETE", "/api/rooms")

    known = ["get_session_transcripts", "list_sessions"]
    assert told == [*known, "GET /api/sessions/", "GET /api/new-things/1", "DELETE /api/rooms"]


async def test_what_is_no_json_is_not_sent():
    """NaN and objects would fail half-way or be read as something else."""
    async with Scripted(Say(body={})) as server, retrying(server) as user:
        for bad in (float("nan"), object(), {1, 2}):
            with pytest.raises((ValueError, TypeError)):
                await user.rooms.create(name="x", extra={"bad": bad})
        assert user.quota.snapshot().in_flight == 0

    assert server.arrived == []


def _holding_itself() -> list[object]:
    held: list[object] = []
    held.append({"more": held})
    return held


NO_ARGUMENTS = {
    "no path": (lambda user: user.request("GET", None), TypeError, "path are strings"),
    "no method": (lambda user: user.request(b"GET", "/api/rooms"), TypeError, "method and path are strings"),
    "params as text": (lambda user: user.request("GET", "/api/rooms", params="a=b"), TypeError, "params maps names"),
    "params as pairs": (lambda user: user.request("GET", "/api/rooms", params=[("a", "b")]), TypeError, "params maps"),
    "extra that holds itself": (
        lambda user: user.rooms.create(name="x", extra={"bad": _holding_itself()}),
        ValueError,
        "bad is nested too deeply, or holds itself",
    ),
    "a body that holds itself": (
        lambda user: user.request("POST", "/api/rooms", json=_holding_itself()),
        ValueError,
        "json is nested too deeply, or holds itself",
    ),
    "a parameter that is no text": (
        lambda user: user.request("GET", "/api/rooms", params={"a": object()}),
        TypeError,
        "a can't be sent: it is a object",
    ),
    "a parameter among several": (
        lambda user: user.request("GET", "/api/rooms", params={"a": ["x", b"y"]}),
        TypeError,
        r"a\[\] can't be sent: it is a bytes",
    ),
    "a parameter with parts": (
        lambda user: user.request("GET", "/api/rooms", params={"a": {"b": 1}}),
        TypeError,
        "a can't be sent in a query: it is a dict",
    ),
    "a parameter without a name": (
        lambda user: user.request("GET", "/api/rooms", params={1: "a"}),
        TypeError,
        "params can't be sent: a name in it is no string, but a int",
    ),
    "a field without a name": (
        lambda user: user.rooms.create(name="x", extra={object(): 1}),
        TypeError,
        "extra can't be sent: a name in it is no string, but a object",
    ),
    "a field without a name, further in": (
        lambda user: user.request("POST", "/api/rooms", json={"a": {None: 1}}),
        TypeError,
        r"json\.a can't be sent: a name in it is no string, but a NoneType",
    ),
    "half a letter of a name": (
        lambda user: user.rooms.create(name="x", extra={"\ud800": 1}),
        ValueError,
        "a name in extra must not hold lone surrogates",
    ),
    "an end that is neither verified nor not": (
        lambda user: user.rooms.list(verify_end="no").collect(),
        TypeError,
        "verify_end is True or False, not 'no'",
    ),
    "half a letter": (
        lambda user: user.rooms.create(name="x", extra={"bad": [{"name": "\ud800"}]}),
        ValueError,
        r"bad\[\]\.name must not hold lone surrogates",
    ),
}


@pytest.mark.parametrize(("call", "error", "said"), NO_ARGUMENTS.values(), ids=NO_ARGUMENTS)
async def test_what_makes_no_sense_is_refused_by_name(call, error, said):
    """In one line, before anything is sent or waits."""
    async with Scripted(Say(body={"id": "a"})) as server, retrying(server) as user:
        with pytest.raises(error, match=said) as caught:
            await call(user)

    assert (server.arrived, len(str(caught.value).splitlines())) == ([], 1)
    assert caught.value.__cause__ is caught.value.__context__ is None


class Colour(str, enum.Enum):  # noqa: UP042  # a StrEnum has another `str()`
    """What many programs have. `str()` of a member gives its name, and json its value."""

    RED = "red"


async def test_an_enums_member_is_sent_by_its_value():
    """As an id, in a query, as a field and its name, and in the options."""
    red = Colour.RED
    async with Scripted(Say(body={"id": "red"})) as server, retrying(server) as user:
        await user.rooms.get(red)
        await user.request("GET", "/api/rooms", params={"a": red, "b": [red], red: 1.5})
        await user.rooms.create(name=red, extra={red: {red: red}})
        await user.with_options(query={"status": red, red: "x"}, headers={"x-colour": red}).rooms.get("blue")

    targets = ["/api/rooms/red", "/api/rooms?a=red&b=red&red=1.5", "/api/rooms", "/api/rooms/blue?status=red&red=x"]
    assert [arrived.target for arrived in server.arrived] == targets
    assert json.loads(server.arrived[2].body) == {"name": "red", "red": {"red": "red"}}
    assert server.arrived[3].headers["x-colour"] == "red"


SURROGATE = {"a": "\ud800"}
CANT_BE_SENT = {
    "a long id": lambda user: user.rooms.get("x" * 70_000),
    "a long id of a write": lambda user: user.rooms.update("x" * 5000, name="a"),
    "a long path": lambda user: user.request("GET", "/api/" + "y" * 70_000),
    "a path that is long once it is encoded": lambda user: user.request("GET", "/api/" + "é" * 15_000),
    "a long query": lambda user: user.request("GET", "/api/x", params={"a": "é" * 15_000}),
    "a long query of the options": lambda user: user.with_options(query={"a": "b" * 70_000}).rooms.list().collect(),
    "a lone surrogate in a path": lambda user: user.request("GET", "/api/\ud800"),
    "a lone surrogate in a query": lambda user: user.request("GET", "/api/x", params=SURROGATE),
    "a lone surrogate in the query of a write": lambda user: user.with_options(query=SURROGATE).rooms.update(
        "a", name="x"
    ),
}


@pytest.mark.parametrize("call", CANT_BE_SENT.values(), ids=CANT_BE_SENT)
async def test_what_no_url_can_hold_is_refused_before_it_waits(call):
    """It would fail on its way, cost a place in the quota, and be tried again as if it might have arrived."""
    heard: list[object] = []
    async with Scripted(Say(body={"id": "a"})) as server, retrying(server, on_event=heard.append) as user:
        with pytest.raises(ValueError, match=r"at most (4096|60000)|lone surrogates"):
            await call(user)
        snapshot = user.quota.snapshot()

    assert (server.arrived, heard, snapshot.remaining, snapshot.in_flight) == ([], [], 10, 0)


async def test_the_longest_that_goes_out():
    """An id of 4,096 characters, and a path and a query of 60,000, arrive."""
    async with Scripted(Say(body={"id": "a"})) as server, retrying(server) as user:
        await user.rooms.get("x" * 4096)
        with pytest.raises(InvalidIdError, match="4097"):
            await user.rooms.get("x" * 4097)
        await user.request("GET", "/api/" + "x" * 50_000, params={"a": "b" * 9_993})
        with pytest.raises(ValueError, match="60001"):
            await user.request("GET", "/api/" + "x" * 50_000, params={"a": "b" * 9_994})

    assert [len(arrived.target) for arrived in server.arrived] == [len("/api/rooms/") + 4096, 60_001]
