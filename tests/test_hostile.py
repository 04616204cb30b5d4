"""Ids and paths that somebody chose with care: the origin and the prefix of a request never change."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sessions_us_api.operations import OPERATIONS
from support.corpus import corpus
from support.further import further
from support.operations import CASES, World

from sessions_us import GuestClient, Quota, SessionsError, UserClient
from sessions_us._send.origin import Origin, api_path

pytestmark = pytest.mark.anyio

HOST = "https://api.example.com"
PREFIX = "/mock/v1"

IDS = [
    *corpus("ids"),
    "/", "//evil.example", "https://evil.example/api", "\\\\evil.example", "../../admin", "..%2f..%2fadmin", "%2E%2e/x",
    "..;/admin", "a/../../b", "a?b=c", "a#b", "a@evil.example", ":443", "a b", "%", "%zz", "%00", "%0d%0aHost: evil",
    "\u2025", "\u2024\u2024", "\uff0e\uff0e", "\u2215admin", "\uff0fadmin", "\u29f8", "\u2044", "s1\u200b", "\u202e1s", "é",
    "e\u0301", "%2e%2e", "%252e%252e", "😀", "\ufeff", "~", "%7e", "=", "&", "+", ";", ",", "x" * 4_096, "é" * 4_096,
]  # fmt: skip
REFUSED = ["", ".", "..", "\x00", "a\x00b", "a\r\nb", "\n", "\t", "\x7f", "\x1b[2J", "\x85", "\ud800", "a\udfffb"]


class Recorder(httpx.AsyncBaseTransport):
    """Answers as a server would that has everything, and keeps the URLs."""

    def __init__(self) -> None:
        self.asked: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        return httpx.Response(200, json={"id": "x", "data": []})  # an object, or an envelope around no rows


def clients(wire: Recorder, **options: Any) -> dict[str, UserClient | GuestClient]:
    quota = Quota(limit=100_000)
    given = {"base_url": HOST + PREFIX, "transport": wire, "quota": quota, **options}
    return {"user": UserClient(f"u-{uuid4()}", **given), "guest": GuestClient(f"g-{uuid4()}", **given)}


WITH_ID = [case for case in CASES if "{" in case.path]


def world_of(value: str) -> World:
    return World(**dict.fromkeys((name for name in inspect.signature(World).parameters), value))


def segments(url: httpx.URL) -> list[bytes]:
    return url.raw_path.partition(b"?")[0].split(b"/")


async def asked(case: Any, value: str) -> list[httpx.URL]:
    """What goes out when an operation is called with this id."""
    wire = Recorder()
    for role, client in clients(wire).items():
        if role == case.role:
            with suppress(SessionsError):  # a megabyte of URL is more than httpx makes
                await case.call(client, world_of(value))
    return wire.asked


def same_shape(url: httpx.URL, template: str, value: str) -> None:
    """Fails unless the URL is the template's, on our origin, with the id as one segment that decodes to itself."""
    assert (url.scheme, url.host, url.port) == ("https", "api.example.com", None)
    assert url.userinfo == b""
    assert url.fragment == ""
    wanted = (PREFIX + template).split("/")
    got = segments(url)
    assert len(got) == len(wanted)
    for want, have in zip(wanted, got, strict=True):
        if want.startswith("{"):
            assert unquote_to_bytes(have) == value.encode()
            assert unquote_to_bytes(have) not in {b".", b".."}
            assert all(0x21 <= byte <= 0x7E for byte in have)
        else:
            assert have.decode() == want


@pytest.mark.parametrize(
    "case", [*WITH_ID[::3], *further(*WITH_ID[1::3], *WITH_ID[2::3])], ids=lambda case: case.operation
)
async def test_an_id_stays_one_segment_of_its_path(case):
    """Through every method that takes one: traversal, URLs, look-alikes, as long as an id may be."""
    for value in IDS:
        for url in await asked(case, value):
            same_shape(url, case.path, value)
    for value in ("s1", "a/b", "%2e%2e", "é"):
        assert len(await asked(case, value)) == 1


