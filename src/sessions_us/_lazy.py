"""Load public names on first use, so that a library that is not used is neither imported nor needed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ("loader",)


Homes = Mapping[str, tuple[str, ...]]


def loader(
    package: str, homes: Homes, *, whole: tuple[str, ...] = (), needs: tuple[str, ...] = (), extra: str = ""
) -> Callable[[str], object]:
    """Make the `__getattr__` of a package.

    Args:
        package: the package's name.
        homes: the modules of the package, each with the public names that it has.
        whole: modules whose `__all__` is public as a whole. They are imported when a name is in no other home, so they must be
            cheap.
        needs: libraries that may be missing.
        extra: the extra of this distribution that brings these libraries.

    Returns:
        A function that loads a name, and `__all__`. It raises an `ImportError` of one line if a library is missing.
    """
    known = {name: f"{package}.{home}" for home, names in homes.items() for name in names}

    def load(name: str) -> object:
        if name == "__all__":
            return sorted({*known, *(each for module in whole for each in importlib.import_module(module).__all__)})
        home = known.get(name) or _home(name)
        try:
            value: object = getattr(importlib.import_module(home), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in needs:
                raise
            message = f"{package}.{name} needs {missing}: pip install 'sessions-us[{extra}]'"
            raise ImportError(message, name=package) from None
        setattr(sys.modules[package], name, value)  # a module of the same name would take its place otherwise
        return value

    def _home(name: str) -> str:
        for module in () if name.startswith("__") else whole:
            if name in importlib.import_module(module).__all__:
                return module
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
