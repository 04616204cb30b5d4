"""What annotations say at run time: tools of users resolve them with `typing.get_type_hints`, as FastAPI and cattrs do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

from public_names import MODULES

# Which do not resolve, and why.
UNRESOLVED = {
    "sessions_us.client.ClientOptions": "its transport is one of httpx, which the first client imports",
    "sessions_us._calls.pager.Pager.__init__": "only the client makes a Pager",
    "sessions_us.sandbox.sandbox.Sandbox.clock": "the sandbox imports nothing of the client",
}
# A module for each model, of which an answer imports those that it needs. Pydantic asks a model's own hook.
MODELS = "sessions_us_api.models"


def annotated(value: object) -> Iterator[object]:
    """A function, or a class with the methods and properties of its own; not `__init__`s that attrs writes."""
    if not inspect.isclass(value):
        yield from [value] if inspect.isfunction(value) else []
        return
    yield value
    for name, member in vars(value).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        written = inspect.isfunction(function) and not function.__code__.co_filename.startswith("<attrs")
        if written and (name == "__init__" or not name.startswith("_")):
            yield function


def exported(module: Any) -> Iterator[object]:
    for name in getattr(module, "__all__", None) or [each for each in vars(module) if not each.startswith("_")]:
        value = getattr(module, name)
        home = getattr(value, "__module__", "")
        if home.startswith("sessions_us") and not home.startswith(MODELS):
            yield value


def test_public_annotations_resolve() -> None:
    """Of every public function and class, and of their public methods and properties."""
    modules = [import_module(name) for name in MODULES if name != MODELS]
    failed = set()
    for each in (each for module in modules for value in exported(module) for each in annotated(value)):
        try:
            get_type_hints(each, include_extras=True)
        except NameError:
            failed.add(f"{each.__module__}.{each.__qualname__}")  # type: ignore[attr-defined]

    assert failed == UNRESOLVED.keys()
