"""Webhooks as they arrive: the captured samples typed, and whatever else kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from support.corpus import corpus

import sessions_us
from sessions_us import WebhookTrigger
from sessions_us.webhooks import (
    MAX_BODY,
    RegistrationData,
    SessionData,
    TakeawaysData,
    TranscriptsData,
    WebhookDelivery,
    parse_webhook,
)

SESSION: dict[str, Any] = {
    "id": "5645d810-4e29-4c2c-b9a5-84d71a6429dd",
    "name": "Talk",
    "description": None,
    "quickSession": False,
    "room": None,
    "createdAt": "2023-11-30T10:30:16.535Z",
    "startAt": "2023-11-30T10:31:00.000Z",
    "actualStart": None,
    "endedAt": None,
    "booking": {
        "id": "3df6dbdb-9a6c-41e6-89b2-d7a38233163e",
        "name": "Talk",
        "participantName": "Ada Lovelace",
        "participantEmail": "ada@example.com",
        "guests": [],
    },
    "event": None,
    "participants": [
        {
            "id": "2021014e-5e28-498f-9fe3-3428ce40c9c4",
            "isOwner": True,
            "guest": None,
            "user": {"id": "u1", "email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper"},
        },
        {
            "id": "d98f984f-6b7c-4a3e-9f0a-0a4d9b8e7c65",
            "isOwner": False,
            "guest": {"id": "g1", "email": "ada@example.com", "firstName": "Ada Lovelace", "lastName": None},
            "user": None,
        },
    ],
}
OTHERS = {
    WebhookTrigger.EVENT_NEW_REGISTRATION,
    WebhookTrigger.TAKEAWAY_READY,
    WebhookTrigger.TRANSCRIPT_READY,
    WebhookTrigger.RECORDING_STATUS_CHANGED,
}


def parsed(trigger: object, data: object, **beside: object) -> WebhookDelivery:
    return parse_webhook(json.dumps({"trigger": trigger, "data": data, **beside}))


def surprises(webhook: WebhookDelivery) -> dict[str, str]:
    return {drift.field: drift.problem for drift in webhook.drifts}


@pytest.mark.parametrize("trigger", sorted(set(WebhookTrigger) - OTHERS))
def test_most_triggers_tell_of_a_session(trigger: WebhookTrigger) -> None:
    """Thirteen of the seventeen: the session with its participants and its booking, in UTC, without a surprise."""
    webhook = parsed(trigger, {"session": SESSION})

    assert webhook.trigger is trigger
    assert isinstance(webhook.data, SessionData)
    session = webhook.data.session
    assert isinstance(session, sessions_us.Session)
    assert session.start_at == datetime(2023, 11, 30, 10, 31, tzinfo=UTC)
    assert session.booking is not None
    assert session.booking.participant_email == "ada@example.com"
    assert session.participants is not None
    assert [each.is_owner for each in session.participants] == [True, False]
    assert (webhook.object_id, webhook.drifts) == (SESSION["id"], ())
    assert webhook.raw == {"trigger": trigger, "data": {"session": SESSION}}


def test_a_registration_has_no_session_around_it() -> None:
    """EVENT_NEW_REGISTRATION: ids, and who registered with the answers of the form."""
    person = {
        "id": "p1",
        "email": "ada@example.com",
        "firstName": "Ada",
        "form": [{"question": "Name", "answer": "Ada"}, {"question": "Email", "answer": "ada@example.com"}],
    }
    webhook = parsed(
        "EVENT_NEW_REGISTRATION", {"eventId": "e1", "sessionId": "s1", "registeredParticipant": person, "seat": 4}
    )

    assert isinstance(webhook.data, RegistrationData)
    assert (webhook.data.event_id, webhook.data.session_id) == ("e1", "s1")
    registered = webhook.data.registered_participant
    assert registered is not None
    assert registered.form is not None
    assert [each.question for each in registered.form] == ["Name", "Email"]
    assert (webhook.object_id, webhook.data.additional_properties) == ("p1", {"seat": 4})


def test_takeaways() -> None:
    """TAKEAWAY_READY: the session's id, the text, and the rich text, which may come as a string."""
    raw = {"type": "doc", "content": []}
    for came in (raw, json.dumps(raw)):
        webhook = parsed(
            "TAKEAWAY_READY", {"session": {"id": "s1", "takeawaysText": "Hello", "takeawaysRaw": came}, "x": 1}
        )

        assert isinstance(webhook.data, TakeawaysData)
        assert (webhook.data.session_id, webhook.object_id) == ("s1", "s1")
        assert webhook.data.takeaways.takeaways_text == "Hello"
        assert webhook.data.takeaways.takeaways_raw is not None
        assert webhook.data.takeaways.takeaways_raw.to_dict() == raw
        assert webhook.data.additional_properties == {"x": 1}


def test_transcripts() -> None:
    """TRANSCRIPT_READY: one utterance after the other; one that can't be read costs none of the others, and is kept."""
    said = {
        "participantId": "p1",
        "sourceTimestamp": "2023-11-30T10:50:26.363Z",
        "sourceLanguage": "en",
        "content": [{"text": "Hello, my name is...", "language": "en"}],
    }
    webhook = parsed("TRANSCRIPT_READY", {"session": {"id": "s1", "transcripts": [said, "noise", said]}})

    assert isinstance(webhook.data, TranscriptsData)
    assert webhook.data.session_id == "s1"
    assert [each.content[0].text for each in webhook.data.transcripts if each.content] == ["Hello, my name is..."] * 2
    assert webhook.data.additional_properties == {"transcripts": [said, "noise", said]}
    assert surprises(webhook) == {"data.session.transcripts[]": "unexpected type"}


