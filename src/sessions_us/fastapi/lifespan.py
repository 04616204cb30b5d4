"""The lifespan of an application: open its clients at the start and close them at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, Unpack

from attrs import evolve
from starlette.applications import Starlette

from .._flags import check_flags
from ..client import ClientOptions, GuestClient, UserClient
from ..errors import ConfigurationError
from ..keys import ApiKey, GuestKey, UserKey
from ..quota import Quota
from .clients import STATE, Clients

__all__ = ("sessions_lifespan",)

K = TypeVar("K", bound=ApiKey)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, Any]]]
OwnLifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]


def sessions_lifespan(
    *,
    user: bool | None = None,
    guest: bool | None = None,
    user_key: str | UserKey | None = None,
    guest_key: str | GuestKey | None = None,
    lifespan: OwnLifespan | None = None,
    **options: Unpack[ClientOptions],
) -> Lifespan:
    """Open one `UserClient` and one `GuestClient` when the application starts, and close them when it ends.

    `FastAPI(lifespan=sessions_lifespan())`. Inside another lifespan: `async with sessions_lifespan()(app):`.

    Args:
        user: whether to open the `UserClient`. True: open it; without its key the application does not start. None: open it
            if there is a key. False: do not open it.
        guest: the same for the `GuestClient`.
        user_key: the USER key; None reads it when the application starts, from the environment.
        guest_key: the GUEST key, likewise.
        lifespan: the application's own lifespan, entered after the clients are opened and left before they are closed. The
            mapping that it yields becomes state of the requests, as usual.
        options: options of both clients; `max_wait` is 5 seconds unless given. Each key has its own copy of `quota`. Several
            workers share it with `quota=Quota(store=SQLiteStore("/var/lib/app/quota.db"))`.

    Raises:
        ConfigurationError: an unusable key, or a `user` or `guest` that is something else. When the application starts: a missing
            key, or an invalid option.
    """
    keys = (_usable(UserKey, user_key), _usable(GuestKey, guest_key))
    del user_key, guest_key  # so that no traceback from here on holds them
    check_flags(**{name: each for name, each in (("user", user), ("guest", guest)) if each is not None})
    user_given, guest_given = keys
    if isinstance(user_given, ConfigurationError):
        raise user_given
    if isinstance(guest_given, ConfigurationError):
        raise guest_given

    @asynccontextmanager
    async def run(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        user_found, guest_found = _found(UserKey, user_given, user), _found(GuestKey, guest_given, guest)
        if user_found is None and guest_found is None:
            raise ConfigurationError(
                f"There is no key: set {UserKey.variable} or {GuestKey.variable}, or pass user_key or guest_key."
            )
        async with AsyncExitStack() as stack:
            opened = None if user_found is None else UserClient(user_found, **_own(options))
            if opened is not None:
                await stack.enter_async_context(opened)
            welcoming = None if guest_found is None else GuestClient(guest_found, **_own(options))
            if welcoming is not None:
                await stack.enter_async_context(welcoming)
            clients = Clients(opened, welcoming)
            setattr(app.state, STATE, clients)
            stack.callback(_forget, app, clients)
            state = None if lifespan is None else await stack.enter_async_context(lifespan(app))
            yield {**(state or {}), STATE: clients}

    return run


def _usable(kind: type[K], key: str | K | None) -> K | ConfigurationError | None:
    return None if key is None else kind.resolve(key)


def _found(kind: type[K], given: K | None, wanted: bool | None) -> K | None:
    """Return the key of the client to open; None to open none. Raises: ConfigurationError."""
    if wanted is False or (wanted is None and given is None and not kind.is_set()):
        return None
    key = given if given is not None else kind.resolve(None)
    if isinstance(key, ConfigurationError):
        raise key
    return key


def _own(options: ClientOptions) -> ClientOptions:
    """Return the options of one client. Two keys with the same `Quota` object would share a budget, so each gets a copy."""
    own: ClientOptions = {"max_wait": 5.0, **options}
    quota = own.get("quota")
    if isinstance(quota, Quota):
        own["quota"] = evolve(quota)
    return own


def _forget(app: Starlette, clients: Clients) -> None:
    if getattr(app.state, STATE, None) is clients:
        delattr(app.state, STATE)
