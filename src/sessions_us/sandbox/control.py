"""What Python can ask of a sandbox, over HTTP and without a key: `/_sandbox/…`, the document, and a page for people.

A body has the arguments of the method of `Sandbox` as JSON. A page of another website can't use these paths: its requests name
their origin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sized
from functools import cache
from heapq import nlargest
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers

from .body import Body, parse
from .clock import TIMES
from .data import RESOURCES
from .faults import DROPS
from .life import phase
from .refusals import Refusal
from .reply import HTML, Reply, encode, json_reply, refused
from .serializer import Json, iso_or_null
from .state import TRIGGERS, State

if TYPE_CHECKING:
    from .delivery import Delivery
    from .sandbox import Sandbox
    from .traffic import ReceivedRequest

_PREFIX = "/_sandbox"
_DOCUMENT = ("/api-docs", "/api-docs-json")
_FAULT = ("status", "delay", "times", "chance", "method", "path", "body", "headers", "counted")
_NEWEST = 30
_SHOWN = 200  # requests or deliveries in one answer


class Control:
    """Answers what is beside the API.

    Args:
        sandbox: is asked.
        state: is looked at for the page, which needs a summary.
    """

    largest_body: int = 64 * 1024 * 1024

    def __init__(self, sandbox: Sandbox, state: State) -> None:
        self._sandbox = sandbox
        self._state = state
        self._actions: Mapping[tuple[str, str], tuple[Callable[[Body], object], tuple[str, ...]]] = {
            ("GET", ""): (lambda _: self._about(), ()),
            ("POST", "/reset"): (lambda _: sandbox.reset(), ()),
            ("GET", "/clock"): (lambda _: self._clock(), ()),
            ("POST", "/clock"): (self._set_clock, ("seconds", "time")),
            ("GET", "/data"): (lambda _: sandbox.data, ()),
            ("POST", "/data"): (lambda body: sandbox.load(body.fields), RESOURCES),
            ("POST", "/faults"): (self._fail, _FAULT),
            ("DELETE", "/faults"): (lambda _: sandbox.heal(), ()),
            ("POST", "/triggers"): (self._trigger, ("name", "id")),
            ("GET", "/requests"): (self._requests, ("after",)),
            ("GET", "/sessions"): (lambda _: self._sessions(), ()),
            ("GET", "/deliveries"): (lambda _: [_delivery(each) for each in sandbox.deliveries[-_SHOWN:]], ()),
        }

    def serves(self, path: str) -> bool:
        """Whether a path is beside the API."""
        bare = path.removesuffix("/")
        return not bare or bare in _DOCUMENT or bare == _PREFIX or bare.startswith(f"{_PREFIX}/")

    def answer(self, method: str, path: str, query: dict[str, str], headers: Headers, content: bytes) -> Reply:
        """Carry out a request, and answer it."""
        bare = path.removesuffix("/")
        try:
            if bare.startswith(_PREFIX):
                _refuse_other_origins(headers)
                fields = parse(content, "application/json") if content else query  # whatever type `curl -d` says
                result = self._carry_out(method, bare.removeprefix(_PREFIX), Body(fields))
                return Reply(204) if result is None else json_reply(200, result)
            if method not in ("GET", "HEAD"):
                raise Refusal(404, f"Cannot {method} {path}")
        except Refusal as refusal:
            return refused(refusal)
        except KeyError:
            return refused(Refusal(404, "There is no such object"))
        except ValueError as error:
            return refused(Refusal(400, str(error)))
        if bare == "/api-docs-json":
            return Reply(200, document(), "application/json; charset=utf-8")
        return Reply(200, _documentation() if bare else _page(), HTML)

    def _carry_out(self, method: str, path: str, body: Body) -> object:
        action, arguments = self._actions.get(("GET" if method == "HEAD" else method, path), (None, ()))
        if action is not None:
            _check_arguments(body, arguments)
            return action(body)
        match method, [unquote(part) for part in path.split("/")[1:]]:
            case "DELETE", ["data", resource, of]:
                _check_arguments(body, ())
                self._sandbox.remove(resource, of)
            case "POST", ["sessions", of, "start"]:
                _check_arguments(body, ())
                self._sandbox.start_session(of)
            case "POST", ["sessions", of, "end"]:
                _check_arguments(body, ("takeaways", "transcript"))
                self._end(of, body)
            case _:
                raise Refusal(404, f"Cannot {method} {_PREFIX}{path}")
        return None

    def _end(self, session_id: str, body: Body) -> None:
        """Null or an empty text means no takeaways; without the field the sandbox makes some."""
        text, lines = body.text("takeaways", nullable=True), body.texts("transcript")
        body.check()
        self._sandbox.end_session(
            session_id,
            takeaways=(text or "") if "takeaways" in body else None,
            transcript=lines if "transcript" in body else None,
        )

    def _about(self) -> Json:
        sandbox = self._sandbox
        return {
            "url": sandbox.url,
            "userKey": sandbox.user_key,
            "guestKey": sandbox.guest_key,
            "teamPageId": sandbox.team_page_id,
            "limit": sandbox.limiter.limit,
            "window": sandbox.limiter.window,
            "headers": sandbox.limiter.headers,
            "fields": sandbox.fields,
            "triggers": sorted(TRIGGERS),
            "subscribed": self._subscribed(),
            "objects": self._counts(),
            "quota": {
                role: dict(zip(("remaining", "resetsIn"), sandbox.limiter.left(role, sandbox.clock.now()), strict=True))
                for role in ("user", "guest")
            },
            **self._clock(),
        }

    def _subscribed(self) -> list[str]:
        """The triggers that some webhook has."""
        with self._state.lock:
            return sorted({each.trigger for each in self._state.webhooks.values()})

    def _counts(self) -> Json:
        state = self._state
        shelves: Mapping[str, Sized] = {
            "rooms": state.rooms,
            "booking_pages": state.booking_pages,
            "sessions": state.sessions,
            "bookings": state.bookings,
            "events": state.events,
            "webhooks": state.webhooks,
            "users": state.users,
        }
        return {name: len(shelf) for name, shelf in shelves.items()}

    def _sessions(self) -> list[Json]:
        """The newest sessions of the workspace, and where they are in their lives."""
        with self._state.lock:
            self._state.catch_up()
            found = nlargest(_NEWEST, self._state.sessions.values(), key=lambda each: each.created_at)
            return [
                {"id": each.id, "name": each.name, "startAt": iso_or_null(each.start_at), "phase": phase(each)}
                for each in found
            ]

    def _clock(self) -> Json:
        return {"now": self._sandbox.clock.now(), "time": self._sandbox.time}

    def _set_clock(self, body: Body) -> Json:
        seconds, time = body.number("seconds"), body.text("time")
        if time is not None and time not in TIMES:
            body.wrong(f"time must be one of the following values: {', '.join(TIMES)}")
        body.check()
        if time is not None:
            self._sandbox.time = time  # type: ignore[assignment]  # checked above
        if seconds is not None:
            self._sandbox.advance(seconds)
        return self._clock()

    def _fail(self, body: Body) -> None:
        status: Any = body.get("status")  # `fail` checks it further
        if status is not None and type(status) not in (int, str):
            body.wrong(f"status must be a number or one of {', '.join(DROPS)}")
        times = body.whole("times", least=1, most=10**9)
        headers = body.get("headers") or {}
        if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
            body.wrong("headers must be an object of strings")
        counted, chance, delay = body.flag("counted"), body.number("chance"), body.number("delay")
        method, path, answer = body.text("method"), body.text("path"), body.text("body", nullable=True)
        body.check()
        self._sandbox.fail(
            status,
            delay=delay or 0.0,
            times=None if "times" in body and times is None else times or 1,
            chance=1.0 if chance is None else chance,
            method=method,
            path=path,
            body=answer,
            headers=headers,
            counted=counted is not False,
        )

    def _trigger(self, body: Body) -> Json:
        name, of = body.text("name", required=True), body.text("id")
        body.check()
        return self._sandbox.trigger(name, id=of)

    def _requests(self, query: Body) -> list[Json]:
        """The first requests after one, so that asking again after the last of them misses none; without it the newest."""
        after = query.get("after")
        if after is None or after == "":
            return [_request(each) for each in self._sandbox.requests[-_SHOWN:]]
        if not re.fullmatch(r"-1|[0-9]{1,18}", str(after)):
            raise Refusal(400, f"after must be the number of a request, not {after!r}")
        found = (each for each in self._sandbox.requests if each.number > int(after))
        return [_request(each) for each in islice(found, _SHOWN)]


def _check_arguments(body: Body, known: Collection[str]) -> None:
    """Refuse a misspelt argument, which would otherwise have no effect in silence."""
    for name in body.fields:
        if name not in known:
            body.wrong(f"there is no argument {name!r}; there are {', '.join(known) or 'none'}")
    body.check()


def _refuse_other_origins(headers: Headers) -> None:
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Refusal(403, "Forbidden: a page of another origin can't use the sandbox")


def _request(record: ReceivedRequest) -> Json:
    """A request without its key."""
    return {
        "number": record.number,
        "at": record.at,
        "method": record.method,
        "path": record.path,
        "route": record.route,
        "query": record.query_string,
        "body": record.body.decode("utf-8", "replace"),
        "keyRole": record.key_role,
        "status": record.status,
        "remaining": record.remaining,
        "resetsIn": record.resets_in,
    }


def _delivery(delivery: Delivery) -> Json:
    return {
        "webhookId": delivery.webhook_id,
        "url": delivery.url,
        "payload": delivery.payload,
        "status": delivery.status,
        "error": delivery.error,
        "at": delivery.at,
    }


@cache
def document() -> bytes:
    """The OpenAPI document: in a wheel beside this file, in a checkout where it is edited."""
    here = Path(__file__)
    places = (here.with_name("openapi.json"), here.parents[3] / "spec" / "openapi.json")
    found = next((place for place in places if place.is_file()), None)
    return encode(json.loads(found.read_text("utf-8")) if found else {"openapi": "3.0.3", "paths": {}})


@cache
def _documentation() -> bytes:
    """The operations, for people."""
    paths = json.loads(document())["paths"]
    rows = "".join(
        f"<tr><td>{escape(method.upper())}<td><code>{escape(path)}</code><td>{escape(operation.get('summary', ''))}"
        for path, item in paths.items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>Sessions API</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;margin:2rem}"
        "td{padding:.2rem .8rem .2rem 0;vertical-align:top}</style><h1>Sessions API</h1>"
        f"<p>A sandbox. The OpenAPI document is <a href=/api-docs-json>/api-docs-json</a>.</p><table>{rows}</table>"
    ).encode()


@cache
def _page() -> bytes:
    return Path(__file__).with_name("page.html").read_bytes()
