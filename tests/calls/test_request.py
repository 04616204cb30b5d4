"""`client.request`: any path of the API."""

from __future__ import annotations

import json

import pytest
from support.rooms import retrying
from support.scripted import Reset, Say, Scripted

from sessions_us import TransportError

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


async def test_what_is_no_json_is_not_sent():
    """NaN and objects would fail half-way or be read as something else."""
    async with Scripted(Say(body={})) as server, retrying(server) as user:
        for bad in (float("nan"), object(), {1, 2}):
            with pytest.raises((ValueError, TypeError)):
                await user.rooms.create(name="x", extra={"bad": bad})
        assert user.quota.snapshot().in_flight == 0

    assert server.arrived == []
