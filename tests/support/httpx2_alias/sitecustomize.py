"""Let httpx2 be imported as httpx; python imports this at its start where this directory is on PYTHONPATH.

The source, the tests and what these start then run on httpx2 without a changed line. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_INSTEAD = {"httpx": "httpx2", "httpcore": "httpcore2"}


class _Alias(MetaPathFinder, Loader):
    """Imports another module, or a module of another package, under a name of its own."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.partition(".")[0] in _INSTEAD else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        top, dot, rest = spec.name.partition(".")
        module = import_module(f"{_INSTEAD[top]}{dot}{rest}")
        self._specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._specs[module.__name__]  # it was just given the alias's


sys.meta_path.insert(0, _Alias())
