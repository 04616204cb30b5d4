"""OpenAPI Overlay 1.0 (https://spec.openapis.org/overlay/v1.0.0.html), applied strictly.

Strictly, because an overlay rots in silence: upstream renames something, the target matches nothing, and an operation
loses its name. So a target without a match is an error unless the action says `x-optional: true`; `x-expect: N` asks
for exactly N matches; `x-unless: PATH` leaves an action out where PATH matches, because the document says it itself by
then; an action must say why it is there (`description`) and may hold no key that we do not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonpath_rfc9535

from regeneration.document import Document, InputError, copied

_ACTION_KEYS = {"target", "description", "update", "remove", "x-optional", "x-expect", "x-unless"}
_OVERLAY_KEYS = {"overlay", "info", "extends", "actions"}
_INFO_KEYS = ("title", "version")
_MISSING = object()

Location = tuple[int | str, ...]


class UnfitError(InputError):
    """An action that is sound by itself does not fit the document."""


@dataclass(frozen=True)
class Action:
    """One action of an overlay, checked."""

    number: int
    target: str
    description: str
    update: Any
    remove: bool
    optional: bool
    expect: int | None
    unless: str | None

    def __str__(self) -> str:
        return f"overlay action {self.number} ({self.description}) with target {self.target}"


def apply(document: Document, overlay: Any) -> Document:
    """Return a new document: the given one with every action of the overlay applied in order.

    Args:
        document: an OpenAPI document; left as it is.
        overlay: the overlay, parsed.

    Raises:
        InputError: the overlay is malformed, or an action does not fit the document.
    """
    result: Document = copied(document)
    for action in parse(overlay):
        _apply_action(result, action)
    return result


def apply_tolerantly(document: Document, overlay: Any) -> tuple[Document, list[str]]:
    """The same for a document that the overlay was not written for: what does not fit is left out, and told.

    Returns:
        The new document, and number and target of each action that was left out.

    Raises:
        InputError: the overlay is malformed.
    """
    result: Document = copied(document)
    unfit: list[str] = []
    for action in parse(overlay):
        try:
            _apply_action(result, action)
        except UnfitError:
            unfit.append(f"{action.number}: {action.target}")
    return result, unfit


def parse(overlay: Any) -> list[Action]:
    """Check the overlay itself, without a document."""
    if not isinstance(overlay, dict):
        raise InputError("the overlay is not an object")
    unknown = sorted(key for key in overlay if key not in _OVERLAY_KEYS and not key.startswith("x-"))
    if unknown:
        raise InputError(f"the overlay has the unknown key {unknown[0]!r}")
    version = overlay.get("overlay")
    if not isinstance(version, str) or version.split(".")[:2] != ["1", "0"]:
        raise InputError(f"the overlay's version must be 1.0.x, not {version!r}")
    info = overlay.get("info")
    if not isinstance(info, dict) or not all(isinstance(info.get(key), str) and info[key] for key in _INFO_KEYS):
        raise InputError("the overlay's info needs a title and a version, both strings")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise InputError("the overlay needs at least one action")
    return [_parse_action(number, action) for number, action in enumerate(actions, 1)]


def _parse_action(number: int, action: Any) -> Action:
    if not isinstance(action, dict):
        raise InputError(f"overlay action {number} is not an object")
    target = action.get("target")
    if not isinstance(target, str) or not target:
        raise InputError(f"overlay action {number} has no target")
    place = f"overlay action {number} with target {target}"
    unknown = sorted(set(action) - _ACTION_KEYS)
    if unknown:
        raise InputError(f"{place} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(_ACTION_KEYS))}")
    description = action.get("description")
    if not isinstance(description, str) or not description.strip():
        raise InputError(f"{place} has no description; say why it is there")
    for key in ("remove", "x-optional"):
        if not isinstance(action.get(key, False), bool):
            raise InputError(f"{place}: {key} must be true or false, not {action[key]!r}")
    expect = action.get("x-expect")
    if expect is not None and (not isinstance(expect, int) or isinstance(expect, bool) or expect < 1):
        raise InputError(f"{place}: x-expect must be a number of matches from 1 up, not {expect!r}")
    unless = action.get("x-unless")
    if unless is not None and (not isinstance(unless, str) or not unless):
        raise InputError(f"{place}: x-unless must be a JSONPath, not {unless!r}")
    remove = action.get("remove", False)
    if not remove and "update" not in action:
        raise InputError(f"{place} does nothing; it needs update, or remove: true")
    return Action(
        number=number,
        target=target,
        description=" ".join(description.split()),
        update=action.get("update", _MISSING),
        remove=remove,
        optional=action.get("x-optional", False),
        expect=expect,
        unless=unless,
    )


def _apply_action(document: Document, action: Action) -> None:
    """Apply an action, or raise UnfitError before anything is changed."""
    if action.unless is not None and _locations(document, action.unless, action):
        return
    locations = _locations(document, action.target, action)
    if not locations and not action.optional:
        raise UnfitError(f"{action} matches nothing; correct it, or say x-optional: true")
    if locations and action.expect is not None and len(locations) != action.expect:
        raise UnfitError(f"{action} matches {len(locations)} times, but x-expect says {action.expect}")
    if action.remove:  # by the standard, `update` has no effect beside it
        # Deepest first and last first, so that no removal moves what is still to be removed.
        for location in sorted(locations, key=_depth_and_index, reverse=True):
            _remove(document, location, action)
    else:
        nodes = [_at(document, location) for location in locations]
        for node in nodes:
            _check_fit(node, action)
        for node in nodes:
            _update(node, copied(action.update))  # each gets its own: a later action may change one of them


def _locations(document: Document, path: str, action: Action) -> list[Location]:
    try:
        nodes = jsonpath_rfc9535.find(path, document)
    except jsonpath_rfc9535.JSONPathError as error:
        raise InputError(f"{action} is no JSONPath of RFC 9535: {error}") from error
    return list(dict.fromkeys(node.location for node in nodes))


def _depth_and_index(location: Location) -> tuple[int, int]:
    last = location[-1] if location else 0
    return len(location), last if isinstance(last, int) else 0


def _at(document: Document, location: Location) -> Any:
    node: Any = document
    for part in location:
        node = node[part]
    return node


def _remove(document: Document, location: Location, action: Action) -> None:
    if not location:
        raise InputError(f"{action} would remove the whole document")
    del _at(document, location[:-1])[location[-1]]


def _check_fit(node: Any, action: Action) -> None:
    if not isinstance(node, dict | list):
        raise UnfitError(f"{action} selects a plain value; select the object that holds it")
    if isinstance(node, dict) and not isinstance(action.update, dict):
        raise UnfitError(f"{action} selects an object, so its update must be an object")


def _update(node: Any, update: Any) -> None:
    if isinstance(node, dict):
        _merge(node, update)
    else:
        node.extend(update if isinstance(update, list) else [update])


def _merge(node: Document, update: Document) -> None:
    """Objects merge key by key, arrays append, everything else is replaced."""
    for key, value in update.items():
        present = node.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            present.extend(value)
        else:
            node[key] = value
