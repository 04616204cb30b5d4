"""Where requests go: one origin with an optional path before the API's own, checked before a key is sent there."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from ..errors import ConfigurationError

__all__ = ("PRODUCTION", "Origin", "api_path")

PRODUCTION: Final = "https://api.app.sessions.us"
_MOST_CODINGS: Final = 5


@frozen(eq=False, repr=False)
class Origin:
    """Scheme, host and port, and what stands before `/api`.

    Attributes:
        scheme: `https`, or `http` where that is allowed.
        host: in lower case.
        port: the explicit or the scheme's own.
        prefix: the path before the API's own paths, without a slash at its end.
    """

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, base_url: str | None, *, allow_http: bool) -> Origin:
        """Parses a base URL; None is `SESSIONS_BASE_URL`, else the production host.

        Raises:
            ConfigurationError: no URL of an origin, or plain http to another host than this one without `allow_http`.
        """
        given = base_url if base_url is not None else os.environ.get("SESSIONS_BASE_URL", "").strip() or PRODUCTION
        if not isinstance(given, str):
            raise ConfigurationError(f"base_url is a string such as {PRODUCTION}, not a {type(given).__name__}")
        try:
            parts = urlsplit(given)
            port = parts.port
            prefix = _safe_path(parts.path.rstrip("/"))
        except ValueError:
            raise ConfigurationError(
                f"base_url is no usable URL (SESSIONS_BASE_URL if it was not given): it must look like {PRODUCTION}"
            ) from None
        host = parts.hostname
        if parts.scheme not in {"https", "http"} or not host or not re.fullmatch(r"[\w.:%~-]+", host) or port == 0:
            raise ConfigurationError(f"base_url must look like {PRODUCTION}, with https:// and a host")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ConfigurationError("base_url must have no user name, password, query or fragment")
        if parts.scheme == "http" and not (allow_http or _is_loopback(host)):
            raise ConfigurationError(
                f"base_url is plain http to {host}: the key could be read on its way. "
                "Use https, or pass allow_http=True or set SESSIONS_ALLOW_HTTP=1 if that network is yours."
            )
        default = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, host.lower(), port or default, prefix)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == default else f":{self.port}")

    @property
    def base_url(self) -> str:
        """What stands before each path of the API."""
        return f"{self}{self.prefix}"


def api_path(path: str) -> str:
    """A path that somebody wrote by hand, if no server can take it for another one, whatever it decodes first.

    Raises:
        ValueError: it does not start with a slash, names a host, or holds a dot segment, encoded or not.
    """
    if not path.startswith("/"):
        raise ValueError("a path starts with '/', such as '/api/sessions'")
    decoded, encoded = path, ""
    for _ in range(_MOST_CODINGS):  # a proxy decodes, and so does what is behind it
        if "\\" in decoded or any(segment in {".", ".."} for segment in decoded.split("/")):
            raise ValueError(
                "a path must not hold '.' or '..' as a segment, nor a backslash: it would address another path"
            )
        decoded, encoded = unquote(decoded), decoded
        if decoded == encoded:
            return _safe_path(path)
    raise ValueError("a path must not be percent-encoded over and over again")


def _safe_path(path: str) -> str:
    if path and not path.startswith("/"):
        raise ValueError("a path starts with '/' and names no host")
    if path.startswith("//") or re.search(r"[\x00-\x20\x7f?#\\]|%[01][0-9a-fA-F]|%7[fF]", path):
        raise ValueError("a path has no host, white space, control characters, backslash, '?' or '#' (use params)")
    if any(unquote(segment) in {".", ".."} for segment in path.split("/")):
        raise ValueError("a path must not hold '.' or '..' as a segment: that would address another path")
    return path


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
