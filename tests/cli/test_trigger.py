from __future__ import annotations

import asyncio
import json

import pytest
from support.command import run
from support.scripted import Say, Scripted

from sessions_us.sandbox import Sandbox


@pytest.mark.anyio
async def test_a_webhook_is_delivered_on_demand(sessions_sandbox: Sandbox) -> None:
    """Without a key: what it says is printed as JSON, and where it went on stderr."""
    async with Scripted(Say()) as receiver:
        url = f"{receiver.url}/hooks"
        sessions_sandbox.load({"webhooks": [{"url": url, "trigger": "SESSION_ENDED"}]})
        sessions_sandbox.load({"sessions": [{"id": "kick-off", "name": "Kick-off"}, {"name": "A newer one"}]})
        command = "trigger", "session-ended", "--id", "kick-off"
        done = await asyncio.to_thread(run, *command, SESSIONS_BASE_URL=sessions_sandbox.url)

    told = json.loads(done.stdout)
    assert (told["trigger"], told["data"]["session"]["id"]) == ("SESSION_ENDED", "kick-off")
    assert [delivery.payload for delivery in sessions_sandbox.deliveries] == [told]
    assert (done.returncode, done.stderr) == (0, f"sessions-us: delivered to {url}\n")


def test_a_delivery_that_fails_is_told(sessions_sandbox: Sandbox) -> None:
    """With the URL and the reason, since the receiver is what one works on; and so is that nobody listens."""
    nobody = run("trigger", "TAKEAWAY_READY", SESSIONS_BASE_URL=sessions_sandbox.url)
    url = f"{sessions_sandbox.url}/_sandbox/nothing"
    sessions_sandbox.load({"webhooks": [{"url": url, "trigger": "TAKEAWAY_READY"}]})
    wrong = run("trigger", "TAKEAWAY_READY", SESSIONS_BASE_URL=sessions_sandbox.url)

    assert (nobody.returncode, wrong.returncode) == (0, 0)
    assert "start the sandbox with --deliver-to URL" in nobody.stderr
    assert wrong.stderr == f"sessions-us: {url}: the receiver answered 404\n"


@pytest.mark.parametrize(
    ("place", "status", "said"),
    [
        ("ftp://sandbox", 10, "SESSIONS_BASE_URL must look like https://"),
        (None, 10, "only a sandbox has triggers, and https://api.app.sessions.us is none: start one with"),
        ("{url}/api", 10, "only a sandbox has triggers, and {url}/api is none"),
        ("http://127.0.0.1:1", 1, "http://127.0.0.1:1 does not answer"),
        ("sandbox", 10, "SESSIONS_BASE_URL is no usable URL: it must look like https://"),
    ],
)
def test_only_a_sandbox_has_triggers(sessions_sandbox: Sandbox, place: str | None, status: int, said: str) -> None:
    """One line says so, and what to do; the real API is not asked."""
    url = sessions_sandbox.url
    done = run("trigger", "SESSION_ENDED", **({} if place is None else {"SESSIONS_BASE_URL": place.format(url=url)}))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1), done
    assert said.format(url=url) in done.stderr
    assert sessions_sandbox.deliveries == []


def test_what_can_not_be_triggered(sessions_sandbox: Sandbox) -> None:
    """An unknown name gets the nearest one; an object that is not there is named as such."""
    name = run("trigger", "SESSION_END", SESSIONS_BASE_URL=sessions_sandbox.url)
    gone = run("trigger", "SESSION_ENDED", "--id", "none", SESSIONS_BASE_URL=sessions_sandbox.url)

    assert (name.returncode, gone.returncode) == (2, 2)
    assert "Did you mean SESSION_ENDED?" in name.stderr
    assert "no such object" in gone.stderr
