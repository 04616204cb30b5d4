"""Numbers that Python does not read, or JSON does not have: each costs its own field, and nothing else of the answer."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sessions_us import BookingPage, DecodeError, NotFoundError, Quota, SchemaDrift, UserClient
from sessions_us.webhooks import SessionData, parse_webhook

pytestmark = pytest.mark.anyio

LONG = "9" * 5000
ODD = [LONG, f"-{LONG}", "1e999999", f"1{'0' * 5000}.5", "NaN", "Infinity", "-Infinity", "9" * 4000]


def client(body: str, status: int = 200, **options: Any) -> UserClient:
    """A client whose server answers with this body, whatever it is asked."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body.encode()))
    return UserClient(
        f"k-{uuid4()}", base_url="http://localhost", transport=transport, quota=Quota(1000), retries=0, **options
    )


@pytest.mark.parametrize("number", ODD, ids=lambda number: f"{number[:3]}_{len(number)}")
async def test_a_number_costs_no_page(number: str) -> None:
    """All rows are there, and what their other fields say."""
    page = f'[{{"id": "a"}}, {{"id": "b", "name": "n", "duration": {number}, "x": [{number}]}}, {{"id": "c"}}]'
    async with client(page) as user:
        rows = await user.booking_pages.list().collect()
    assert [row.id for row in rows] == ["a", "b", "c"]
    assert rows[1].name == "n"


@pytest.mark.parametrize("number", [LONG, f"-{LONG}"], ids=["positive", "negative"])
async def test_a_long_number_is_kept_as_text(number: str) -> None:
    """Its field is None, with an event; unknown fields keep it too. The row can be copied, stored and written as JSON."""
    drifts: list[SchemaDrift] = []

    def on_event(event: object) -> None:
        if isinstance(event, SchemaDrift):
            drifts.append(event)

    async with client(f'{{"id": "a", "duration": {number}, "new": {{"n": {number}}}}}', on_event=on_event) as user:
        page = await user.booking_pages.get("a")
    assert page.duration is None
    assert page.additional_properties == {"duration": number, "new": {"n": number}}
    assert {(drift.field, drift.problem) for drift in drifts} >= {
        ("duration", "unexpected type"),
        ("new", "unknown field"),
    }
    assert json.loads(json.dumps(page.to_dict()))["duration"] == number
    assert BookingPage.from_dict(page.to_dict()) == page == pickle.loads(pickle.dumps(page)) == copy.deepcopy(page)


async def test_a_long_number_is_no_text_of_a_field() -> None:
    """Where text belongs it is a surprise like any other number; as an id it is a name."""
    async with client(f'[{{"id": {LONG}, "name": {LONG}}}]') as user:
        (row,) = await user.booking_pages.list().collect()
    assert (row.id, row.name, row.additional_properties["name"]) == (LONG, None, LONG)
    async with client(f'{{"id": "a", "duration": {LONG}}}', strict=True) as user:
        with pytest.raises(DecodeError, match="unexpected type at duration"):
            await user.booking_pages.get("a")


async def test_raw_answers_and_errors_have_it() -> None:
    """`request` returns all else of the body; the body of an error stays what it is, and its message is told."""
    async with client(f'{{"n": {LONG}, "m": 7}}') as user:
        assert await user.request("GET", "/api/new") == {"n": LONG, "m": 7}
    async with client(f'{{"n": {LONG}, "message": "gone"}}', 404) as user:
        with pytest.raises(NotFoundError, match=r"answered 404: gone$") as caught:
            await user.booking_pages.get("a")
    assert caught.value.body == {"n": LONG, "message": "gone"}


def test_a_webhook_has_it() -> None:
    """The delivery is read, also where the object comes as a string of JSON."""
    plain = parse_webhook(f'{{"trigger": "SESSION_CREATED", "data": {{"session": {{"id": "s1", "name": {LONG}}}}}}}')
    inner = json.dumps(f'{{"id": "s1", "name": {LONG}}}')
    nested = parse_webhook(f'{{"trigger": "SESSION_CREATED", "data": {{"session": {inner}}}}}')
    for webhook in (plain, nested):
        assert isinstance(webhook.data, SessionData)
        assert webhook.data.session.name is None
        assert webhook.data.session.additional_properties == {"name": LONG}


@pytest.mark.parametrize("body", [f"[{LONG}", f"{LONG} 1", b'{"a": ' + LONG.encode() + b', "b": "\xff"}'])
async def test_what_is_no_json_still_is_none(body: str | bytes) -> None:
    """A long number excuses nothing else."""
    text = body if isinstance(body, str) else body.decode("latin-1")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=text.encode("latin-1")))
    async with UserClient(f"k-{uuid4()}", base_url="http://localhost", transport=transport, retries=0) as user:
        with pytest.raises(DecodeError, match="no JSON"):
            await user.request("GET", "/api/new")


@pytest.mark.parametrize("number", ODD, ids=lambda number: f"{number[:3]}_{len(number)}")
async def test_a_row_with_an_odd_number_is_an_answer_of_fastapi(number: str) -> None:
    """An endpoint returns it as it returns any row."""
    async with client(f'{{"id": "a", "name": "n", "duration": {number}, "x": {number}}}') as user:
        row = await user.booking_pages.get("a")
    app = FastAPI()

    @app.get("/")
    async def page() -> BookingPage:
        return row

    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.json()["name"]) == (200, "n")
