"""Templates, and what every page has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.templating import Jinja2Templates

from . import times
from .settings import settings

HERE = Path(__file__).parent
ZONE_COOKIE = "zone"

_templates = Jinja2Templates(HERE / "templates")
_templates.env.trim_blocks = _templates.env.lstrip_blocks = True
_templates.env.filters |= {
    "in_url": times.in_url,
    "long_day": times.long_day,
    "clock": times.clock,
    "offset": lambda moment, zone: times.offset(moment.astimezone(zone)),
    "readable": times.readable,
}


def page(
    request: Request,
    template: str,
    shown: Mapping[str, object],
    *,
    status: int = 200,
    retry_after: int | None = None,
    private: bool = False,
) -> Response:
    """A page.

    Args:
        request: what it answers.
        template: the name of its file.
        shown: what the template shows.
        status: the HTTP status.
        retry_after: seconds, where it is worth another try then.
        private: whether it shows what nobody may keep.
    """
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if private:
        headers["Cache-Control"] = "no-store"
    values = {"site": settings(), **shown}
    return _templates.TemplateResponse(request, template, values, status_code=status, headers=headers)


def now() -> datetime:
    return datetime.now(UTC)


def zone_for(request: Request, of_page: str | None) -> ZoneInfo:
    """The zone that the visitor chose, now or earlier; else the browser's, which a script leaves in the same cookie; else the
    booking page's."""
    return times.zone_of(request.query_params.get("zone"), request.cookies.get(ZONE_COOKIE), of_page)


def remember_zone(request: Request, response: Response) -> Response:
    """Keeps a zone that was just chosen."""
    asked = request.query_params.get("zone")
    if asked and times.zone_of(asked).key == asked:
        response.set_cookie(ZONE_COOKIE, asked, max_age=365 * 24 * 3600, samesite="lax")
    return response


def _same_origin(request: Request) -> None:
    """Refuses what another site's page sent in the visitor's name. Browsers say where a form comes from."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:  # older browsers, and plain http elsewhere than on this machine
        origin = request.headers.get("origin", "")
        is_ours = origin.partition("://")[2] == request.headers.get("host")
    if not is_ours:
        raise HTTPException(403, "This form was not sent from this site.")


Id = Annotated[str, InPath(max_length=200, pattern=r"^\.*[\w~:-][\w~:.-]*$")]
"""An id in a path: opaque, but never `.` or `..` or with control characters, which the client refuses."""

SameOrigin = Depends(_same_origin)