@pytest.mark.parametrize("case", WITH_ID, ids=lambda case: case.operation)
async def test_an_id_is_one_segment_of_a_path(case):
    """Empty, a dot or two, control characters, half a surrogate pair."""
    for value in REFUSED:
        wire = Recorder()
        client = clients(wire)[case.role]
        with pytest.raises(ValueError, match="must not"):
            await case.call(client, world_of(value))
        assert wire.asked == []


def test_every_operation_with_an_id_is_tried():
    """None is left out, and every place for an id is filled."""
    assert {case.operation for case in WITH_ID} == {
        operation.id for operation in OPERATIONS.values() if "{" in operation.path
    }
    assert len(WITH_ID) > 30


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="./%\\2eEfF5cC?#:@;\x00é\u2025\uff0e", max_size=12))
@example("..")
@example("%2e%2e")
def test_any_text_is_one_segment_or_refused(value):
    """Nothing between: what goes out decodes to what was given."""
    import anyio

    case = next(case for case in WITH_ID if case.operation == "get_session")
    try:
        urls = anyio.run(asked, case, value)
    except ValueError:
        assert value in {"", ".", ".."} or any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or 0xD800 <= ord(letter) < 0xE000
                                               for letter in value)  # fmt: skip
    else:
        for url in urls:
            same_shape(url, case.path, value)


PATHS = [
    *corpus("paths"),
    "//evil.example/api", "https://evil.example/api", "http:/evil.example", "/api/../admin", "/api/%2e%2e/admin", "/api/%2E./x",
    "/api/..%2fadmin", "/api/%2e%2e%2fadmin", "/api/..%5cadmin", "/api\\..\\x", "/api/x?key=1", "/api#x", "/api/\r\nHost: evil",
    "/api/\x00", "/api/%00", "/api/%0d%0a", "api/sessions", "", "/./api", "/..", "/.", "/api/x/..", "/api/\x85",
    "/%2f/evil.example", "/api/%25252525252e", "/api/%252e%252e/admin",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_by_hand_stays_under_the_prefix(path):
    """Refused, or sent as it is, on our origin and below our prefix, whatever a server decodes first."""
    wire = Recorder()
    user = clients(wire)["user"]
    try:
        await user.request("GET", path)
    except ValueError:
        assert wire.asked == []
    else:
        stays_below(wire.asked[0])


def stays_below(url: httpx.URL) -> None:
    assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "api.example.com", None, b"")
    path = url.raw_path
    for _ in range(3):  # a proxy decodes, and what is behind it decodes again
        assert path.startswith(PREFIX.encode())
        assert not {b".", b".."} & set(path.partition(b"?")[0].replace(b"\\", b"/").split(b"/"))
        path = unquote_to_bytes(path)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30).map("/".__add__) | st.text(alphabet="./%\\2eEfF5cC?#:@;a", max_size=14))
def test_a_path_stays_under_the_prefix(path):
    """No text at all leads elsewhere."""
    origin = Origin.of(HOST + PREFIX, allow_http=False)
    try:
        url = httpx.URL(origin.base_url + api_path(path))
    except ValueError:
        return
    except httpx.InvalidURL:
        return  # a megabyte of path: httpx's own bound, which becomes a TransportError with sent="no"
    stays_below(url)


async def test_params_cannot_become_a_path():
    """They are encoded, names and values."""
    wire = Recorder()
    await clients(wire)["user"].request("GET", "/api/x", params={"a&b=#?/../": "c&d=../\r\n#", "e": ["f", "&"]})

    (url,) = wire.asked
    assert url.path == f"{PREFIX}/api/x"
    assert url.params.multi_items() == [("a&b=#?/../", "c&d=../\r\n#"), ("e", "f"), ("e", "&")]


@pytest.mark.parametrize("method", ["GET /x HTTP/1.1\r\nHost: evil", "CONNECT", "TRACE", "", "G\x00T", "GÉT"])
async def test_a_method_is_one_of_http(method):
    """A method with a line break would be a second request."""
    wire = Recorder()
    with pytest.raises(ValueError, match="method"):
        await clients(wire)["user"].request(method, "/api/x")
    assert wire.asked == []
