"""Recognize repeated deliveries. They have no id, so they are compared by their content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

from ..webhooks import WebhookDelivery

__all__ = ("Duplicates",)

_MOST: Final = 10_000


class Duplicates:
    """The latest delivery of each trigger and object. Pure: the caller passes the time.

    Only the latest counts: if a name is changed to and fro, an equal delivery that is not the latest is new.

    Args:
        window: seconds for which a delivery is remembered.
        most: maximum number of deliveries; the oldest are dropped first.
    """

    def __init__(self, window: float, most: int = _MOST) -> None:
        self._window = window
        self._most = most
        self._latest: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many deliveries are remembered."""
        return len(self._latest)

    def is_new(self, webhook: WebhookDelivery, body: bytes, now: float) -> bool:
        """Return whether the delivery is no repetition, and remember it.

        Args:
            webhook, body: the delivery, parsed and raw.
            now: monotonic time in seconds.
        """
        name, said = _name(webhook, body), _digest(body)
        while self._latest and now - next(iter(self._latest.values()))[1] >= self._window:
            self._latest.popitem(last=False)
        known = self._latest.get(name)
        if known is not None and known[0] == said:
            return False
        self._latest[name] = said, now
        self._latest.move_to_end(name)
        if len(self._latest) > self._most:
            self._latest.popitem(last=False)
        return True

    def forget(self, webhook: WebhookDelivery, body: bytes) -> None:
        """Forget a delivery whose handler failed, so that its repetition is handled."""
        known = self._latest.get(_name(webhook, body))
        if known is not None and known[0] == _digest(body):
            del self._latest[_name(webhook, body)]


def _name(webhook: WebhookDelivery, body: bytes) -> bytes:
    # Digests, because a trigger or an id may be as long as a body.
    about = webhook.object_id
    return _digest(webhook.trigger.encode(errors="surrogatepass")) + (
        _digest(body) if about is None else _digest(about.encode(errors="surrogatepass"))
    )


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
