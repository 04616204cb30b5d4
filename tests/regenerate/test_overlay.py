"""OpenAPI Overlay 1.0 as this project applies it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

pytest.importorskip("jsonpath_rfc9535", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.overlay.actions import apply, apply_tolerantly


def overlay(*actions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    actions = tuple({"description": "why", **action} for action in actions)
    return {"overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "actions": list(actions), **changes}


DOCUMENT: dict[str, Any] = {
    "a": {"x": 1, "deep": {"list": [1], "keep": True}},
    "list": [{"name": "page"}, {"name": "size"}, {"name": "sort"}],
    "paths": {"/p": {"get": {}, "put": {}}},
}


@pytest.mark.parametrize(
    ("action", "path", "expected"),
    [
        ({"target": "$.a", "update": {"y": 2}}, ["a", "y"], 2),
        ({"target": "$.a", "update": {"x": None}}, ["a", "x"], None),
        ({"target": "$.a", "update": {"deep": {"new": 1}}}, ["a", "deep"], {"list": [1], "keep": True, "new": 1}),
        ({"target": "$.a", "update": {"deep": {"list": [2]}}}, ["a", "deep", "list"], [1, 2]),
        ({"target": "$.a", "update": {"deep": 5}}, ["a", "deep"], 5),
        ({"target": "$.a", "update": {"x": {"now": "object"}}}, ["a", "x"], {"now": "object"}),
        ({"target": "$.a.deep.list", "update": 9}, ["a", "deep", "list"], [1, 9]),
        ({"target": "$.a.deep.list", "update": {"k": 1}}, ["a", "deep", "list"], [1, {"k": 1}]),
        ({"target": "$.a.deep.list", "update": [2, 3]}, ["a", "deep", "list"], [1, 2, 3]),
        ({"target": "$.list[?@.name=='size']", "update": {"max": 1}}, ["list", 1], {"name": "size", "max": 1}),
        ({"target": "$.list[?@.name!='size' && @.name]", "remove": True}, ["list"], [{"name": "size"}]),
        ({"target": "$.list[0,1]", "remove": True}, ["list"], [{"name": "sort"}]),
        ({"target": "$.list[0,0]", "remove": True}, ["list"], [{"name": "size"}, {"name": "sort"}]),
        ({"target": "$..name", "remove": True}, ["list"], [{}, {}, {}]),
        ({"target": "$..*", "remove": True}, [], {}),
        ({"target": "$.a.x", "remove": True, "update": {"ignored": 1}}, ["a"], {"deep": DOCUMENT["a"]["deep"]}),
        ({"target": "$.a", "remove": False, "update": {"y": 2}}, ["a", "x"], 1),
        ({"target": "$", "update": {"top": 1}}, ["top"], 1),
        (
            {"target": "$.paths['/p'].*", "update": {"t": 1}, "x-expect": 2},
            ["paths", "/p"],
            {"get": {"t": 1}, "put": {"t": 1}},
        ),
        ({"target": "$.nothing", "remove": True, "x-optional": True}, ["a"], DOCUMENT["a"]),
        ({"target": "$.nothing", "remove": True, "x-optional": True, "x-expect": 2}, ["a"], DOCUMENT["a"]),
    ],
)
def test_an_action_does_what_the_standard_says(action: dict[str, Any], path: list[Any], expected: Any) -> None:
    """Updates merge objects, append to arrays and replace the rest; removals take every match out, once."""
    before = deepcopy(DOCUMENT)
    result: Any = apply(DOCUMENT, overlay(action))
    for part in path:
        result = result[part]
    assert result == expected
    assert before == DOCUMENT


def test_actions_apply_in_order_and_see_each_other() -> None:
    """A later action finds what an earlier one put there; that is how a list is replaced: remove, then update."""
    result = apply(
        DOCUMENT,
        overlay(
            {"target": "$.a.deep.list", "remove": True},
            {"target": "$.a.deep", "update": {"list": [7]}},
            {"target": "$.a.deep.list", "update": 8},
        ),
    )
    assert result["a"]["deep"]["list"] == [7, 8]


def test_matches_share_nothing() -> None:
    """Each match gets its own copy of the update, so that a later action changes one of them only."""
    shared = ["tag"]
    result = apply(
        DOCUMENT,
        overlay(
            {"target": "$.paths['/p'].*", "update": {"tags": shared, "again": shared}},
            {"target": "$.paths['/p'].get.tags", "update": "more"},
        ),
    )
    assert result["paths"]["/p"] == {
        "get": {"tags": ["tag", "more"], "again": ["tag"]},
        "put": {"tags": ["tag"], "again": ["tag"]},
    }


def test_an_action_that_does_not_fit_everywhere_changes_nothing() -> None:
    """Where actions that do not fit are left out, a match before the one that does not fit is as it was."""
    action = {"target": "$.a['deep', 'x']", "update": {"new": 1}}
    assert apply_tolerantly(DOCUMENT, overlay(action)) == (DOCUMENT, ["1: $.a['deep', 'x']"])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"target": "$.nothing", "update": {}}, r"overlay action 1 \(why\) with target \$.nothing matches nothing"),
        ({"target": "$.list[*]", "update": {}, "x-expect": 2}, "matches 3 times, but x-expect says 2"),
        ({"target": "$.a", "updaet": {}}, "unknown key 'updaet'"),
        ({"target": "$.a", "update": {}, "x-expcet": 1}, "unknown key 'x-expcet'"),
        ({"target": "$.a", "update": {}, "description": "  "}, "no description"),
        ({"target": "$.a", "update": {}, "description": None}, "no description"),
        ({"target": "$.a"}, "does nothing"),
        ({"target": "$.a", "remove": False}, "does nothing"),
        ({"target": "$.a", "remove": "yes"}, "remove must be true or false"),
        ({"target": "$.a", "update": {}, "x-optional": 1}, "x-optional must be true or false"),
        ({"target": "$.a", "update": {}, "x-expect": 0}, "x-expect must be"),
        ({"target": "$.a", "update": {}, "x-expect": True}, "x-expect must be"),
        ({"update": {}}, "has no target"),
        ({"target": "a..", "update": {}}, "no JSONPath"),
        ({"target": "$.a", "update": 1}, "its update must be an object"),
        ({"target": "$.a.x", "update": 1}, "selects a plain value"),
        ({"target": "$", "remove": True}, "would remove the whole document"),
    ],
)
def test_a_doubtful_action_is_an_error(action: dict[str, Any], message: str) -> None:
    """Whatever would silently do nothing, or something else than was meant, is refused with the action named."""
    with pytest.raises(InputError, match=message):
        apply(DOCUMENT, overlay(action))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlay": "1.1.0"}, "version must be 1.0.x, not '1.1.0'"),
        ({"overlay": 1.0}, "version must be 1.0.x"),
        ({"info": {"title": "t"}}, "title and a version"),
        ({"info": None}, "title and a version"),
        ({"actions": []}, "at least one action"),
        ({"acions": []}, "unknown key 'acions'"),
        ({"actions": ["x"]}, "overlay action 1 is not an object"),
    ],
)
def test_a_malformed_overlay_is_an_error(changes: dict[str, Any], message: str) -> None:
    """The version, the info and the shape of the overlay itself are checked."""
    with pytest.raises(InputError, match=message):
        apply(DOCUMENT, overlay({"target": "$.a", "update": {}}, **changes))


def test_an_overlay_may_be_extended() -> None:
    """`extends` and extensions at the top are part of the standard and change nothing here."""
    action = {"target": "$.a", "update": {"y": 1}}
    assert apply(DOCUMENT, overlay(action, extends="upstream.json", **{"x-note": 1}))["a"]["y"] == 1


def test_an_overlay_must_be_an_object() -> None:
    """An empty overlay file is told apart from one without actions."""
    with pytest.raises(InputError, match="not an object"):
        apply(DOCUMENT, None)
