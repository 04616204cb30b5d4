"""Webhooks: made, delivered, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from support.scripted import unused_port

from sessions_us.sandbox import Sandbox

from .conftest import Clock, Receiver

pytestmark = pytest.mark.anyio
PLAN = {"name": "Kick-off", "startAt": "2026-03-04T10:00:00.000Z"}


async def subscribe(user: httpx.AsyncClient, url: str, *triggers: str) -> list[dict[str, Any]]:
    return [(await user.post("/api/webhooks", json={"url": url, "trigger": trigger})).json() for trigger in triggers]


async def test_a_webhook_is_made_and_deleted(user: httpx.AsyncClient) -> None:
    """201 with an id and what was sent; 204, then 404."""
    body = {
        "url": "https://example.org/hook",
        "trigger": "SESSION_CREATED",
        "permission": "organization",
        "linkPublicKey": True,
        "integration": "ACTIVE_PIECES",
    }
    answer = await user.post("/api/webhooks", json=body)
    assert (answer.status_code, answer.json()) == (201, {"id": answer.json()["id"], **body})
    assert (await user.delete(f"/api/webhooks/{answer.json()['id']}")).status_code == 204
    assert (await user.delete(f"/api/webhooks/{answer.json()['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "nowhere"}, "url"),
        ({"url": None}, "url"),
        ({"url": "http://localhost:80800/h"}, "url"),
        ({"url": "http://localhost:0/h"}, "url"),
        ({"url": "http://localhost:port/h"}, "url"),
        ({"url": "http://[::1/h"}, "url"),
        ({"trigger": "SESSION_EATEN"}, "trigger"),
        ({"permission": "all"}, "permission"),
        ({"linkPublicKey": "yes"}, "linkPublicKey"),
    ],
)
async def test_a_webhook_must_make_sense(user: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    """400 naming the field; the permission is personal unless told otherwise."""
    body = {"url": "https://example.org/hook", "trigger": "EVENT_PUBLISHED"}
    answer = await user.post("/api/webhooks", json={**body, **change})
    assert answer.status_code == 400
    assert [message.partition(" ")[0] for message in answer.json()["message"]] == [field]
    assert (await user.post("/api/webhooks", json=body)).json()["permission"] == "personal"


async def test_changes_are_delivered(user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]) -> None:
    """`{trigger, data}` by POST, in order; a change tells its own family and no other; no key goes along."""
    receiving, url = receiver
    triggers = (
        "SESSION_CREATED",
        "SESSION_UPDATED",
        "BOOKING_CREATED",
        "EVENT_CREATED",
        "EVENT_PUBLISHED",
        "EVENT_NEW_REGISTRATION",
    )
    await subscribe(user, url, *triggers)
    session = (await user.post("/api/sessions", json=PLAN)).json()
    await user.put(f"/api/sessions/{session['id']}", json={"name": "Start"})
    await user.post("/api/bookings", json={"bookingPageId": sandbox.team_page_id, "startAt": PLAN["startAt"]})
    event = (await user.post("/api/events", json=PLAN)).json()
    await user.post(f"/api/events/{event['id']}/publish")
    await user.post(f"/api/events/{event['id']}/publish")
    registered = (await user.post(f"/api/events/{event['id']}/register")).json()
    await sandbox.settle()
    assert [each["trigger"] for each in receiving.received] == list(triggers)
    told = [each["data"] for each in receiving.received]
    more = {"plannedEnd", "timeZone", "sessionLink"}
    assert told[0] == {"session": {name: value for name, value in session.items() if name not in more}}
    assert (told[1]["session"]["name"], told[1]["session"]["booking"], told[1]["session"]["event"]) == (
        "Start",
        None,
        None,
    )
    assert told[2]["session"]["booking"]["participantEmail"] == "grace@example.com"
    assert told[3]["session"]["event"] == {"id": event["id"], "slug": event["slug"]}
    assert told[5] == {"eventId": event["id"], "sessionId": event["session"]["id"], "registeredParticipant": registered}
    assert [each.status for each in sandbox.deliveries] == [200] * 6
    assert all(head.startswith("post /hook http/1.1") and "x-api-key" not in head for head in receiving.heads)


async def test_a_held_session_is_told(
    user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]
) -> None:
    """Starting and ending happen in the app; the sandbox does them on demand and tells of them and of the takeaways."""
    receiving, url = receiver
    await subscribe(user, url, "SESSION_STARTED", "SESSION_ENDED", "TAKEAWAY_READY")
    session = (await user.post("/api/sessions", json=PLAN)).json()
    sandbox.start_session(session["id"])
    live = (await user.get(f"/api/sessions/{session['id']}")).json()
    assert (live["actualStart"], live["endedAt"]) == ("2026-03-02T06:00:00.000Z", None)
    sandbox.end_session(session["id"], takeaways="Hello")
    await sandbox.settle()
    assert [each["trigger"] for each in receiving.received] == ["SESSION_STARTED", "SESSION_ENDED", "TAKEAWAY_READY"]
    notes = (await user.get(f"/api/sessions/{session['id']}/takeaways")).json()
    assert receiving.received[-1]["data"] == {"session": {"id": session["id"], **notes}}
    with pytest.raises(KeyError):
        sandbox.start_session("none")


async def test_a_deleted_webhook_is_silent(
    user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]
) -> None:
    """Nothing is delivered after the deletion."""
    receiving, url = receiver
    (webhook,) = await subscribe(user, url, "SESSION_CREATED")
    await user.delete(f"/api/webhooks/{webhook['id']}")
    await user.post("/api/sessions", json=PLAN)
    await sandbox.settle()
    assert (receiving.received, sandbox.deliveries) == ([], [])


async def test_failed_deliveries_are_recorded_and_not_repeated(
    user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]
) -> None:
    """An error status, a closed port and a strange host each leave a record that says why; the API answers all the same."""
    receiving, url = receiver
    receiving.status = 500
    for each in (url, f"http://127.0.0.1:{unused_port()}/", "http://sessions.invalid/", "http://10.255.255.1/"):
        await subscribe(user, each, "SESSION_CREATED")
    assert (await user.post("/api/sessions", json=PLAN)).status_code == 201
    await sandbox.settle()
    failed, closed, unknown, private = sandbox.deliveries
    assert (failed.status, failed.error, len(receiving.received)) == (500, "the receiver answered 500", 1)
    assert closed.status is None
    assert (closed.error or "").startswith("ConnectError")
    for stranger in (unknown, private):
        assert (stranger.status, stranger.error) == (
            None,
            "not delivered: the host is neither loopback nor in webhook_hosts",
        )


async def test_whatever_breaks_a_delivery_breaks_no_other(
    user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw is recorded as a failed delivery; the next webhook is delivered."""
    receiving, url = receiver
    await subscribe(user, url, "SESSION_CREATED", "SESSION_UPDATED")
    created = (await user.post("/api/sessions", json=PLAN)).json()["id"]
    await sandbox.settle()

    def broken(*_: object, **__: object) -> None:
        raise OverflowError("no such port")

    with monkeypatch.context() as patch:
        patch.setattr(httpx.AsyncClient, "stream", broken)
        sandbox.trigger("SESSION_CREATED", id=created)
        await asyncio.wait_for(sandbox.settle(), 10)
    sandbox.trigger("SESSION_UPDATED", id=created)
    await asyncio.wait_for(sandbox.settle(), 10)
    assert [each.error for each in sandbox.deliveries] == [None, "OverflowError: no such port", None]
    assert [each["trigger"] for each in receiving.received] == ["SESSION_CREATED", "SESSION_UPDATED"]


