"""Webhooks received: from the sandbox over real sockets, from strangers, twice, too long, and with handlers that fail."""

from __future__ import annotations

import asyncio
import enum
import json
import logging
import secrets as tokens
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.serving import Visitor, eventually, serving

from sessions_us import ConfigurationError, UserClient, WebhookTrigger
from sessions_us.fastapi import sessions_lifespan, webhook_router
from sessions_us.fastapi.duplicates import Duplicates
from sessions_us.sandbox import Sandbox
from sessions_us.webhooks import (
    MAX_BODY,
    RegistrationData,
    SessionData,
    TakeawaysData,
    TranscriptsData,
    WebhookDelivery,
    parse_webhook,
)

pytestmark = pytest.mark.anyio

SECRET = "a-fixed-one-so-that-test-ids-are-the-same-43"
DAY = datetime(2030, 5, 6, 8, tzinfo=UTC)


class Heard:
    """A handler that keeps what it is given, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.webhooks: list[WebhookDelivery] = []
        self.tries = 0
        self.failures = failures

    async def __call__(self, webhook: WebhookDelivery) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise RuntimeError(f"canary {webhook.raw}")
        self.webhooks.append(webhook)

    @property
    def triggers(self) -> list[str]:
        return [str(webhook.trigger) for webhook in self.webhooks]


def application(on: Any, *, secret: Any = SECRET, **options: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(webhook_router("/hooks/sessions", secret=secret, on=on, **options))
    return app


@asynccontextmanager
async def receiving(on: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(application(on, **options)) as url, httpx.AsyncClient(base_url=url, timeout=30) as sender:
        yield sender


def body(trigger: str = "SESSION_CREATED", **session: Any) -> dict[str, Any]:
    return {"trigger": trigger, "data": {"session": {"id": "s1", **session}}}


async def test_every_trigger_that_the_sandbox_sends_is_understood() -> None:
    """Subscribed to all 17, a life of sessions, bookings and events: each is delivered once, typed and without a surprise."""
    heard = Heard()
    async with Sandbox(limit=1000) as sandbox, receiving({"*": heard}) as sender:
        async with UserClient(sandbox.user_key, base_url=sandbox.url) as user:
            for trigger in WebhookTrigger:
                await user.webhooks.create(url=f"{sender.base_url}/hooks/sessions/{SECRET}", trigger=trigger)
            when: Any = {"start_at": DAY, "planned_end": DAY + timedelta(hours=1), "time_zone": "UTC"}
            session = await user.sessions.create(name="Kick-off", **when)
            await user.sessions.update(session.id, name="Start")
            booking = await user.bookings.create(
                booking_page_id=sandbox.team_page_id,
                start_at=DAY,
                participant_name="Ada",
                participant_email="a@example.com",
            )
            assert booking is not None
            await user.bookings.update(booking.id, start_at=DAY + timedelta(days=1))
            event = await user.events.create(name="Launch", **when)
            await user.events.publish(event.id)
            await user.events.register(event.id)
            assert event.session is not None
            await user.sessions.update(event.session.id or "", name="Big launch")
            for each in (session.id, booking.session_id or "", event.session.id or ""):
                sandbox.start_session(each)
                sandbox.end_session(each, takeaways="Hello")
            await sandbox.settle()
        assert [(each.status, each.error) for each in sandbox.deliveries] == [(202, None)] * len(sandbox.deliveries)
        await eventually(lambda: len(heard.webhooks) == len(sandbox.deliveries))

    assert set(heard.triggers) == set(WebhookTrigger)
    assert [webhook for webhook in heard.webhooks if webhook.drifts] == []
    kinds = {str(webhook.trigger): type(webhook.data) for webhook in heard.webhooks}
    assert kinds.pop("EVENT_NEW_REGISTRATION") is RegistrationData
    assert kinds.pop("TAKEAWAY_READY") is TakeawaysData
    assert kinds.pop("TRANSCRIPT_READY") is TranscriptsData
    assert kinds.pop("RECORDING_STATUS_CHANGED") is dict
    assert set(kinds.values()) == {SessionData}
    assert {webhook.object_id for webhook in heard.webhooks} >= {session.id, booking.session_id, event.session.id}


async def test_handlers_get_what_they_ask_for() -> None:
    """By trigger, several for one, and `*` for all, unknown ones included; a plain function runs in a thread."""
    created, all_of_them, plain = Heard(), Heard(), []
    on = {WebhookTrigger.SESSION_CREATED: [created, plain.append], "*": all_of_them}
    async with receiving(on) as sender:
        for trigger in ("SESSION_CREATED", "SESSION_ENDED", "SESSION_EATEN"):
            answer = await sender.post(f"/hooks/sessions/{SECRET}", json=body(trigger))
            assert (answer.status_code, answer.content) == (202, b"")
        await eventually(lambda: len(all_of_them.webhooks) == 3 and created.webhooks and plain)

    assert created.triggers == [webhook.trigger for webhook in plain] == ["SESSION_CREATED"]
    assert sorted(all_of_them.triggers) == ["SESSION_CREATED", "SESSION_EATEN", "SESSION_ENDED"]


class Wanted(str, enum.Enum):  # noqa: UP042  # a StrEnum has another `str()`
    """What many programs have."""

    ENDED = "SESSION_ENDED"


async def test_a_trigger_may_be_a_member_of_an_enum() -> None:
    """Of one's own, whose `str()` is its name."""
    ended = Heard()
    async with receiving({Wanted.ENDED: ended}, ack="after") as sender:
        answer = await sender.post(f"/hooks/sessions/{SECRET}", json=body("SESSION_ENDED"))

    assert (answer.status_code, ended.triggers) == (200, ["SESSION_ENDED"])


