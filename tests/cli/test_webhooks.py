from __future__ import annotations

import json

import pytest
from support.command import at, run

from sessions_us.sandbox import Sandbox


@pytest.mark.sessions_sandbox(fields="all")
def test_a_webhook_is_added_and_removed(sessions_sandbox: Sandbox) -> None:
    """The id that `add` prints is the one that `remove` takes; then it is gone."""
    environ = at(sessions_sandbox)
    added = run(
        "webhooks", "add", "--url", "https://example.com/a", "--trigger", "session_ended", "--permission",
        "organization", **environ,
    )  # fmt: skip
    told = json.loads(added.stdout)
    removed = run("webhooks", "remove", told["id"], **environ)
    again = run("webhooks", "remove", told["id"], **environ)

    assert (added.returncode, added.stderr) == (0, "")
    assert told | {"url": "https://example.com/a", "trigger": "SESSION_ENDED", "permission": "organization"} == told
    assert json.loads(removed.stdout) == {"id": told["id"], "removed": True}
    assert (again.returncode, again.stdout) == (12, "")


@pytest.mark.sessions_sandbox(fields="all")
def test_people_are_told_to_keep_the_id(sessions_sandbox: Sandbox) -> None:
    """Because the API can't list webhooks."""
    done = run(
        "webhooks", "add", "--url", "https://example.com/a", "--trigger", "BOOKING_CREATED", "--table",
        **at(sessions_sandbox),
    )  # fmt: skip

    assert "BOOKING_CREATED" in done.stdout
    assert "Keep the id" in done.stdout
    assert sessions_sandbox.requests[0].json["permission"] == "personal"


def test_a_trigger_that_is_none(sessions_sandbox: Sandbox) -> None:
    """It is refused with those that there are, before anything is sent."""
    done = run("webhooks", "add", "--url", "https://example.com/a", "--trigger", "SESSION_OVER", **at(sessions_sandbox))

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "session_ended" in done.stderr
    assert sessions_sandbox.requests == []