async def test_a_reset_forgets_deliveries(
    user: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]
) -> None:
    """Those that were made, those that wait, and the one that is in flight: the next test sees its own alone."""
    receiving, url = receiver
    receiving.may_answer.clear()
    await subscribe(user, url, "SESSION_CREATED")
    for _ in range(3):
        await user.post("/api/sessions", json=PLAN)
    while not receiving.received:
        await asyncio.sleep(0.005)
    sandbox.reset()
    await subscribe(user, url, "EVENT_CREATED")
    await user.post("/api/events", json=PLAN)
    receiving.may_answer.set()
    await sandbox.settle()
    assert [each.payload["trigger"] for each in sandbox.deliveries] == ["EVENT_CREATED"]
    assert [each["trigger"] for each in receiving.received] == ["SESSION_CREATED", "EVENT_CREATED"]


async def test_other_hosts_are_delivered_to_on_demand(clock: Clock) -> None:
    """A host in `webhook_hosts` is tried; a name under .invalid can't be found, and the record says so."""
    async with Sandbox(webhook_hosts=["sessions.invalid"], clock=clock) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            await subscribe(user, "http://sessions.invalid/", "SESSION_CREATED")
            await user.post("/api/sessions", json=PLAN)
            await sandbox.settle()
            assert (sandbox.deliveries[0].error or "").startswith("ConnectError")


async def test_what_too_many_deliveries_wait_for_is_dropped(anyio_backend: str) -> None:
    """And recorded as such; a sandbox that does not serve delivers nothing."""
    sandbox = Sandbox(empty=True)
    hook = {"url": "http://127.0.0.1:9/", "trigger": "SESSION_CREATED", "permission": "organization"}
    sandbox.load({"sessions": [{"name": "Kick-off"}], "webhooks": [hook] * 1002})
    sandbox.trigger("SESSION_CREATED")
    assert [each.error for each in sandbox.deliveries] == ["dropped: too many deliveries are waiting"] * 2