async def test_the_answer_does_not_wait_for_the_handlers() -> None:
    """202 while a handler still works; the application ends when it is done."""
    gate, done = asyncio.Event(), []

    async def slow(webhook: WebhookDelivery) -> None:
        await gate.wait()
        done.append(webhook)

    async with receiving({"*": slow}) as sender:
        assert (await sender.post(f"/hooks/sessions/{SECRET}", json=body())).status_code == 202
        assert not done
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert len(done) == 1


@pytest.mark.parametrize(
    "wrong", ["x" * len(SECRET), SECRET[:-1], SECRET + "x", SECRET.upper(), "%00", "%ff", "é" * 20, "%F0%9F%94%91"]
)
async def test_without_the_secret_there_is_nothing_here(wrong: str) -> None:
    """404 as for any other path, whatever the method or the body, and nothing is handled."""
    heard = Heard()
    async with receiving({"*": heard}) as sender:
        nowhere = await sender.post(f"/hooks/other/{wrong}", json=body())
        for method in ("POST", "GET", "PUT", "DELETE", "HEAD", "TRACE", "PROPFIND"):
            answer = await sender.request(method, f"/hooks/sessions/{wrong}", json=body())
            assert (answer.status_code, answer.text) == (404, "" if method == "HEAD" else nowhere.text)
        assert (await sender.post("/hooks/sessions", json=body())).status_code == 404
        assert (await sender.get(f"/hooks/sessions/{SECRET}")).status_code == 405
    assert heard.tries == 0


async def test_a_slash_at_the_end_does_no_harm() -> None:
    """Whoever subscribed such a URL gets the webhooks."""
    heard = Heard()
    async with receiving({"*": heard}) as sender:
        assert (await sender.post(f"/hooks/sessions/{SECRET}/", json=body())).status_code == 202
        assert (await sender.get(f"/hooks/sessions/{SECRET}/")).status_code == 405
        await eventually(lambda: heard.tries == 1)


async def test_a_secret_can_be_changed_without_a_gap() -> None:
    """While both are given, both are good."""
    old, new = tokens.token_urlsafe(32), tokens.token_urlsafe(32)
    async with receiving({"*": Heard()}, secret=[old, new]) as sender:
        answers = [
            await sender.post(f"/hooks/sessions/{secret}", json=body(name=secret)) for secret in (old, new, SECRET)
        ]
    assert [answer.status_code for answer in answers] == [202, 202, 404]


