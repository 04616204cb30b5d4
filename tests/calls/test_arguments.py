from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_us import FormAnswer
from sessions_us._calls.arguments import json_body, path_id, several, slug_from, wire_datetime
from sessions_us._send.origin import Origin


@pytest.mark.parametrize("value", ["", ".", "..", "a\x00", "a\nb", "\x7f", "\x85", "\ud800"])
def test_an_id_cant_change_the_path(value):
    """Empty, dot segments, control characters and lone surrogates never reach a URL."""
    with pytest.raises(ValueError, match="id"):
        path_id(value)


@pytest.mark.parametrize("value", [None, 7, b"x"])
def test_an_id_is_a_string(value):
    """None is a mistake of the caller's that str() would hide."""
    with pytest.raises(TypeError, match="id must be a string"):
        path_id(value)


@given(st.text(min_size=1))
def test_any_other_id_stays_one_segment(value):
    """Slashes, question marks, percent signs and every script are encoded: the path keeps its shape."""
    try:
        path_id(value)
    except ValueError:
        return

    url = (
        Origin.of("https://api.test", allow_http=False).base_url + f"/api/sessions/{quote(value, safe='')}/participants"
    )

    assert url.startswith("https://api.test/api/sessions/")
    assert url.count("/") == 6
    assert not {"?", "#", "\\", " "} & set(url)


@pytest.mark.parametrize(
    ("moment", "wire"),
    [
        (datetime(2026, 5, 4, 9, tzinfo=UTC), "2026-05-04T09:00:00.000Z"),
        (datetime(2026, 5, 4, 9, 0, 0, 123_999, tzinfo=UTC), "2026-05-04T09:00:00.123Z"),
        (datetime(2026, 5, 4, 9, tzinfo=timezone(timedelta(hours=3))), "2026-05-04T06:00:00.000Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2025-12-31T19:00:00.000Z"),
    ],
)
def test_a_moment_goes_out_in_utc(moment, wire):
    """Whatever its zone was."""
    assert wire_datetime(moment) == wire


def test_a_naive_moment_is_refused_wherever_it_is():
    """Also inside lists and objects, and in `extra`."""
    naive = datetime(2026, 5, 4, 9)

    for fields, extra in (({"startAt": naive}, None), ({"guests": [{"at": naive}]}, None), ({}, {"x": [naive]})):
        with pytest.raises(ValueError, match="no time zone"):
            json_body(fields, extra)


def test_extra_wins_in_a_body():
    """None is left out, null goes through extra, extra is merged last under its wire names."""

    class Colour(StrEnum):
        RED = "red"

    body = json_body(
        {"name": "a", "slug": None, "colour": Colour.RED, "flag": False, "guests": ["x", {"id": 1}]},
        {"name": "b", "description": None, "deep": {"list": [1, None]}},
    )

    assert body == {
        "name": "b",
        "colour": "red",
        "flag": False,
        "guests": ["x", {"id": 1}],
        "description": None,
        "deep": {"list": [1, None]},
    }
    assert type(body["colour"]) is str


def test_nothing_to_say_is_no_body():
    """An empty object would be a body with a Content-Type."""
    assert json_body({"name": None}) is None
    assert json_body({}, {}) is None


def test_extra_must_be_a_mapping():
    """A list of pairs is a mistake that would be sent as something else."""
    with pytest.raises(TypeError, match="extra"):
        json_body({}, [("a", 1)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "slug"),
    [("My Best Event", "my-best-event"), ("  Q&A: 2026!  ", "qa-2026"), ("a -- b", "a-b"), ("Café 9", "caf-9")],
)
def test_a_slug_is_the_integrations_slug(name, slug):
    """Trimmed, lower case, ASCII word characters, single hyphens."""
    assert slug_from(name) == slug


@pytest.mark.parametrize("name", ["", "!!!", "---", "Встреча"])
def test_a_name_without_a_slug_asks_for_one(name):
    """Better than a refusal by the server, which costs a request."""
    with pytest.raises(ValueError, match="slug="):
        slug_from(name)


def test_one_string_is_not_several():
    """`emails="ada@example.com"` would go out as no array at all; nothing is sent."""
    with pytest.raises(TypeError, match=r"emails=\[…\] even for one"):
        several("ada@example.com", "emails")

    assert several(("a", "b"), "emails") == ["a", "b"]
    assert several(None, "emails") is None


def test_a_model_goes_out_under_its_wire_names():
    """What was read can be sent again, in `extra` or in a list."""
    assert json_body({"form": [FormAnswer(question="Name", answer="Ada")]}) == {
        "form": [{"question": "Name", "answer": "Ada"}]
    }
