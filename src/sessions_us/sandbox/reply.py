"""An answer before it is sent, with what it leaves of the key's window."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .refusals import Refusal

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(slots=True)
class Reply:
    status: int
    content: bytes = b""
    media_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    remaining: int | None = None
    resets_in: int | None = None


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encode(result: Any) -> bytes:
    return _ENCODER.encode(result).encode()


def json_reply(status: int, result: Any) -> Reply:
    return Reply(status, encode(result), JSON)


def refused(refusal: Refusal) -> Reply:
    return json_reply(refusal.status, refusal.body())
