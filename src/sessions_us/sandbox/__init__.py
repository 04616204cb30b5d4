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

from typing import TYPE_CHECKING

from .._lazy import loader

if TYPE_CHECKING:
    from .delivery import Delivery as Delivery
    from .foreground import serve as serve
    from .limits import HeaderFamily as HeaderFamily
    from .limits import ServerLimit as ServerLimit
    from .sandbox import Sandbox as Sandbox
    from .traffic import ReceivedRequest as ReceivedRequest

else:  # a type checker refuses names that are not there
    __getattr__ = loader(
        __name__,
        {
            "delivery": ("Delivery",),
            "limits": ("HeaderFamily", "ServerLimit"),
            "traffic": ("ReceivedRequest",),
            "sandbox": ("Sandbox",),
            "foreground": ("serve",),
        },
        needs=("starlette", "uvicorn"),
        extra="sandbox",
    )
