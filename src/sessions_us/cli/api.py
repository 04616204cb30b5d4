"""`sessions-us api`, `get`, `create` and `cancel`: single requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import typer
from attrs import frozen
from rich.text import Text

from .access import KeyFile, MaxWait, QuotaStore, budget, connect, connect_guest, guest_key, user_key
from .fields import Fields, columns_of, paths_of, require_known
from .json_input import json_in, json_of
from .options import one_of
from .output import (
    AsJson,
    Output,
    OutputOption,
    form_of,
    print_all,
    print_json,
    require_output,
    screen,
)
from .resources import path_of, read, shape_of
from .table import cell
from .text import one_line
from .waiting import Waiting

if TYPE_CHECKING:
    from ..client import GuestClient, UserClient

__all__ = ("api", "cancel", "create", "get")

_GUESTS = "/api/guests/"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

FieldOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        "-f",
        metavar="KEY=VALUE",
        help="A field of the JSON body, or of the query of a GET, as text.",
    ),
]
TypedFields = Annotated[
    list[str] | None,
    typer.Option(
        "--typed-field", "-F", metavar="KEY=JSON", help="The same, with a value in JSON: 5, true, null, [1, 2]."
    ),
]
InputFile = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="The JSON body; - is the standard input.", allow_dash=True),
]


class Gettable(StrEnum):
    """The resources of `get`: the API has no request for one booking or event."""

    BOOKING_PAGES = "booking-pages"
    ROOMS = "rooms"
    SESSIONS = "sessions"


class Writable(StrEnum):
    """The resources of `create` and `cancel`."""

    BOOKINGS = "bookings"
    SESSIONS = "sessions"


@frozen
class Access:
    """The options of a command that sends one request."""

    key_file: Path | None
    store: str | None
    max_wait: float | None

    def as_user(self, doing: str, ask: Callable[[UserClient], Coroutine[Any, Any, Any]]) -> Any:
        """Send with the user's key, and return the answer without the key."""
        key, waiting = user_key(self.key_file), Waiting(doing)

        async def run() -> Any:
            quota = budget(self.store)
            async with connect(key, quota, on_event=waiting.on_event, max_wait=self.max_wait) as client:
                with waiting:
                    return await ask(client)

        return key.redact_json(asyncio.run(run()))

    def as_guest(self, doing: str, ask: Callable[[GuestClient], Coroutine[Any, Any, Any]]) -> Any:
        """Send with the guest's key, and return the answer without the key."""
        key, waiting = guest_key(self.key_file), Waiting(doing)

        async def run() -> Any:
            quota = budget(self.store)
            async with connect_guest(key, quota, on_event=waiting.on_event, max_wait=self.max_wait) as client:
                with waiting:
                    return await ask(client)

        return key.redact_json(asyncio.run(run()))


