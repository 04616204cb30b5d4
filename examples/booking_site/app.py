"""The application: `uvicorn booking_site.app:app --workers 4`, with the environment that README.md describes."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sessions_us import (
    CallAbandonedError,
    ClientClosedError,
    DecodeError,
    QuotaTimeoutError,
    SessionsError,
    StatusError,
    TransportError,
)
from sessions_us.fastapi import DisconnectMiddleware

from . import admin, booking, events, manage
from .desk import lifespan
from .frame import HERE, page
from .troubles import Trouble, explain

_log = logging.getLogger("booking_site")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # a booking's link opens it
    "X-Content-Type-Options": "nosniff",
}


class Headers:
    """Sets headers on every answer. It wraps no stream, so that a visitor who hangs up is noticed at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


app = FastAPI(title="Booking site", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
app.add_middleware(DisconnectMiddleware)
app.add_middleware(Headers)
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
for each in (booking, manage, events, admin):
    app.include_router(each.routes)


def _trouble(request: Request, trouble: Trouble) -> Response:
    again = request.url.path if request.method == "GET" and trouble.status >= 500 else None
    shown = {"trouble": trouble, "again": again}
    return page(request, "trouble.html", shown, status=trouble.status, retry_after=trouble.retry_after)


@app.exception_handler(CallAbandonedError)
@app.exception_handler(QuotaTimeoutError)
@app.exception_handler(StatusError)
@app.exception_handler(TransportError)
@app.exception_handler(DecodeError)
@app.exception_handler(ClientClosedError)
async def failed(request: Request, error: SessionsError) -> Response:
    """What the clients raise, in words for visitors. A key or an upstream body is never part of them."""
    trouble = explain(error)
    left = isinstance(error, CallAbandonedError)
    if trouble.status >= 500 and trouble.retry_after is None and not left:
        _log.warning("%s: %s", type(error).__name__, error)  # the client has taken the key out of it
    return _trouble(request, trouble)


@app.exception_handler(HTTPException)
async def refused(request: Request, error: HTTPException) -> Response:
    title = {404: "Not found", 403: "Not allowed", 401: "Not signed in", 409: "Already under way"}
    text = error.detail if error.detail != "Not Found" else "There is no such page."
    return _trouble(request, Trouble(error.status_code, title.get(error.status_code, "That did not work"), text))


@app.exception_handler(RequestValidationError)
async def misread(request: Request, error: RequestValidationError) -> Response:
    return _trouble(request, Trouble(404, "Not found", "There is no such page."))
