"""A Sessions API on this machine: in memory, with state, keys, limits, webhooks and faults on demand.

    async with Sandbox(limit=10, window=3.0, headers="draft-6") as sandbox:
        async with UserClient(sandbox.user_key, base_url=sandbox.url) as user:
            ...

It follows the API's document and the public evidence, not this library's client, so that each checks the other. What no
source shows (most request bodies, status codes, what cancelling does) is an assumption here too, and the docstrings of the
routes say which.

Needs the extra `sandbox` (Starlette and uvicorn). The names are loaded on first use, because pytest imports this package
for its plugin in every run, and must not pay for a server that no test asks for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .delivery import Delivery
    from .limits import HeaderFamily, Limiter
    from .sandbox import Sandbox, serve
    from .traffic import ReceivedRequest

__all__ = ("Delivery", "HeaderFamily", "Limiter", "ReceivedRequest", "Sandbox", "serve")

_HOMES = {
    "Delivery": "delivery",
    "HeaderFamily": "limits",
    "Limiter": "limits",
    "ReceivedRequest": "traffic",
    "Sandbox": "sandbox",
    "serve": "sandbox",
}
_NEEDED = ("starlette", "uvicorn")


if not TYPE_CHECKING:  # so that a type checker refuses names that are not there

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f"{__name__}.{home}")
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _NEEDED:
                raise
            message = f"sessions_us.sandbox needs {missing}: pip install 'sessions-us[sandbox]'"
            raise ImportError(message, name=__name__) from None
        return getattr(module, name)