def api(
    request: Annotated[
        list[str],
        typer.Argument(
            metavar="[METHOD] PATH",
            help=f"One of {', '.join(_METHODS)}, or GET if it is left out; and the path, from /api on, percent-encoded, "
            "perhaps with a query.",
        ),
    ],
    field: FieldOptions = None,
    typed_field: TypedFields = None,
    input: InputFile = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Send any request, and print the JSON of the answer.

    The key is the guest's (SESSIONS_GUEST_KEY) for /api/guests/, else the user's. Quota, retries and exit statuses are those
    of the other commands. Only GET is repeated after a failure that leaves open what happened.

    \b
    Examples:
      sessions-us api /api/rooms
      sessions-us api GET /api/rooms -f page=2
      sessions-us api POST /api/rooms -f name=Studio
      echo '{"name": "Studio"}' | sessions-us api POST /api/rooms --input -
    """
    verb, where = _target(request)
    require_output()
    fields = _fields(field or [], typed_field or [])
    if input is not None and fields:
        raise ValueError("--field and --input exclude each other")
    where, _, query = where.partition("?")
    params: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    body = _read(input) if input is not None else fields or None
    if verb == "GET" and input is None:
        params, body = params | fields, None

    async def ask(client: UserClient | GuestClient) -> Any:
        return await client.request(verb, where, json=body, params=params or None)

    access = Access(key_file, quota_store, max_wait)
    print_json((access.as_guest if where.startswith(_GUESTS) else access.as_user)(f"{verb} {where}", ask))


def _target(request: list[str]) -> tuple[str, str]:
    """Return the method and the path.

    Raises:
        ValueError: another method, no path, or too many words.
    """
    method, path = ("GET", *request) if len(request) == 1 else (request[0].upper(), " ".join(request[1:]))
    if path.upper() in _METHODS:
        raise ValueError(f"api {path} needs a PATH, such as /api/rooms")
    if method not in _METHODS:
        raise ValueError(f"METHOD is one of {', '.join(_METHODS)}, not {request[0]}")
    return method, path if path.startswith("/") else f"/{path}"


def get(
    resource: Annotated[Gettable, one_of(Gettable)],
    id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    json: AsJson = None,
    output: OutputOption = None,
    fields: Fields = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Show one session, booking page or room, with all fields.

    \b
    Examples:
      sessions-us get sessions 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
      sessions-us get sessions 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3 --fields name,startAt,sessionLink
    """
    form, paths = form_of(json, output), paths_of(fields)
    path = path_of(resource, id)

    async def ask(client: UserClient | GuestClient) -> Any:
        return await read(client, path, id)

    row = Access(key_file, quota_store, max_wait).as_user(f"reading {resource}", ask)
    require_known(paths, shape_of(resource), [row])
    columns = columns_of(paths, {name: name for name in row} if isinstance(row, dict) else {})
    if form is Output.TABLE:
        _print_object(row, columns)
    else:
        print_all([row], form, columns, paths)


def create(
    resource: Annotated[Writable, one_of(Writable)],
    name: Annotated[str | None, typer.Option(help="Of the session, or of the person who books.")] = None,
    start: Annotated[str | None, typer.Option(metavar="MOMENT", help="Such as 2030-01-31T10:00:00+01:00.")] = None,
    end: Annotated[str | None, typer.Option(metavar="MOMENT", help="The planned end of a session.")] = None,
    time_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Such as Europe/Bucharest.")] = None,
    page: Annotated[str | None, typer.Option(metavar="ID", help="The booking page to book on.")] = None,
    email: Annotated[str | None, typer.Option(help="Of the person who books.")] = None,
    field: FieldOptions = None,
    typed_field: TypedFields = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Create a session, or book a time as a guest.

    A booking needs the guest's key (SESSIONS_GUEST_KEY) and a booking page. The request is sent once: after a failure that
    leaves open what happened, look before you try again. Further fields go with -f, by wire names.

    \b
    Examples:
      sessions-us create sessions --name Kick-off --start 2030-01-31T10:00:00Z --end 2030-01-31T11:00:00Z --time-zone UTC
      sessions-us create bookings --page PAGE_ID --start 2030-01-31T10:00:00Z --name Ada --email ada@example.com
    """
    extra, access = _fields(field or [], typed_field or []), Access(key_file, quota_store, max_wait)
    require_output()
    if resource is Writable.SESSIONS:
        _require(resource, {"--name": name, "--start": start, "--end": end, "--time-zone": time_zone})
        _refuse(resource, {"--page": page, "--email": email})
    else:
        _require(resource, {"--page": page, "--start": start, "--name": name, "--email": email})
        _refuse(resource, {"--end": end})
    _require_moments({"--start": start, "--end": end})

    async def session(client: UserClient) -> Any:
        made = await client.sessions.create(
            name=str(name), start_at=str(start), planned_end=str(end), time_zone=str(time_zone), extra=extra
        )
        return made.to_dict()

    async def booking(client: GuestClient) -> Any:
        made = await client.bookings.create(
            booking_page_id=page,
            start_at=start,
            participant_name=name,
            participant_email=email,
            time_zone=time_zone,
            extra=extra,
        )
        return None if made is None else made.to_dict()

    doing = f"creating {resource}"
    is_session = resource is Writable.SESSIONS
    print_json(access.as_user(doing, session) if is_session else access.as_guest(doing, booking))


def _require(resource: Writable, options: Mapping[str, str | None]) -> None:
    missing = [option for option, value in options.items() if value is None]
    if missing:
        raise ValueError(f"create {resource} needs {', '.join(missing)}")


def _refuse(resource: Writable, options: Mapping[str, str | None]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise ValueError(f"create {resource} takes no {', '.join(given)}")


def _require_moments(options: Mapping[str, str | None]) -> None:
    """Check that each moment that was given is one, with its time zone."""
    for option, text in options.items():
        try:
            moment = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{option} is a moment such as 2030-01-31T10:00:00+02:00, not {text!r}") from None
        if moment is not None and moment.utcoffset() is None:
            zoned = f"{moment.isoformat()}+02:00"
            raise ValueError(f"{option} {text} has no offset from UTC: write {option} {zoned}, or Z for UTC itself")


def cancel(
    resource: Annotated[Writable, one_of(Writable)],
    id: Annotated[str, typer.Argument(metavar="ID", help="Of the booking or the session.")],
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Cancel a booking, or delete a session.

    \b
    Examples:
      sessions-us cancel bookings 64b1c3d2-5e8f-4a21-b0c7-d9e8f7a6b5c4
      sessions-us cancel sessions 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
    """

    async def ask(client: UserClient) -> None:
        await (client.bookings.cancel(id) if resource is Writable.BOOKINGS else client.sessions.delete(id))

    Access(key_file, quota_store, max_wait).as_user(f"cancelling {resource}", ask)
    screen(stderr=True).print(Text(f"Cancelled {one_line(id)}."))


def _fields(texts: list[str], typed: list[str]) -> dict[str, Any]:
    """Return the fields of `KEY=VALUE` and `KEY=JSON`.

    Raises:
        ValueError: there is no `=`, or JSON that is none.
    """
    fields: dict[str, Any] = {}
    for given in (*texts, *typed):
        name, equals, value = given.partition("=")
        if not equals or not name:
            raise ValueError(f"a field is KEY=VALUE, not {given!r}")
        fields[name] = value
    for given in typed:
        name, _, value = given.partition("=")
        try:
            fields[name] = json_of(value)
        except ValueError:
            raise ValueError(f"--typed-field {name} is no JSON: {value!r}; for text there is --field") from None
    return fields


def _read(file: Path) -> Any:
    """Return the JSON of a file.

    Raises:
        OSError: it can't be read.
        ValueError: it holds no JSON.
    """
    try:
        return json_in(file, stdin=True)
    except ValueError as error:
        raise ValueError(f"--input {file} holds no JSON: {error}") from None


def _print_object(row: Any, columns: Mapping[str, str]) -> None:
    """Print an object as a line for each field, in full."""
    console = screen()
    width = max(map(len, columns), default=0)
    for name, path in columns.items():
        console.print(Text.assemble((f"{one_line(name):<{width}}  ", "dim"), cell(row, path)), soft_wrap=True)
