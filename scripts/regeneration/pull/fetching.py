"""HTTP for reading documents from servers that nobody vouches for: one origin, and bounds on time and size."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx

from regeneration.document import InputError

#: Bytes of one answer, once decompressed. The largest documents that vendors publish are around 10 MB.
MAX_BYTES = 20_000_000
#: Seconds for one answer, its redirects included, and for everything.
ANSWER_SECONDS, TOTAL_SECONDS = 20.0, 60.0
MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}


class ForeignError(InputError):
    """An address of another origin, to which nothing is sent."""


@dataclass(frozen=True)
class Fetched:
    """A body, and where it was in the end."""

    url: httpx.URL
    content_type: str
    body: bytes


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, with the port that the scheme implies."""
    return url.scheme, url.host.lower(), url.port or _PORTS.get(url.scheme)


def shown(url: httpx.URL | str) -> str:
    """An address as it may be printed and written down: without user name, password and fragment."""
    return str(httpx.URL(url).copy_with(userinfo=b"", fragment=None))


def parse_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise InputError(f"{text} is no address: {error}") from error
    if url.scheme not in _PORTS or not url.host:
        raise InputError(f"{text} is no address with http or https")
    return url


class Fetcher:
    """Reads from one origin.

    Asynchronous for one reason: only so can a server that drips its answer, the headers included, be left in time.

    Args:
        start: any address of the origin.
        deadline: when everything has to be over, on the monotonic clock in seconds.
    """

    def __init__(self, client: httpx.AsyncClient, start: httpx.URL, deadline: float) -> None:
        self._client = client
        self._origin = origin(start)
        self._deadline = deadline

    def allows(self, url: httpx.URL) -> bool:
        return origin(url) == self._origin

    async def get(self, url: httpx.URL) -> Fetched:
        """The answer at an address of this origin.

        Raises:
            InputError: another origin, no answer in time, an error status, too large, or too many redirects.
        """
        seconds = min(ANSWER_SECONDS, self._deadline - time.monotonic())
        try:
            async with asyncio.timeout(max(seconds, 0)):
                return await self._follow(url)
        except TimeoutError:
            raise InputError(f"{shown(url)}: no complete answer within {max(seconds, 0):.0f} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{shown(url)}: {str(error) or type(error).__name__}") from error

    async def _follow(self, start: httpx.URL) -> Fetched:
        url = start
        for _ in range(MAX_REDIRECTS + 1):
            if not self.allows(url):
                raise ForeignError(
                    f"the document is said to be at {shown(url)}, another origin; name that address if you trust it"
                )
            answer = await self._read(url)
            if isinstance(answer, Fetched):
                return answer
            url = url.join(answer)
        raise InputError(f"{shown(start)}: more than {MAX_REDIRECTS} redirects")

    async def _read(self, url: httpx.URL) -> Fetched | str:
        async with self._client.stream("GET", url) as response:
            if response.has_redirect_location:
                return str(response.headers["location"])
            if response.is_error:
                hint = (
                    "; it wants to know who asks: save the document and pull the file"
                    if response.status_code in (401, 403)
                    else ""
                )
                raise InputError(f"{shown(url)} answered {response.status_code} {response.reason_phrase}{hint}")
            body = bytearray()
            if int(response.headers.get("content-length", "0")) <= MAX_BYTES:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        break
                else:
                    return Fetched(url, response.headers.get("content-type", "").lower(), bytes(body))
            raise InputError(f"{shown(url)} is larger than {MAX_BYTES // 1_000_000} MB; no document of an API is")


def client() -> httpx.AsyncClient:
    """A client that follows nothing by itself. No compression is asked for: it is where small answers become large."""
    headers = {
        "accept": "application/json, application/yaml, text/html;q=0.9, */*;q=0.8",
        "accept-encoding": "identity",
    }
    return httpx.AsyncClient(headers=headers, follow_redirects=False, timeout=ANSWER_SECONDS)
