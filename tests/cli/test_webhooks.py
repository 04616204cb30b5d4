from __future__ import annotations

import json

import pytest
from support.command import Terminal, at, run

from sessions_us.sandbox import Sandbox


def test_a_webhook_is_added_and_removed(sessions_sandbox: Sandbox) -> None:
    """In a pipe the id stands alone on stdout, and stderr says what it is; `remove` takes it, and then it is gone."""
    environ = at(sessions_sandbox)
    added = run(
        "webhooks", "add", "--url", "https://example.com/a", "--trigger", "session_ended", "--permission",
        "organization", **environ,
    )  # fmt: skip
    name = added.stdout.removesuffix("\n")
    (webhook,) = sessions_sandbox.data["webhooks"]
    removed = run("webhooks", "remove", name, **environ)
    again = run("webhooks", "remove", name, **environ)

    assert (webhook["id"], webhook["trigger"], webhook["permission"]) == (name, "SESSION_ENDED", "organization")
    assert added.returncode == 0
    assert "SESSION_ENDED of all objects of the workspace goes to https://example.com/a. Keep the id" in added.stderr
    assert json.loads(removed.stdout) == {"id": name, "removed": True}
    assert (again.returncode, again.stdout) == (12, "")


def test_a_webhook_is_removed_on_a_terminal(sessions_sandbox: Sandbox) -> None:
    """In words."""
    hook = {"url": "https://example.com/a", "trigger": "BOOKING_CREATED"}
    (name,) = sessions_sandbox.load({"webhooks": [hook]})["webhooks"]
    with Terminal("webhooks", "remove", name, **at(sessions_sandbox)) as terminal:
        shown = terminal.read()

    assert f"Removed {name}." in shown
    assert sessions_sandbox.data["webhooks"] == []


@pytest.mark.sessions_sandbox(fields="all")
def test_a_webhook_can_be_had_as_json(sessions_sandbox: Sandbox) -> None:
    """As the server sent it; personal unless told otherwise."""
    done = run(
        "webhooks", "add", "--url", "https://example.com/a", "--trigger", "BOOKING_CREATED", "--json",
        **at(sessions_sandbox),
    )  # fmt: skip
    told = json.loads(done.stdout)

    assert told | {"url": "https://example.com/a", "trigger": "BOOKING_CREATED", "permission": "personal"} == told


def test_a_trigger_that_is_none(sessions_sandbox: Sandbox) -> None:
    """It is refused with those that there are, before anything is sent."""
    done = run("webhooks", "add", "--url", "https://example.com/a", "--trigger", "SESSION_OVER", **at(sessions_sandbox))

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "SESSION_ENDED" in done.stderr
    assert "Did you mean" in done.stderr
    assert sessions_sandbox.requests == []
