"""Plain http to another container, allowed by the environment."""

from __future__ import annotations

import pytest

from sessions_us import ConfigurationError, UserClient


def test_the_environment_allows_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SESSIONS_ALLOW_HTTP=1` does what `allow_http=True` does; any other value does nothing."""
    for value in ("", "0", "true"):
        monkeypatch.setenv("SESSIONS_ALLOW_HTTP", value)
        with pytest.raises(ConfigurationError, match=r"plain http to sandbox.*SESSIONS_ALLOW_HTTP=1"):
            UserClient("key", base_url="http://sandbox:8099")
    monkeypatch.setenv("SESSIONS_ALLOW_HTTP", "1")
    assert UserClient("key", base_url="http://sandbox:8099")
