"""Compares the public names and signatures with those of the last version, which api.txt holds.

python scripts/public_names.py          fails if one is gone or differs, and CHANGELOG.md does not name it under a heading
                                        "Changed" or "Removed" of its first part
python scripts/public_names.py --write  writes api.txt; for a release
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import griffe
from command import UnusableError, arguments_of, command, text_of
from docstrings import packages, target_of

ROOT: Final = Path(__file__).parents[1]
SNAPSHOT: Final = ROOT / "api.txt"
BREAKING: Final = ("Changed", "Removed")  # headings of the changelog
# Each module that exports names, and where people import them from.
MODULES: Final = {
    "sessions_us": "sessions_us",
    "sessions_us_api.models": "sessions_us",
    "sessions_us.webhooks": "sessions_us.webhooks",
    "sessions_us.fastapi": "sessions_us.fastapi",
    "sessions_us.pipelines": "sessions_us.pipelines",
    "sessions_us.telemetry": "sessions_us.telemetry",
    "sessions_us.sandbox": "sessions_us.sandbox",
}
# Not exported, but the types of a client's attributes.
RESOURCES: Final = (
    "booking_pages",
    "bookings",
    "collaborators",
    "events",
    "guests",
    "participants",
    "rooms",
    "sessions",
    "webhooks",
)


def public() -> dict[str, str]:
    """What each public name is: the signature of a function, the type and the default of an attribute, the bases of a class."""
    resources = {each: each for each in (f"sessions_us.resources.{name}" for name in RESOURCES)}
    return dict(sorted(line for name, place in {**MODULES, **resources}.items() for line in _exported(name, place)))


def _exported(module_name: str, place: str) -> Iterator[tuple[str, str]]:
    module = packages()[module_name]
    for name, member in module.members.items():
        # A function that is named after its module.
        if name in module.imports and not member.is_alias and member.is_module:
            member = member.members[name]
        target = target_of(member)
        is_exported = name in module.exports if module.exports is not None else not name.startswith("_")
        if target is None or target.path.startswith("sessions_us._lazy"):  # it makes the others
            continue
        if is_exported and (name in module.imports or target.path.startswith(module_name)):
            yield from _lines(f"{place}.{name}", target)


def _lines(path: str, found: Any) -> Iterator[tuple[str, str]]:
    if found.is_function:
        given = (_parameter(each) for each in found.parameters if each.name not in ("self", "cls"))
        yield path, f"({', '.join(given)}) -> {found.returns}"
    elif found.is_class:
        yield path, f"class({', '.join(str(base) for base in found.bases)})"
        for name, member in sorted(found.all_members.items()):
            target = target_of(member)
            if target is not None and (name == "__init__" or not name.startswith("_")):
                yield from _lines(f"{path}.{name}", target)
    elif found.is_attribute:
        is_of_a_call = found.labels == {"instance-attribute"}  # set in __init__, whose signature has the default
        yield path, f"{found.annotation}{'' if is_of_a_call else _default(found.value)}"


def _parameter(parameter: Any) -> str:
    star = {"variadic positional": "*", "variadic keyword": "**"}.get(parameter.kind.value, "")
    optional = "" if star else _default(parameter.default)
    by_name = "by name " if parameter.kind.value == "keyword-only" else ""
    return f"{by_name}{star}{parameter.name}: {parameter.annotation}{optional}"


def _default(value: Any) -> str:
    """What stands behind the annotation. Of an attrs field the default or the factory, not what validates or converts."""
    if isinstance(value, griffe.ExprCall) and str(value.function).endswith("field"):
        named = {each.name: each.value for each in value.arguments if isinstance(each, griffe.ExprKeyword)}
        value = named.get("default", named.get("factory"))
    return "" if value is None else f" = {' '.join(str(value).split())}"


def undeclared(before: dict[str, str], now: dict[str, str], changes: str) -> list[str]:
    """Names that are gone or differ, and that the changes do not have in backquotes under "Changed" or "Removed"."""
    parts = re.split(r"^### (.*)\n", changes, flags=re.MULTILINE)[1:]
    breaking = "".join(text for heading, text in zip(parts[::2], parts[1::2], strict=True) if heading in BREAKING)
    told = {word for code in re.findall(r"`([^`]+)`", breaking) for word in re.findall(r"\w+", code)}
    return [
        f"{path} is gone" if path not in now else f"{path} was {what}, is {now[path]}"
        for path, what in before.items()
        if now.get(path) != what and path.rpartition(".")[2] not in told
    ]


def latest_changes() -> str:
    """The part of the changelog for the next version.

    Raises:
        UnusableError: there is none.
    """
    _, *parts = re.split(r"^## ", text_of(path := ROOT / "CHANGELOG.md"), flags=re.MULTILINE)
    if not parts:
        raise UnusableError(f"{path}: no part begins with ##")
    return parts[0]


def _read() -> dict[str, str]:
    lines = [line.partition(" ") for line in text_of(SNAPSHOT).splitlines() if not line.startswith("#")]
    if wrong := next((name for name, _, what in lines if not what), None):
        raise UnusableError(f"{SNAPSHOT}: {wrong!r} stands there without what it is; take the file of the last version")
    return {name: what for name, _, what in lines}


def main(*arguments: str) -> int:
    """Compare, or write. The exit status is 1 if a change is not declared."""
    parser = arguments_of(__doc__)
    parser.add_argument("--write", action="store_true", help="write api.txt")
    writes = parser.parse_args(arguments).write
    now = public()
    if writes:
        head = "# The public names of the last version. Written by scripts/public_names.py at a release.\n"
        SNAPSHOT.write_text(head + "".join(f"{path} {what}\n" for path, what in now.items()), "utf-8")
        return 0
    problems = undeclared(_read(), now, latest_changes())
    sys.stderr.writelines(f"{problem}: say so in CHANGELOG.md, under Changed or Removed\n" for problem in problems)
    if not problems:
        sys.stdout.write(f"{len(now)} public names; none is gone or differs without a line under Changed or Removed\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(command(main))
