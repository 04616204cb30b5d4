"""What the API answers when it does not do what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import responses


class Refusal(Exception):
    """An answer with an error status and the body `{statusCode, message, error}`.

    The body is the shape of a NestJS server, which is the likeliest server and not a proven one. `message` is a string, or
    an array of strings where fields were refused.
    """

    def __init__(self, status: int, message: str | Sequence[str]) -> None:
        super().__init__(status)
        self.status = status
        self.message: str | list[str] = message if isinstance(message, str) else list(message)

    def body(self) -> dict[str, object]:
        return {"statusCode": self.status, "message": self.message, "error": responses.get(self.status, "Unknown")}


def not_found(noun: str) -> Refusal:
    return Refusal(404, f"{noun} not found")
