"""A router that receives webhooks of Sessions."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from attrs import define
from fastapi import APIRouter, HTTPException
from sessions_us_api.models import WebhookTrigger
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..errors import ConfigurationError
from ..webhooks import MAX_BODY, parse_webhook
from .duplicates import Duplicates
from .handling import Handler, Handling
from .problems import Problem

__all__ = ("webhook_router",)

Handlers = Mapping[str, Handler | Sequence[Handler]] | Mapping[WebhookTrigger, Handler | Sequence[Handler]]

Ack = Literal["before", "after"]

_LEAST_SECRET: Final = 16  # characters
_SECRET: Final = re.compile(r"[A-Za-z0-9._~-]*")
_PAUSES: Final[Mapping[Ack, Sequence[float]]] = {"before": (1.0, 5.0, 25.0), "after": ()}
_BODY_TIMEOUT: Final = 10.0  # seconds

_logger = logging.getLogger("sessions_us")


def webhook_router(
    path: str,
    *,
    secret: str | Sequence[str],
    on: Handlers,
    ack: Ack = "before",
    window: float = 300.0,
    pauses: Sequence[float] | None = None,
    drain: float = 10.0,
) -> APIRouter:
    """Make a router that receives webhooks at `POST {path}/{secret}`. Pass that URL to `user.webhooks.create(url=…)`.

    Sessions does not sign deliveries, so the secret is the only proof of the sender; without it the response is 404.
    Handlers may get a delivery twice, or deliveries out of order: how Sessions repeats and orders them is unknown, and several
    workers do not share what they received.

    The lifespan of the application waits for the handlers at its end. That of a mounted application (`app.mount`) does not
    run. There a response is complete only when its handlers have ended, so that the server waits for them, without `drain`.

    Args:
        path: path of the URL, such as `/hooks/sessions`.
        secret: at least 16 characters that need no escape in a URL, such as `secrets.token_urlsafe(32)`. With several
            secrets each is accepted, so that a secret can be replaced without a gap.
        on: handlers by trigger; `"*"` stands for every trigger, also unknown ones. A handler takes a
            `sessions_us.webhooks.WebhookDelivery`; a plain function runs in a thread.
        ack: when a delivery is answered. `"before"` its handlers run: with 202 at once, so a crash may lose the delivery.
            `"after"` they have ended: with 200 if all succeeded, and with 500 if one failed, so that the sender can send it
            again, which all its handlers get. The same delivery, sent again meanwhile, gets the same answer. A sender that
            hangs up stops no handler. How long the sender has to wait is up to the handlers.
        window: seconds within which a repetition of an object's latest delivery is dropped.
        pauses: seconds before each retry of a handler that raised; None is 1, 5 and 25, and no retry with `ack="after"`, where
            the sender waits. After the last one the failure is logged.
        drain: seconds that handlers may still run when the application ends.

    Returns:
        A router for `app.include_router`.

    Raises:
        ConfigurationError: an invalid argument. The message does not quote the secret.
    """
    known, problem = _digests(secret)
    del secret  # so that no traceback from here on holds it
    problem = problem or _problem_with(path, ack)
    if problem:
        raise ConfigurationError(problem)
    handling = Handling(_by_trigger(on), _PAUSES[ack] if pauses is None else pauses, drain)
    receiver = _Receiver(known, handling, Duplicates(window), ack)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        await handling.open()
        try:
            yield
        finally:
            await handling.aclose()

    router = APIRouter(lifespan=lifespan)
    for end in ("", "/"):  # with a slash too, or Starlette would redirect to the other URL, and a server would log it
        place = f"{path.rstrip('/')}/{{secret}}{end}"
        router.add_api_route(
            place,
            receiver.receive,
            methods=["POST"],
            include_in_schema=False,
            response_model=None,
            name="sessions_us_webhook",
        )
        router.routes.append(Route(place, _OtherMethods(known), include_in_schema=False))
    return router


@define(eq=False, repr=False)
class _Receiver:
    """Receives deliveries: checks them, starts their handlers unless they are repetitions, and answers."""

    _known: Sequence[bytes]
    _handling: Handling
    _duplicates: Duplicates
    _ack: Ack

    async def receive(self, request: Request) -> Response:
        if not _is_known(_hidden(request), self._known):
            raise HTTPException(404)
        body = await _body(request)
        if isinstance(body, Problem):
            return body.response()
        try:
            webhook = parse_webhook(body)
        except ValueError as error:
            return Problem(400, f"{error}.").response()
        if self._handling.is_full:
            return Problem(503, "Too many webhooks are being handled.", 60).response()
        if self._duplicates.is_new(webhook, body, time.monotonic()):
            self._handling.start(webhook, body, lambda: self._duplicates.forget(webhook, body))
        return await self._answer(body)

    async def _answer(self, body: bytes) -> Response:
        if self._ack == "before":
            # Without a lifespan nothing else waits for the handlers when the application ends.
            rest = None if self._handling.is_open else BackgroundTask(self._handling.outcome, body)
            return Response(status_code=202, background=rest)
        if await self._handling.outcome(body):
            return Response(status_code=200)
        return Problem(500, "The webhook was not handled. Send it again.").response()


class _OtherMethods:
    """Refuse all methods but POST. A route of an ASGI application gets every method, so no list is needed."""

    def __init__(self, known: Sequence[bytes]) -> None:
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_known(_hidden(Request(scope)), self._known):
            raise HTTPException(405, headers={"allow": "POST"})
        raise HTTPException(404)


def _digests(secret: object) -> tuple[list[bytes], str]:
    """Return digests to compare with, and what is wrong with the secrets. Digests hide the length and the text."""
    secrets = [secret] if isinstance(secret, str) else list(secret) if isinstance(secret, Sequence) else []
    known: list[bytes] = []
    for each in secrets:
        if not isinstance(each, str) or len(each) < _LEAST_SECRET:
            return [], f"a webhook's secret is a string of at least {_LEAST_SECRET} characters"
        if not _SECRET.fullmatch(each):
            return [], "a webhook's secret is part of a URL: use letters, digits and -._~ only"
        known.append(_digest(each))
    return known, "" if known else "webhook_router needs a secret, such as secrets.token_urlsafe(32) makes"


def _problem_with(path: str, ack: object) -> str:
    if ack not in ("before", "after"):
        return f"ack is 'before' or 'after' the handlers, not {ack!r}"
    usable = path.startswith("/") and not {"{", "}"} & set(path)
    return "" if usable else f"path is a path such as '/hooks/sessions', not {path!r}"


def _by_trigger(on: Handlers) -> dict[str, Sequence[Handler]]:
    handlers: dict[str, Sequence[Handler]] = {}
    for trigger, given in on.items():
        each = list(given) if isinstance(given, Sequence) else [given]
        if not each or not all(map(callable, each)):
            raise ConfigurationError(f"on[{trigger!r}] is a function that takes a WebhookDelivery, or several of them")
        if trigger != "*" and trigger not in list(WebhookTrigger):
            _logger.warning("webhook_router: %a is no trigger that is known; it may be misspelt", trigger)
        handlers[trigger] = each
    if not handlers:
        raise ConfigurationError("webhook_router needs a handler: on={'*': handler} for all triggers")
    return handlers


def _hidden(request: Request) -> str:
    """Return the given secret and remove it from the scope: servers log the path after the response."""
    scope = request.scope
    given: str = scope["path_params"].pop("secret")
    scope["path"] = scope["path"].removesuffix("/").removesuffix(given) + "***"
    scope["raw_path"] = scope["path"].encode()
    return given


def _is_known(given: str, known: Sequence[bytes]) -> bool:
    digest, found = _digest(given), False
    for each in known:  # compare with all, in constant time
        found |= hmac.compare_digest(digest, each)
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


async def _body(request: Request) -> bytes | Problem:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity").lower() != "identity":
        return Problem(415, "A webhook is application/json, and not compressed.")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    return Problem(413, f"A webhook is at most {MAX_BODY} bytes.")
                chunks.append(chunk)
    except TimeoutError:
        return Problem(408, "The webhook did not arrive in time.")
    except ClientDisconnect:
        return Problem(400, "The webhook did not arrive.")
    return b"".join(chunks)
