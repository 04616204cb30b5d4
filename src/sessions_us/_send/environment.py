"""What httpx reads from the environment: proxies, and the certificates that are trusted. What it refuses is named."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import ConfigurationError
from .origin import Origin

__all__ = ("REFUSALS", "check_proxies", "proxy_variable", "refused_proxy", "trusted_certificates")

REFUSALS: Final = (ValueError, ImportError, httpx.InvalidURL)
"""What httpx raises for a proxy, or an exception to one, that it can't use."""

_FILES: Final = ("SSL_CERT_FILE", "SSLKEYLOGFILE")
_PROXIES: Final = {"http", "https", "all"}
_LAST_PORT: Final = 65535


def trusted_certificates() -> ssl.SSLContext:
    """Read the certificates that are trusted. That takes as long as many calls, and the event loop stands still.

    Raises:
        ConfigurationError: a variable of the environment names a file or a folder that can't be used.
    """
    folders = os.environ.get("SSL_CERT_DIR", "")
    if folders and not os.environ.get("SSL_CERT_FILE") and not any(map(_has_certificates, folders.split(os.pathsep))):
        raise ConfigurationError(
            "SSL_CERT_DIR names no folder that can be used: certificates have their hashes as names there, as "
            "`openssl rehash` makes them"
        )
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        problem = error.strerror or type(error).__name__
    variables = " or ".join(name for name in _FILES if os.environ.get(name)) or "the package certifi"
    raise ConfigurationError(f"{variables} names a file that can't be used ({problem})")


def check_proxies() -> None:
    """Refuse a proxy that nobody can connect to, as httpx refuses others. It would fail at each request, as if the network did.

    Raises:
        httpx.InvalidURL: a proxy can't be used.
    """
    for scheme, proxy in getproxies().items():
        if scheme in _PROXIES and not _is_a_place(_url_of(proxy)):
            raise httpx.InvalidURL("no host, or no port")


def proxy_variable(origin: Origin) -> str:
    """The variable that names the proxy for an origin, empty if there is none."""
    proxies = getproxies()
    scheme = next((each for each in (origin.scheme, "all") if proxies.get(each)), "")
    return _spelling(scheme) if scheme and not proxy_bypass(origin.host) else ""


def refused_proxy() -> ConfigurationError:
    """Find the variable that httpx refused. Its value stays out of the message: it may hold a password."""
    for scheme, url in getproxies().items():
        if scheme in _PROXIES and (problem := _problem_of(url)):
            return ConfigurationError(f"{_spelling(scheme)} can't be used: {problem}")
    return ConfigurationError(
        f"{_spelling('no')} can't be used: it lists names of hosts and addresses, and no IPv6 network or brackets"
    )


def _problem_of(proxy: str) -> str:
    try:
        httpx.AsyncHTTPTransport(proxy=_url_of(proxy), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        if _is_a_place(_url_of(proxy)):
            return ""
    except ImportError:
        return "a SOCKS proxy needs one more package, pip install 'httpx[socks]'"
    except (ValueError, httpx.InvalidURL):
        pass
    return "a proxy looks like http://host:port"


def _is_a_place(url: httpx.URL) -> bool:
    return bool(url.host) and (url.port or 0) <= _LAST_PORT


def _url_of(proxy: str) -> httpx.URL:
    return httpx.URL(proxy if "://" in proxy else f"http://{proxy}")


def _has_certificates(folder: str) -> bool:
    return any(Path(folder).glob("????????.[0-9]*"))


def _spelling(scheme: str) -> str:
    """The name of the variable as it was set."""
    name = f"{scheme}_proxy"
    return name if name in os.environ else name.upper()
