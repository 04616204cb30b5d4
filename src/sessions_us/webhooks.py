"""Parse the deliveries that Sessions sends to a webhook's URL: `parse_webhook(body)`.

Sessions documents the names of the triggers, but no payload. The shapes come from samples that an integrator captured. So
parsing is tolerant: all that arrives is kept, and everything unexpected is a `SchemaDrift`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from attrs import field, frozen
from sessions_us_api.models import RegisteredParticipant, Session, Takeaways, Transcript, WebhookTrigger

from ._calls.decoding import Decoder, NotUnderstood
from ._calls.row_id import row_id
from ._send.body import parsed
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
"""The maximum length of a body, in bytes."""


@frozen(kw_only=True)
class SessionData:
    """The data of SESSION_*, BOOKING_* and EVENT_* (but EVENT_NEW_REGISTRATION).

    Attributes:
        session: the session with its participants, for BOOKING_* with `session.booking`, for EVENT_* with `session.event`.
        additional_properties: the fields beside the session, raw.
    """

    session: Session
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class RegistrationData:
    """The data of EVENT_NEW_REGISTRATION.

    Attributes:
        event_id: id of the event.
        session_id: id of the event's session.
        registered_participant: the participant, with the answers of the form. No sample has a last name.
        additional_properties: other fields, and fields that were not understood, raw.
    """

    event_id: str | None
    session_id: str | None
    registered_participant: RegisteredParticipant | None
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class TakeawaysData:
    """The data of TAKEAWAY_READY.

    Attributes:
        session_id: id of the session, which has ended.
        takeaways: the takeaways, as text and as a rich-text document.
        additional_properties: the fields beside the session, raw.
    """

    session_id: str
    takeaways: Takeaways
    additional_properties: Mapping[str, Any]


@frozen(kw_only=True)
class TranscriptsData:
    """The data of TRANSCRIPT_READY.

    Attributes:
        session_id: id of the session, which has ended.
        transcripts: one for each utterance.
        additional_properties: the other fields of the session and beside it, and what was not understood, raw.
    """

    session_id: str
    transcripts: list[Transcript]
    additional_properties: Mapping[str, Any]


WebhookData = SessionData | RegistrationData | TakeawaysData | TranscriptsData | Mapping[str, Any]
"""The data of a delivery. It is a raw mapping for RECORDING_STATUS_CHANGED (no sample exists), for an unknown trigger, and if
the data does not fit the trigger."""


@frozen(kw_only=True)
class WebhookDelivery:
    """A delivery of a webhook. (`sessions_us.Webhook` is the subscription.)

    Attributes:
        trigger: a `WebhookTrigger`, or the string of an unknown trigger.
        data: the data of the delivery; see `WebhookData`.
        raw: the whole payload.
        drifts: what was unexpected.
    """

    trigger: WebhookTrigger | str
    data: WebhookData
    raw: Mapping[str, Any] = field(repr=False)
    drifts: tuple[SchemaDrift, ...] = ()

    @property
    def object_id(self) -> str | None:
        """The id of the session, or of the registered participant; None if there is none."""
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
    """Parse the body of a request to a webhook's URL.

    Sessions does not sign deliveries, so nothing in the body proves the sender. `sessions_us.fastapi.webhook_router` asks for a
    secret in the URL.

    Args:
        body: JSON, at most 1 MiB.

    Returns:
        The delivery. Unknown triggers and fields are kept, as is everything that was not understood.

    Raises:
        ValueError: the body is too long, is not JSON, or has no trigger. The message does not quote it.
    """
    payload = _payload(body)
    trigger = payload.get("trigger")
    if type(trigger) is not str or not trigger:  # a `LongNumber` is none
        raise ValueError("this is no webhook of Sessions: it has no trigger")
    decoder = Decoder()
    known = decoder.at("trigger")(trigger, WebhookTrigger)
    given = payload.get("data")
    raw: dict[str, Any] = given if isinstance(given, dict) else {}
    if raw is not given:
        decoder.note("data", "unexpected type")
    data: WebhookData = raw
    try:
        data = _READ.get(known, _as_it_is)(raw, decoder)
    except NotUnderstood as problem:
        decoder.note("data", str(problem))
    drifts = [SchemaDrift(operation=trigger, field=place, problem=problem) for place, problem in decoder.drifts]
    return WebhookDelivery(trigger=known, data=data, raw=payload, drifts=tuple(drifts))


def _payload(body: bytes | str) -> dict[str, Any]:
    if not isinstance(body, bytes | str):
        raise TypeError(f"a webhook's body is bytes or a string, not {type(body).__name__}")
    if len(body) > MAX_BODY or len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass")) > MAX_BODY:
        raise ValueError(f"this webhook is longer than {MAX_BODY} bytes")
    try:
        text = body.decode() if isinstance(body, bytes) else body
        payload = parsed(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, dict):
        return payload
    raise ValueError("this is no webhook of Sessions: it is no JSON object")


def _session(raw: dict[str, Any], decoder: Decoder) -> SessionData:
    session, beside = _wrapped(raw, decoder)
    return SessionData(session=decoder.at("data.session")(session, Session), additional_properties=beside)


def _registration(raw: dict[str, Any], decoder: Decoder) -> RegistrationData:
    rest = dict(raw)
    return RegistrationData(
        event_id=_taken(rest, "eventId", str, decoder),
        session_id=_taken(rest, "sessionId", str, decoder),
        registered_participant=_taken(rest, "registeredParticipant", RegisteredParticipant, decoder),
        additional_properties=rest,
    )


def _takeaways(raw: dict[str, Any], decoder: Decoder) -> TakeawaysData:
    session_id, rest, beside = _identified(raw, decoder)
    takeaways = decoder.at("data.session")(rest, Takeaways)
    return TakeawaysData(session_id=session_id, takeaways=takeaways, additional_properties=beside)


def _transcripts(raw: dict[str, Any], decoder: Decoder) -> TranscriptsData:
    session_id, rest, beside = _identified(raw, decoder)
    spoken = rest.pop("transcripts", None) or []
    transcripts = decoder.at("data.session.transcripts")(spoken, list[Transcript])
    if len(transcripts) < len(spoken):
        rest["transcripts"] = spoken
    return TranscriptsData(session_id=session_id, transcripts=transcripts, additional_properties={**beside, **rest})


def _as_it_is(raw: dict[str, Any], decoder: Decoder) -> Mapping[str, Any]:
    return raw


def _wrapped(raw: dict[str, Any], decoder: Decoder) -> tuple[object, dict[str, Any]]:
    """Split the data into the session and the fields beside it. The data may be the session itself."""
    if "session" in raw or "id" not in raw:
        return raw.get("session"), {name: value for name, value in raw.items() if name != "session"}
    decoder.note("data", "envelope")
    return raw, {}


def _identified(raw: dict[str, Any], decoder: Decoder) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Split the data into the id of the session, its other fields, and the fields beside it."""
    session, beside = _wrapped(raw, decoder)
    if not isinstance(session, dict):
        raise NotUnderstood("unexpected type")
    rest = dict(session)
    session_id = rest.pop("id", None)
    if not isinstance(session_id, str) or not session_id:
        raise NotUnderstood("no id")
    return session_id, rest, beside


def _taken(rest: dict[str, Any], name: str, shape: type[T], decoder: Decoder) -> T | None:
    """Decode a field, and remove it from the rest if it is understood."""
    if rest.get(name) is None:
        return None
    place = f"data.{name}"
    try:
        result = decoder.at(place)(rest[name], shape)
    except NotUnderstood as problem:
        decoder.note(place, str(problem))
        return None
    del rest[name]
    return result


_READ: Final[Mapping[WebhookTrigger, Callable[[dict[str, Any], Decoder], WebhookData]]] = {
    **dict.fromkeys(WebhookTrigger, _session),
    WebhookTrigger.EVENT_NEW_REGISTRATION: _registration,
    WebhookTrigger.TAKEAWAY_READY: _takeaways,
    WebhookTrigger.TRANSCRIPT_READY: _transcripts,
    WebhookTrigger.RECORDING_STATUS_CHANGED: _as_it_is,
}
