"""What Sessions sends to a webhook's URL, as typed values: `parse_webhook(body)`.

The shapes come from samples that an integrator captured; Sessions documents the names of the triggers and no payload. So
reading is tolerant: whatever arrives is kept, and what is not as expected is told as a `SchemaDrift`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from attrs import field, frozen
from sessions_us_api.models import RegisteredParticipant, Session, Takeaways, Transcript, WebhookTrigger

from ._calls.decoding import Decoder, NotUnderstood
from ._calls.row_id import row_id
from .events import SchemaDrift

__all__ = (
    "MAX_BODY",
    "RegistrationData",
    "SessionData",
    "TakeawaysData",
    "TranscriptsData",
    "WebhookData",
    "WebhookDelivery",
    "parse_webhook",
)

T = TypeVar("T")

MAX_BODY: Final = 1024 * 1024
"""The longest body that is read, in bytes."""


@frozen(kw_only=True)
class SessionData:
    """The data of SESSION_*, BOOKING_* and EVENT_* (but EVENT_NEW_REGISTRATION).

    Attributes:
        session: with its participants; `session.booking` is there for BOOKING_*, `session.event` for EVENT_*.
        additional_properties: what came beside it, raw.
    """

    session: Session
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class RegistrationData:
    """The data of EVENT_NEW_REGISTRATION.

    Attributes:
        event_id: of the event.
        session_id: of the session that the event wraps.
        registered_participant: who registered, with the answers of the form; a last name was not seen.
        additional_properties: what else came, or was not understood, raw.
    """

    event_id: str | None
    session_id: str | None
    registered_participant: RegisteredParticipant | None
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class TakeawaysData:
    """The data of TAKEAWAY_READY.

    Attributes:
        session_id: of the session that ended.
        takeaways: as text, and as the rich-text document.
        additional_properties: what came beside the session, raw.
    """

    session_id: str
    takeaways: Takeaways
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class TranscriptsData:
    """The data of TRANSCRIPT_READY.

    Attributes:
        session_id: of the session that ended.
        transcripts: one for each utterance.
        additional_properties: what came beside the session and in it, or was not understood, raw.
    """

    session_id: str
    transcripts: list[Transcript]
    additional_properties: Mapping[str, Any]


WebhookData = SessionData | RegistrationData | TakeawaysData | TranscriptsData | Mapping[str, Any]
"""What a webhook tells. A mapping, raw, where the trigger is RECORDING_STATUS_CHANGED (nobody has seen its data) or not
known, and where the data is not what its trigger promises."""


@frozen(kw_only=True)
class WebhookDelivery:
    """A webhook that was received. (`sessions_us.Webhook` is another thing: the subscription that made Sessions send it.)

    Attributes:
        trigger: what happened: a `WebhookTrigger`, or the string of a trigger that is not known yet.
        data: what it happened to; see `WebhookData`.
        raw: the whole payload as it came.
        drifts: what is not as expected.
    """

    trigger: WebhookTrigger | str
    data: WebhookData
    raw: Mapping[str, Any] = field(repr=False)
    drifts: tuple[SchemaDrift, ...] = ()

    @property
    def object_id(self) -> str | None:
        """The id of what it is about: of the session, or of the participant who registered; None where there is none."""
        data = self.data
        match data:
            case SessionData():
                return data.session.id
            case RegistrationData():
                return None if data.registered_participant is None else data.registered_participant.id
            case TakeawaysData() | TranscriptsData():
                return data.session_id
        session = data.get("session")
        return row_id(session if isinstance(session, dict) else data)


def parse_webhook(body: bytes | str) -> WebhookDelivery:
    """Reads the body of a request that Sessions sent to a webhook's URL.

    Nothing in it proves who sent it: Sessions signs nothing. `sessions_us.fastapi.webhook_router` asks for a secret in the URL.

    Args:
        body: the JSON, at most 1 MiB.

    Returns:
        The webhook. Unknown triggers and fields are kept, and so is what could not be understood.

    Raises:
        ValueError: the body is too long, is no JSON, or has no trigger. The message does not quote it.
    """
    payload = _payload(body)
    trigger = payload.get("trigger")
    if not isinstance(trigger, str) or not trigger:
        raise ValueError("this is no webhook of Sessions: it has no trigger")
    told = payload.get("data")
    raw: dict[str, Any] = told if isinstance(told, dict) else {}
    reader = _Reader(trigger)
    if raw is not told:
        reader.note("data", "unexpected type")
    known = _trigger(trigger, reader)
    data: WebhookData = raw
    if isinstance(known, WebhookTrigger):
        try:
            data = _READ.get(known, _as_it_is)(raw, reader)
        except NotUnderstood as problem:
            reader.note("data", str(problem))
    return WebhookDelivery(trigger=known, data=data, raw=payload, drifts=tuple(reader.drifts))


def _payload(body: bytes | str) -> dict[str, Any]:
    if not isinstance(body, bytes | str):
        raise TypeError(f"a webhook's body is bytes or a string, not {type(body).__name__}")
    if len(body) > MAX_BODY or len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass")) > MAX_BODY:
        raise ValueError(f"this webhook is longer than {MAX_BODY} bytes")
    try:
        text = body.decode() if isinstance(body, bytes) else body
        payload = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, dict):
        return payload
    raise ValueError("this is no webhook of Sessions: it is no JSON object")


def _trigger(name: str, read: _Reader) -> WebhookTrigger | str:
    try:
        return WebhookTrigger(name)
    except ValueError:
        read.note("trigger", "unknown value")
        return name


class _Reader:
    """Reads parts of a payload, and keeps what surprised it, by its place in the payload."""

    def __init__(self, trigger: str) -> None:
        self._operation = trigger
        self.drifts: list[SchemaDrift] = []

    def __call__(self, value: object, shape: type[T], place: str) -> T:
        """The value as a shape. Raises: NotUnderstood."""
        decoder = Decoder(self._operation)
        try:
            return decoder(value, shape)
        finally:
            for drift in decoder.drifts:
                dot = "." if drift.field and not drift.field.startswith("[") else ""
                self.drifts.append(replace(drift, field=f"{place}{dot}{drift.field}"))

    def or_none(self, raw: dict[str, Any], name: str, shape: type[T]) -> T | None:
        """A field, which is taken out of `raw` if it is understood."""
        if raw.get(name) is None:
            return None
        try:
            result = self(raw[name], shape, f"data.{name}")
        except NotUnderstood as problem:
            self.note(f"data.{name}", str(problem))
            return None
        del raw[name]
        return result

    def note(self, place: str, problem: str) -> None:
        self.drifts.append(SchemaDrift(operation=self._operation, field=place, problem=problem))


def _session(raw: dict[str, Any], read: _Reader) -> SessionData:
    told, beside = _wrapped(raw, read)
    return SessionData(session=read(told, Session, "data.session"), additional_properties=beside)


def _registration(raw: dict[str, Any], read: _Reader) -> RegistrationData:
    rest = dict(raw)
    return RegistrationData(
        event_id=read.or_none(rest, "eventId", str),
        session_id=read.or_none(rest, "sessionId", str),
        registered_participant=read.or_none(rest, "registeredParticipant", RegisteredParticipant),
        additional_properties=rest,
    )


def _takeaways(raw: dict[str, Any], read: _Reader) -> TakeawaysData:
    told, beside = _wrapped(raw, read)
    session_id, rest = _identified(told)
    return TakeawaysData(
        session_id=session_id, takeaways=read(rest, Takeaways, "data.session"), additional_properties=beside
    )


def _transcripts(raw: dict[str, Any], read: _Reader) -> TranscriptsData:
    told, beside = _wrapped(raw, read)
    session_id, rest = _identified(told)
    spoken = rest.pop("transcripts", None) or []
    transcripts = read(spoken, list[Transcript], "data.session.transcripts")
    if len(transcripts) < len(spoken):
        rest["transcripts"] = spoken
    return TranscriptsData(session_id=session_id, transcripts=transcripts, additional_properties={**beside, **rest})


def _as_it_is(raw: dict[str, Any], read: _Reader) -> Mapping[str, Any]:
    return raw


def _wrapped(raw: dict[str, Any], read: _Reader) -> tuple[object, dict[str, Any]]:
    """The session, and what came beside it. Where nothing is wrapped around the session, the data is it."""
    if "session" in raw or "id" not in raw:
        return raw.get("session"), {name: value for name, value in raw.items() if name != "session"}
    read.note("data", "envelope")
    return raw, {}


def _identified(session: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(session, dict):
        raise NotUnderstood("unexpected type")
    rest = dict(session)
    session_id = rest.pop("id", None)
    if not isinstance(session_id, str) or not session_id:
        raise NotUnderstood("no id")
    return session_id, rest


_READ: Final[Mapping[WebhookTrigger, Callable[[dict[str, Any], _Reader], WebhookData]]] = {
    **dict.fromkeys(WebhookTrigger, _session),
    WebhookTrigger.EVENT_NEW_REGISTRATION: _registration,
    WebhookTrigger.TAKEAWAY_READY: _takeaways,
    WebhookTrigger.TRANSCRIPT_READY: _transcripts,
    WebhookTrigger.RECORDING_STATUS_CHANGED: _as_it_is,
}