@pytest.mark.parametrize(
    ("data", "object_id"),
    [
        ({"session": {"id": "s1"}, "url": "https://…"}, "s1"),
        ({"id": "r1"}, "r1"),
        ({"status": "ready"}, None),
        ({}, None),
    ],
)
def test_recordings_are_taken_as_they_are(data: dict[str, Any], object_id: str | None) -> None:
    """Nobody has seen what RECORDING_STATUS_CHANGED holds, so it is a mapping and no surprise."""
    webhook = parsed("RECORDING_STATUS_CHANGED", data)

    assert webhook.trigger is WebhookTrigger.RECORDING_STATUS_CHANGED
    assert (webhook.data, webhook.object_id, webhook.drifts) == (data, object_id, ())


def test_an_unknown_trigger_is_kept() -> None:
    """Its name as a string, its data as it came."""
    webhook = parsed("BOOKING_CANCELLED", {"session": SESSION}, sentAt="now")

    assert (webhook.trigger, webhook.data) == ("BOOKING_CANCELLED", {"session": SESSION})
    assert (webhook.raw["sentAt"], webhook.object_id) == ("now", SESSION["id"])
    assert surprises(webhook) == {"trigger": "unknown value"}


def test_unknown_fields_are_kept_where_they_are() -> None:
    """In a session, in its participants, and beside the session."""
    person = {**SESSION["participants"][0], "role": "host"}
    webhook = parsed("SESSION_STARTED", {"session": {**SESSION, "mood": 1, "participants": [person]}, "shard": 7})

    assert isinstance(webhook.data, SessionData)
    assert webhook.data.session.additional_properties == {"mood": 1}
    assert webhook.data.session.participants is not None
    assert webhook.data.session.participants[0].additional_properties == {"role": "host"}
    assert webhook.data.additional_properties == {"shard": 7}
    assert surprises(webhook) == {
        "data.session.mood": "unknown field",
        "data.session.participants[].role": "unknown field",
    }


@pytest.mark.parametrize("trigger", sorted(WebhookTrigger))
@pytest.mark.parametrize(
    "data",
    [None, 7, "x", [], [1], {}, {"session": None}, {"session": []}, {"session": {}}, {"session": {"id": None}}],
    ids=repr,
)
def test_data_that_is_not_as_promised_is_kept(trigger: WebhookTrigger, data: object) -> None:
    """It is a raw mapping then, or a registration without a participant; the payload is whole, and the surprise is told."""
    webhook = parsed(trigger, data)

    assert webhook.trigger is trigger
    assert webhook.raw["data"] == data
    assert webhook.object_id is None
    if trigger is WebhookTrigger.EVENT_NEW_REGISTRATION:
        assert isinstance(webhook.data, RegistrationData)
    else:
        assert webhook.data == (data if isinstance(data, dict) else {})
        assert bool(webhook.drifts) == (trigger != "RECORDING_STATUS_CHANGED" or not isinstance(data, dict))


def test_a_bare_session_is_understood() -> None:
    """The wrapper is the least certain part of what is known."""
    webhook = parsed("SESSION_ENDED", SESSION)

    assert isinstance(webhook.data, SessionData)
    assert (webhook.data.session.name, surprises(webhook)) == ("Talk", {"data": "envelope"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON object"),
        (b"\xff\xfe{}", "no JSON object"),
        ("{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'"SESSION_CREATED"', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 100_000, "no JSON object"),
        (b'{"trigger": ' + b"9" * 5000 + b"}", "no trigger"),
        (b"{}", "no trigger"),
        (b'{"trigger": null}', "no trigger"),
        (b'{"trigger": ""}', "no trigger"),
        (b'{"trigger": ["SESSION_CREATED"]}', "no trigger"),
        (b'{"data": {"session": {"id": "s1"}}}', "no trigger"),
        (b" " * (MAX_BODY + 1), "longer than 1048576 bytes"),
        ("é" * (MAX_BODY // 2 + 1), "longer than 1048576 bytes"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_webhook_is_one_clear_error(body: bytes | str, why: str) -> None:
    """A ValueError that says why and quotes nothing."""
    with pytest.raises(ValueError, match=why) as caught:
        parse_webhook(body)

    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 80


def test_a_body_is_text_or_bytes() -> None:
    """A parsed object is refused with its type."""
    with pytest.raises(TypeError, match="bytes or a string, not dict"):
        parse_webhook({"trigger": "SESSION_CREATED"})  # type: ignore[arg-type]


def test_the_longest_body_is_read() -> None:
    """1 MiB exactly."""
    body = json.dumps({"trigger": "X", "data": {"pad": ""}})
    body = body.replace('""', '"' + "x" * (MAX_BODY - len(body)) + '"')

    assert parse_webhook(body.encode()).trigger == "X"
    with pytest.raises(ValueError, match="longer"):
        parse_webhook(body.encode() + b" ")


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """Neither in bytes nor in text."""
    body = json.dumps({"trigger": "X"})

    assert parse_webhook(b"\xef\xbb\xbf" + body.encode()).trigger == "X"
    assert parse_webhook("\ufeff" + body).trigger == "X"


def test_the_last_of_two_names_counts() -> None:
    """As everywhere in JSON for Python."""
    assert parse_webhook('{"trigger": "A", "trigger": "B"}').trigger == "B"


def test_a_webhook_prints_no_payload_twice() -> None:
    """`raw` is left out of the repr."""
    assert repr(parsed("X", {"secret": 1})).count("secret") == 1


@pytest.mark.parametrize("body", corpus("webhooks"))
def test_what_was_found_before(body: str) -> None:
    """The corpus is tried for ever: a webhook that can be asked, or a ValueError."""
    try:
        webhook = parse_webhook(body)
    except ValueError:
        return
    assert isinstance(webhook.trigger, str)
    assert webhook.object_id is None or webhook.object_id
