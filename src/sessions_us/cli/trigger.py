"""`sessions-us trigger`: webhooks on demand, from a sandbox."""

from __future__ import annotations

import json
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any

import typer
from sessions_us_api.models import WebhookTrigger

from .._send.origin import PRODUCTION, Origin
from ..errors import ConfigurationError
from .options import one_of
from .output import note, print_json, require_output

__all__ = ("trigger",)

_TIMEOUT = 10.0  # seconds for an answer
_PATIENCE = 2.0  # seconds for the first delivery
_POLL = 0.05


def trigger(
    name: Annotated[WebhookTrigger, one_of(WebhookTrigger, metavar="NAME")],
    id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="The session, booking or event to tell of; by default the newest."),
    ] = None,
) -> None:
    """Let a sandbox deliver a webhook, and print what it says.

    SESSIONS_BASE_URL is the sandbox's address. No key is needed, and nothing else changes there. The webhook goes to the URL
    of `sessions-us sandbox --deliver-to`, and to those that were added with this trigger.

    \b
    Examples:
      sessions-us trigger SESSION_ENDED
      sessions-us trigger TAKEAWAY_READY --id 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
    """
    require_output()
    sandbox = _sandbox()
    before = _deliveries(sandbox)
    status, answer = _ask(sandbox, "/triggers", {"name": name.value, **({} if id is None else {"id": id})})
    if status != 200:
        raise ValueError(answer["message"] if isinstance(answer, dict) and "message" in answer else f"status {status}")
    print_json(answer)
    deadline = time.monotonic() + _PATIENCE
    while not (made := _deliveries(sandbox) - before) and time.monotonic() < deadline:
        time.sleep(_POLL)
    for url, error, *_ in made:
        note(f"delivered to {url}" if error is None else f"{url}: {error}")
    if not made:
        note(f"nobody was told: add a webhook with {name.value}, or start the sandbox with --deliver-to URL")


def _sandbox() -> Origin:
    """Return the origin of the sandbox.

    Raises:
        ConfigurationError: SESSIONS_BASE_URL is not set, no URL, or not that of a sandbox.
    """
    origin = Origin.of(None, allow_http=True)
    about = None if origin.base_url == PRODUCTION else _ask(origin, "")[1]
    if not isinstance(about, dict) or "triggers" not in about:
        raise ConfigurationError(
            f"only a sandbox has triggers, and {origin.base_url} is none: start one with `sessions-us sandbox`, and set "
            "SESSIONS_BASE_URL to the address that it prints"
        )
    return origin


def _deliveries(sandbox: Origin) -> Counter[tuple[Any, ...]]:
    """Return the URLs, errors and further facts of the last deliveries. Equal ones are counted."""
    return Counter(
        (each["url"], each["error"], each["at"], each["webhookId"]) for each in _ask(sandbox, "/deliveries")[1]
    )


def _ask(sandbox: Origin, path: str, body: Any = None) -> tuple[int, Any]:
    """Return the status and the JSON of an answer; None for what is no JSON.

    Raises:
        OSError: there is no answer.
    """
    kind = HTTPSConnection if sandbox.scheme == "https" else HTTPConnection
    connection = kind(sandbox.host, sandbox.port, timeout=_TIMEOUT)
    sent = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("GET" if sent is None else "POST", f"{sandbox.prefix}/_sandbox{path}", sent, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, HTTPException) as error:
        raise OSError(f"{sandbox} does not answer ({error}); SESSIONS_BASE_URL must be a sandbox that runs") from None
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, None