@pytest.mark.parametrize("path", [f"/hooks/sessions/{SECRET}{tail}" for tail in ("", "?a=b", "x", "/", "x/?a=b")])
async def test_the_secret_is_in_no_log(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in uvicorn's access log either, which has a line for each request; nor is one that is nearly right."""
    with caplog.at_level(logging.INFO):
        async with receiving({"*": Heard(failures=9)}, pauses=[0.0]) as sender:
            logging.getLogger(httpx.__name__).disabled = True
            try:
                for method in ("POST", "GET", "TRACE", "PROPFIND"):
                    await sender.request(method, path, json=body())
            finally:
                logging.getLogger(httpx.__name__).disabled = False

    lines = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert len(lines) == 4
    assert all("/hooks/sessions/%2A%2A%2A" in line or "/hooks/sessions/***" in line for line in lines)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("headers", "content", "seen"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=b", 415),
        ({}, b'{"trigger": "X"}', 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"{}", 415),
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b"", 400),
        ({"content-type": "application/json"}, b"[]", 400),
        ({"content-type": "application/json"}, b"{}", 400),
        ({"content-type": "application/json"}, b"[" * 100_000, 400),
        ({"content-type": "application/json"}, b" " * (MAX_BODY + 1), 413),
        ({"content-type": "Application/JSON; charset=utf-8"}, b'{"trigger": "X"}', 202),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_what_is_no_webhook_is_refused(headers: dict[str, str], content: bytes, seen: int) -> None:
    """415, 400 or 413 as a problem, and the next one is taken as ever."""
    heard = Heard()
    async with receiving({"*": heard}) as sender:
        answer = await sender.post(f"/hooks/sessions/{SECRET}", content=content, headers=headers)
        assert answer.status_code == seen
        assert seen == 202 or answer.json()["status"] == seen
        assert (await sender.post(f"/hooks/sessions/{SECRET}", json=body())).status_code == 202
        await eventually(lambda: "SESSION_CREATED" in heard.triggers)


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    """413 as soon as it is longer than 1 MiB, though the sender has only begun."""
    async with receiving({"*": Heard()}) as sender:
        visitor = await Visitor(str(sender.base_url)).asks(
            f"/hooks/sessions/{SECRET}", method="POST", body=b" " * (MAX_BODY + 70_000), length=10**12
        )
        assert (await visitor.hears())[0] == 413
        await visitor.leaves()


async def test_a_sender_that_hangs_up_leaves_nothing() -> None:
    """Half a webhook is none, and no error in the log of the server."""
    heard = Heard()
    async with receiving({"*": heard}) as sender:
        visitor = await Visitor(str(sender.base_url)).asks(
            f"/hooks/sessions/{SECRET}", method="POST", body=b'{"trigger":', length=100
        )
        await visitor.leaves()
        await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: heard.webhooks)
    assert heard.triggers == ["SESSION_CREATED"]


async def test_repetitions_are_dropped() -> None:
    """The same bytes twice are one; another session, another trigger or another state are not, and neither is a state that
    comes back."""
    heard = Heard()
    async with receiving({"*": heard}) as sender:
        for each in (
            body(name="a"),
            body(name="a"),
            body(name="b"),
            body(name="a"),
            body("SESSION_UPDATED", name="a"),
            {"trigger": "X", "data": {"n": 1}},
            {"trigger": "X", "data": {"n": 2}},
            {"trigger": "X", "data": {"n": 1}},
        ):
            assert (await sender.post(f"/hooks/sessions/{SECRET}", json=each)).status_code == 202
        await eventually(lambda: len(heard.webhooks) >= 6)
    assert len(heard.webhooks) == 6


def test_what_is_remembered_is_bounded() -> None:
    """In time and in number."""

    def arrives(name: str, now: float) -> bool:
        content = json.dumps(body(id=name)).encode()
        return seen.is_new(parse_webhook(content), content, now)

    seen = Duplicates(window=10, most=3)
    assert [arrives("a", 0), arrives("a", 9.9), arrives("a", 10), arrives("a", 19)] == [True, False, True, False]
    assert [arrives(name, 19) for name in "bcd"] == [True] * 3
    assert [arrives(name, 19) for name in "dcba"] == [False, False, False, True]
    assert len(seen) == 3


async def test_a_handler_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """It fails twice, then it works; each failure is logged by its kind and place, and never says what was in the webhook. The
    other handler is not disturbed."""
    failing, working = Heard(failures=2), Heard()
    async with receiving({"*": [failing, working]}, pauses=[0.01, 0.02, 0.03]) as sender:
        await sender.post(f"/hooks/sessions/{SECRET}", json=body(name="canary"))
        await eventually(lambda: failing.webhooks)

    assert (failing.tries, working.tries) == (3, 1)
    records = [record for record in caplog.records if record.name == "sessions_us"]
    assert [record.levelname for record in records] == ["WARNING"] * 2
    assert "Heard failed on a webhook 'SESSION_CREATED' (1 of 4): RuntimeError" in records[0].getMessage()
    assert "in __call__" in records[0].getMessage()
    assert "canary " not in caplog.text.replace('f"canary {', "")
    assert "'name'" not in caplog.text


async def test_what_a_handler_waited_for_may_be_cancelled() -> None:
    """That is a failure like any other: the handler is tried again, and nothing is lost in silence."""
    tries = 0

    async def handler(webhook: WebhookDelivery) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    async with receiving({"*": handler}, pauses=[0.0]) as sender:
        answer = await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: tries >= 2)

    assert (answer.status_code, tries) == (202, 2)


async def test_a_handler_that_always_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """After the last pause an error is logged; the same webhook is welcome again then."""
    failing = Heard(failures=3)
    async with receiving({"*": failing}, pauses=[0.01]) as sender:
        await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: [each for each in caplog.records if each.levelname == "ERROR"])
        assert failing.tries == 2
        await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: failing.webhooks)
    assert failing.tries == 4


