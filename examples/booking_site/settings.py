"""What the environment says. Keys, base URL and quota are read by the clients themselves."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_log = logging.getLogger("booking_site")


@dataclass(frozen=True)
class Settings:
    """How this site is set up.

    Attributes:
        host_name: whose times are booked, as the pages say it.
        secret: signs links and cookies. All workers need the same.
        admin_password: opens the admin page; None keeps it shut.
        data: a directory on a local disk that all workers share, for the quota, the copies and the diary.
        events: the ids of the events that are shown; the API does not say which are public.
        is_sandbox: whether it talks to a sandbox, which the pages then say.
    """

    host_name: str
    secret: bytes
    admin_password: str | None
    data: Path
    events: tuple[str, ...]
    is_sandbox: bool


@cache
def settings() -> Settings:
    """Of this process, read once."""
    given = os.environ.get
    missing = [name for name in ("BOOKING_SITE_DATA", "BOOKING_SITE_SECRET") if not given(name)]
    if missing:
        _log.warning("%s not set: this worker makes its own, so let it be the only one", " and ".join(missing))
    data = Path(given("BOOKING_SITE_DATA") or tempfile.mkdtemp(prefix="booking-site-"))
    return Settings(
        host_name=given("BOOKING_SITE_HOST") or "us",
        secret=(given("BOOKING_SITE_SECRET") or secrets.token_urlsafe(32)).encode(),
        admin_password=given("BOOKING_SITE_ADMIN_PASSWORD") or None,
        data=data,
        events=tuple(dict.fromkeys(given("BOOKING_SITE_EVENTS", "").replace(",", " ").split())),
        is_sandbox=bool(given("BOOKING_SITE_SANDBOX")),
    )
