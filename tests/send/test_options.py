"""Options are checked where they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest
from support.command import python
from support.scripted import Say, Scripted

from sessions_us import ConfigurationError, ServerError, UserClient


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("timeout", -1), ("timeout", float("inf")), ("timeout", None), ("timeout", True), ("max_wait", -1),
     ("max_wait", float("nan")), ("max_wait", "5")],
)  # fmt: skip
def test_a_senseless_number_is_refused(name, value):
    """With one line that says what it takes."""
    with pytest.raises(ConfigurationError, match=f"{name} is a number of seconds"):
        UserClient("k", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quota", 5),
        ("quota", "ten"),
        ("retries", -1),
        ("retries", True),
        ("retries", "3"),
        ("on_event", 5),
        ("transport", 5),
        ("transport", httpx.AsyncHTTPTransport),
        ("clock", 5),
        ("base_url", 5),
        ("app_info", None),
        ("app_info", "a\r\nx-api-key: b"),
        ("app_info", "é"),
        ("strict", "no"),
        ("strict", None),
        ("allow_http", 1),
    ],
)
def test_a_wrong_kind_is_refused(name, value):
    """And not at the first call, far from its cause."""
    with pytest.raises(ConfigurationError, match=name):
        UserClient("k", **{name: value})


def test_options_of_a_copy_are_checked():
    """None is no retry policy; 0 is."""
    with pytest.raises(ConfigurationError, match=r"a number of retries \(0 for none\)"):
        UserClient("k").with_options(retries=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="lane is 'interactive' or 'background', not 'urgent'"):
        UserClient("k").with_options(lane="urgent")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="strict is True or False, not 'no'"):
        UserClient("k").with_options(strict="no")  # type: ignore[typeddict-item]


@pytest.mark.parametrize("option", ["cache_ttl", "stale_while_revalidate", "stale_if_error"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, "5", True])
def test_a_senseless_age_is_refused(option, value):
    """The age of a copy is a number of seconds, 0 or more."""
    with pytest.raises(ConfigurationError, match=option):
        UserClient("key", **{option: value})


@pytest.mark.anyio
@pytest.mark.parametrize("retries", [0, 2])
async def test_a_number_of_retries(retries):
    """For a client, and for a copy of it."""
    async with Scripted(Say(500)) as server:
        async with UserClient(f"retries {retries}", base_url=server.url, quota="100/1s", retries=retries) as user:
            for each in (user, user.with_options(retries=retries)):
                with pytest.raises(ServerError):
                    await each.with_options(max_wait=30).rooms.get("r1")
            assert user.quota.snapshot().limit == 100

    assert len(server.arrived) == 2 * (1 + retries)


@pytest.mark.anyio
@pytest.mark.parametrize("app_info", ["", "acme-site/2.1 (night job)"])
async def test_the_user_agent_names_the_application(app_info):
    """Behind this library and Python."""
    async with Scripted(Say(body={"id": "r1"})) as server:
        async with UserClient(f"agent-{app_info}-", base_url=server.url, app_info=app_info) as user:
            await user.rooms.get("r1")

    library, version, *rest = server.arrived[0].headers["user-agent"].split(" ")
    assert (library.partition("/")[0], version.partition("/")[0], " ".join(rest)) == ("sessions-us", "python", app_info)


def test_a_listener_that_would_never_run_is_refused():
    """An `async def`, as a function and as a method that is called, with and without arguments that are known before."""

    async def listen(event: object) -> None: ...

    async def generate(event: object) -> AsyncIterator[None]:
        yield

    class Listener:
        async def __call__(self, event: object) -> None: ...

    for each in (listen, generate, Listener(), partial(listen), partial(generate), partial(partial(Listener()))):
        with pytest.raises(ConfigurationError, match="async def"):
            UserClient("k", on_event=each)  # type: ignore[arg-type]


def test_the_log_can_be_turned_on(monkeypatch):
    """By `SESSIONS_LOG`, for people without a logging setup. A word that is no level is refused."""
    code = "import logging, sessions_us; sessions_us.UserClient('k'); logging.getLogger('sessions_us').info('heard')"
    assert "INFO sessions_us: heard" in python("-c", code, SESSIONS_LOG="info").stderr
    assert "heard" not in python("-c", code, SESSIONS_LOG="warning").stderr
    assert "heard" not in python("-c", code).stderr
    monkeypatch.setenv("SESSIONS_LOG", "loud")
    with pytest.raises(ConfigurationError, match="SESSIONS_LOG is debug, info, warning or error, not 'loud'"):
        UserClient("k")


class TenantClient(UserClient):
    """What people make of a client."""

    def __init__(self, tenant: str, key: str) -> None:
        super().__init__(key)
        self.tenant = tenant


def test_a_copy_has_what_a_subclass_added():
    """Its own attributes stay. Resources are those of the copy, also where the original had used its own."""
    user = TenantClient("acme", "key")
    assert user.rooms is user.rooms
    user.note = "set later"
    copy = user.with_options(timeout=5)
    again = copy.with_options(lane="background")

    assert type(again) is TenantClient
    assert (again.tenant, again.note) == ("acme", "set later")
    assert copy.rooms is not user.rooms
    copy.tenant = "other"
    assert user.tenant == "acme"


class SlottedClient(TenantClient):
    """With attributes of its own in slots, one of them private."""

    __slots__ = ("__secret", "never_set", "region")

    def __init__(self) -> None:
        super().__init__("acme", "key")
        self.region, self.__secret = "eu", "canary"

    def has(self) -> tuple[str, str, str]:
        return self.tenant, self.region, self.__secret


def test_a_copy_has_what_is_in_slots():
    """Beside what is not; a slot that is empty stays so."""
    copy = SlottedClient().with_options(timeout=5)

    assert copy.has() == ("acme", "eu", "canary")
    assert not hasattr(copy, "never_set")


@pytest.mark.anyio
async def test_further_headers_and_parameters():
    """They go with each request of the copy, pages of lists too. Reads that differ by them are not the same."""
    async with Scripted(Say(body=[{"id": "r1"}])) as server:
        async with UserClient("further", base_url=server.url, quota="100/1s", cache_ttl=60) as user:
            copy = user.with_options(headers={"Traceparent": "00-ab-cd-01"}, query={"status": "a b"})
            for each in (user, copy, copy, copy.with_options(lane="background"), copy.with_options(headers={})):
                assert len(await each.rooms.list(page=2).collect()) == 1
            for page in (None, 2):
                with pytest.raises(ValueError, match="query can't set 'page' here"):
                    await user.with_options(query={"page": "7"}).rooms.list(page=page).collect()

    told = [(each.target, each.headers.get("traceparent")) for each in server.arrived]
    further = "/api/rooms?page=2&status=a+b"
    assert told == [("/api/rooms?page=2", None), (further, "00-ab-cd-01"), (further, None)]
    assert all(each.headers["x-api-key"] == "further" for each in server.arrived)


@pytest.mark.parametrize(
    "name",
    ["x-api-key", "X-API-Key", "Host", "content-type", "User-Agent", "Content-Encoding", "Expect", "Keep-Alive",
     "Proxy-Connection", "a b", "", "a\r\nb"],
)  # fmt: skip
def test_headers_that_are_not_the_callers_are_refused(name):
    """Those that the client sets itself, and what is no header. No value is shown: it may be a secret."""
    with pytest.raises(ConfigurationError, match="headers: ") as caught:
        UserClient("k").with_options(headers={name: "canary"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["a\r\nx-api-key: b", " a", "é", 5, None])
def test_a_header_that_can_not_be_sent_is_refused(value):
    """Before anything is sent."""
    with pytest.raises(ConfigurationError, match="headers"):
        UserClient("k").with_options(headers={"traceparent": value})


def test_a_header_is_given_once():
    """Capitals make no other name; which of the two would count is up to the server."""
    with pytest.raises(ConfigurationError, match="headers: one name is given twice"):
        UserClient("k").with_options(headers={"X-A": "canary", "x-a": "2"})


@pytest.mark.parametrize("option", ["headers", "query"])
@pytest.mark.parametrize("value", [(("a", 1),), (("a", "b", "c"),), ("ab",), [("a", "b")], {"a": 1}, "ab", None])
def test_what_is_no_mapping_of_strings_is_refused(option, value):
    """When the copy is made, not at its first call."""
    with pytest.raises(ConfigurationError, match=f"{option} is a mapping of strings to strings"):
        UserClient("k").with_options(**{option: value})
