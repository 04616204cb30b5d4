"""Webhooks on their way out: in the background, one after the other, each tried once."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import ssl
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from .records import WebhookRecord

_TIMEOUT = 5.0  # seconds for one delivery
_WAITING = 1000
_KEPT = 1000


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Those that are trusted, read once for all sandboxes, since few of them ever send to an https URL."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a webhook.

    Attributes:
        webhook_id: whose webhook.
        url: where to.
        payload: `{trigger, data}` as sent.
        status: what the receiver answered; None if it did not, or was not asked.
        error: why not; None if it answered with a success.
        at: when it ended, in seconds since the epoch by the sandbox's clock.
    """

    webhook_id: str
    url: str
    payload: dict[str, Any]
    status: int | None
    error: str | None
    at: float


class Courier:
    """Delivers to loopback addresses, and to `hosts`; a sandbox must not call strangers because its data says so.

    Nothing is known of the real API's retries, timeouts, order or signatures: here one attempt, 5 seconds, in order, none.
    What more than 1000 deliveries wait for is dropped, and recorded as such.
    """

    def __init__(self, hosts: Collection[str], clock: Callable[[], float]) -> None:
        self._hosts = frozenset(hosts)
        self._clock = clock
        self._waiting: deque[tuple[WebhookRecord, dict[str, Any]]] = deque()
        self._done: deque[Delivery] = deque(maxlen=_KEPT)
        self._beginnings = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stirred = asyncio.Event()
        self._idle = asyncio.Event()

    def send(self, webhook: WebhookRecord, payload: dict[str, Any]) -> None:
        """Queue a delivery; from any thread. Nothing leaves before `run` does its work."""
        if len(self._waiting) >= _WAITING:
            self._done.append(self._made(webhook, payload, None, "dropped: too many deliveries are waiting"))
            return
        self._waiting.append((webhook, payload))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stir)

    def clear(self) -> None:
        """Forget what was delivered and what waits; of what is in flight, nothing will be recorded. From any thread."""
        self._beginnings += 1
        self._waiting = deque()
        self._done.clear()

    def deliveries(self) -> list[Delivery]:
        return list(self._done)

    async def settle(self) -> None:
        """Wait until nothing is waiting; in the loop of `run`."""
        await self._idle.wait()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        # trust_env: a proxy in the environment is for the world outside, and not for this machine.
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=_certificates()) as client:
            while True:
                while waiting := self._waiting:
                    self._idle.clear()
                    beginning = self._beginnings
                    delivery = await self._delivered(client, *waiting.popleft())
                    if beginning == self._beginnings:
                        self._done.append(delivery)
                self._idle.set()
                self._stirred.clear()
                # Looked at after clearing, so that a `send` in between is not slept through.
                if not self._waiting:
                    await self._stirred.wait()

    def _stir(self) -> None:
        self._idle.clear()
        self._stirred.set()

    async def _delivered(self, client: httpx.AsyncClient, webhook: WebhookRecord, payload: dict[str, Any]) -> Delivery:
        try:
            if not self._allowed(webhook.url):
                error = "not delivered: the host is neither loopback nor in webhook_hosts"
                return self._made(webhook, payload, None, error)
            # Not to read an endless answer: the status is all that counts.
            async with asyncio.timeout(_TIMEOUT), client.stream("POST", webhook.url, json=payload) as response:
                status = response.status_code
        except Exception as error:  # whatever it is, the next ones are to be delivered
            return self._made(webhook, payload, None, f"{type(error).__name__}: {error}".rstrip(": "))
        return self._made(webhook, payload, status, None if 200 <= status < 300 else f"the receiver answered {status}")

    def _allowed(self, url: str) -> bool:
        host = host_of(url) or ""
        if host == "localhost" or host in self._hosts:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _made(self, webhook: WebhookRecord, payload: dict[str, Any], status: int | None, error: str | None) -> Delivery:
        return Delivery(webhook.id, webhook.url, payload, status, error, self._clock())


def host_of(url: str) -> str | None:
    """Return the host of a URL; None if nothing can be sent there."""
    try:
        parts = urlsplit(url)
        # Reading a port that can't be raises ValueError.
        is_good = parts.scheme in ("http", "https") and parts.port != 0
        return parts.hostname if is_good and httpx.URL(url).host else None
    except (ValueError, httpx.InvalidURL):
        return None
