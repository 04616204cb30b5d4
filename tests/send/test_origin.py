"""The origin: where the key may go."""

from __future__ import annotations

import httpx
import pytest

from sessions_us import ConfigurationError, UserClient


@pytest.mark.parametrize(
    "url",
    ["", "api.test", "ftp://api.test", "https://", "https://u:p@api.test", "https://api.test/?x=1", "https://api.test#f",
     "http://api.test", "http://10.0.0.1:8000", "https://api.test/../x", "https://api.test:x",
     "https://exa mple.com", "https://api.test:0", "https://1.2.3.999", "https://xn--a", "https://xn--a.test"],
)  # fmt: skip
def test_a_base_url_that_exposes_the_key(url, monkeypatch):
    """https, or http to this machine; nothing that hides where it leads."""
    monkeypatch.delenv("SESSIONS_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="base_url"):
        UserClient("k", base_url=url)


@pytest.mark.parametrize("url", ["localhost:8099", "127.0.0.1:8099", "api.test"])
def test_a_base_url_without_a_scheme_is_told_what_one_looks_like(url):
    """By an example that has one."""
    with pytest.raises(ConfigurationError, match="it must look like https://"):
        UserClient("k", base_url=url)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["xn--bcher-kva.example", "bücher.example", "BÜCHER.example:443"])
async def test_a_name_beyond_ascii_is_one_origin_however_it_is_written(host):
    """Its key goes there, whether the name is given as people read it or as DNS has it."""
    asked: list[httpx.Request] = []
    transport = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200, json={"id": "r"}))
    async with UserClient("k", base_url=f"https://{host}", transport=transport) as user:
        await user.rooms.get("r")

    assert [(each.headers["host"], each.headers["x-api-key"]) for each in asked] == [("xn--bcher-kva.example", "k")]


def test_http_elsewhere_must_be_allowed():
    """allow_http is for networks of one's own."""
    assert "http://10.0.0.1:8000" in repr(UserClient("k", base_url="http://10.0.0.1:8000", allow_http=True))
