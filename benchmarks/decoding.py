"""What models cost: a page of 20 sessions decoded from its text, against `json.loads` of that text.

What the parts take by themselves stands beside: `json.loads`, the date-times, and the attrs models called with values that need
no look. githubkit reads the text with pydantic's own parser.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

from sessions_us_api.models.session import Session
from sessions_us_api.types import Model

from benchmarks.clients import generated, typed
from benchmarks.figures import Figure
from benchmarks.rows import flat, nested
from benchmarks.turns import in_turns
from sessions_us._calls.decoding import Decoder

__all__ = ("measure",)

MODELS = "the models alone"


async def measure(quick: bool) -> list[Figure]:
    """The figures of decoding."""
    _check()
    figures = []
    for row, kind, goal in ((flat, "flat", 3.0), (nested, "nested", 3.5)):
        text = json.dumps([row(number) for number in range(20)])
        works = {name: _awaited(work) for name, work in ways(text).items()}
        took = await in_turns(works, turns=40 if quick else 400, block=5)
        base, ours = took.pop("json.loads"), took.pop("sessions-us")
        beside = {name: each / base for name, each in took.items()}
        why = f"{beside[MODELS]:.2f} of it are `json.loads`, date-times and models; the rest is the look at each value"
        figures.append(
            Figure(f"decoding a page of 20, {kind}, against json.loads", ours / base, "ratio", goal, beside, why)
        )
    return figures


def ways(text: str) -> dict[str, Callable[[], object]]:
    """What reads a page, by name."""
    from githubkit import GitHubModel
    from githubkit.compat import type_validate_json
    from openai import BaseModel

    theirs, validated = typed(Session, BaseModel), typed(Session, GitHubModel)
    many: Any = list[validated]  # type: ignore[valid-type]
    plain = generated("models.session").Session
    made = list(_constructions([Decoder()(row, Session) for row in json.loads(text)]))
    moments = [value for _, values in made for value in values.values() if isinstance(value, datetime)]
    dates = [moment.isoformat() for moment in moments]

    def models_alone() -> object:
        json.loads(text)
        for date in dates:
            datetime.fromisoformat(date)
        return [model(**values) for model, values in made]

    return {
        "json.loads": lambda: json.loads(text),
        "sessions-us": lambda: Decoder()(json.loads(text), list[Session]),
        MODELS: models_alone,
        "openai-python": lambda: [theirs.construct(**row) for row in json.loads(text)],
        "githubkit": lambda: type_validate_json(many, text),
        "generated client": lambda: [plain.from_dict(row) for row in json.loads(text)],
    }


def _constructions(models: list[Any]) -> Iterator[tuple[type[Model], dict[str, Any]]]:
    """Each model of a page with the values that it is made of."""
    for model in models:
        values = {field.name: getattr(model, field.name) for field in model.wire_fields()}
        values = {name: value for name, value in values.items() if value is not None}
        for value in values.values():
            yield from _constructions([each for each in _items(value) if isinstance(each, Model)])
        yield type(model), values


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _awaited(work: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def awaited() -> object:
        return work()

    return awaited


def _check() -> None:
    """What is measured keeps what is unknown, and tells of it."""
    decoder = Decoder()
    model = decoder({**flat(1), "visits": 7}, Session)
    if model.additional_properties != {"visits": 7} or [field for field, _ in decoder.drifts] != ["visits"]:
        raise SystemExit("An unknown field was lost, or not told: there is nothing to measure.")