async def test_a_pause_ends_with_the_application() -> None:
    """A handler that waits for its next try gets it at once, and no more after it."""
    failing = Heard(failures=9)
    began = time.monotonic()
    async with receiving({"*": failing}, pauses=[3600.0, 3600.0], drain=3600.0) as sender:
        await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: failing.tries == 1)
    assert failing.tries == 2
    assert time.monotonic() - began < 600


async def test_a_handler_that_never_ends_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    """After `drain` seconds, with a line in the log."""
    told: list[str] = []

    async def endless(webhook: WebhookDelivery) -> None:
        told.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            told.append("stopped")

    async with receiving({"*": endless}, drain=0.05) as sender:
        await sender.post(f"/hooks/sessions/{SECRET}", json=body())
        await eventually(lambda: told)
    assert told == ["began", "stopped"]
    assert "1 handlers of webhooks had to be stopped after 0.05 s" in caplog.text


async def test_more_than_can_be_handled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After while too many handlers are at work, and what was refused may come again."""
    monkeypatch.setattr("sessions_us.fastapi.handling.MOST_IN_FLIGHT", 1)
    gate, done = asyncio.Event(), []

    async def slow(webhook: WebhookDelivery) -> None:
        await gate.wait()
        done.append(webhook.object_id)

    async with receiving({"*": slow}) as sender:
        answers = [await sender.post(f"/hooks/sessions/{SECRET}", json=body(id=name)) for name in "ab"]
        gate.set()
        await eventually(lambda: done == ["a"])
        again = await sender.post(f"/hooks/sessions/{SECRET}", json=body(id="b"))
    assert [answer.status_code for answer in (*answers, again)] == [202, 503, 202]
    assert answers[1].headers["retry-after"] == "60"
    assert done == ["a", "b"]


def test_it_starts_again_with_its_application() -> None:
    """Each start has an event loop of its own; beside the clients' lifespan, and twice."""
    plain: list[WebhookDelivery] = []
    app = FastAPI(lifespan=sessions_lifespan(user_key="k", guest=False, base_url="http://localhost:1"))
    app.include_router(webhook_router("/hooks", secret=SECRET, on={"*": plain.append}))
    for number in range(2):
        with TestClient(app) as sender:
            assert sender.post(f"/hooks/{SECRET}", json=body(name=str(number))).status_code == 202
        assert len(plain) == number + 1


def test_it_works_without_a_lifespan_after_one_has_ended() -> None:
    """As before the first one: what is told to be accepted is handled, after the answer and with retries."""
    heard = Heard()
    app = application({"*": heard}, pauses=[0.001])
    with TestClient(app) as sender:
        sender.post(f"/hooks/sessions/{SECRET}", json=body(name="0"))
    for number in (1, 2):
        heard.tries, heard.failures = 0, 1
        assert TestClient(app).post(f"/hooks/sessions/{SECRET}", json=body(name=str(number))).status_code == 202
        assert len(heard.webhooks) == number + 1


def test_it_is_no_part_of_the_public_document() -> None:
    """The path with its secret is nobody else's to know."""
    assert application({"*": print}).openapi()["paths"] == {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"secret": ""}, "at least 16"),
        ({"secret": "short-canary"}, "at least 16"),
        ({"secret": [SECRET, "short-canary"]}, "at least 16"),
        ({"secret": "canary/with/slashes/"}, "part of a URL"),
        ({"secret": "canary with some spaces"}, "part of a URL"),
        ({"secret": []}, "needs a secret"),
        ({"secret": None}, "needs a secret"),
        ({"secret": 10**20}, "needs a secret"),
        ({"on": {}}, "needs a handler"),
        ({"on": {"*": None}}, "takes a WebhookDelivery"),
        ({"on": {"*": []}}, "takes a WebhookDelivery"),
        ({"path": "hooks"}, "is a path"),
        ({"path": "/{hooks}"}, "is a path"),
    ],
    ids=repr,
)
def test_what_can_not_be_meant_is_refused(change: dict[str, Any], why: str) -> None:
    """A ConfigurationError where the router is made, which does not show the secret."""
    arguments: dict[str, Any] = {"path": "/hooks", "secret": SECRET, "on": {"*": print}, **change}
    with pytest.raises(ConfigurationError, match=why) as caught:
        webhook_router(arguments.pop("path"), **arguments)
    assert "canary" not in str(caught.value)


def test_a_trigger_that_is_not_known_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It may be new, and it may be misspelt."""
    application({"SESION_CREATED": print, "SESSION_CREATED": print})
    assert [record.getMessage() for record in caplog.records] == [
        "webhook_router: 'SESION_CREATED' is no trigger that is known; it may be misspelt"
    ]
