"""Names that are loaded on first use, so that nobody pays for a library that is not used, nor needs it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ("loader",)


def loader(package: str, homes: Mapping[str, str], *, needs: tuple[str, ...], extra: str) -> Callable[[str], object]:
    """The `__getattr__` of a package.

    Args:
        package: its name.
        homes: in which of its modules each public name is.
        needs: the libraries that may be missing.
        extra: the extra of this distribution that brings them.

    Returns:
        A function that loads a name, or says in one line what it needs: an `ImportError`.
    """

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value: object = getattr(importlib.import_module(f"{package}.{home}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in needs:
                raise
            message = f"{package}.{name} needs {missing}: pip install 'sessions-us[{extra}]'"
            raise ImportError(message, name=package) from None
        setattr(sys.modules[package], name, value)  # a module of the same name would take its place otherwise
        return value

    return load
