"""What visitors type, checked before anything is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")
_MOST_GUESTS = 10


@dataclass
class Form:
    """A form as it was sent.

    Attributes:
        values: what was typed, by field; kept for showing it again.
        errors: what is wrong, by field; in the order of the fields.
        trouble: what went wrong with the form as a whole.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def is_valid(self) -> bool:
        return not self.errors

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def guests(self) -> list[str]:
        """Who else comes: addresses with commas, semicolons or space between them."""
        return [each for each in re.split(r"[\s,;]+", self.value("guests")) if each]


def booking(name: str, email: str, guests: str) -> Form:
    """The form for booking a time."""
    form = Form({"name": name.strip(), "email": email.strip(), "guests": guests.strip()})
    _check_name(form, "name", "Enter your name")
    _check_email(form)
    others = form.guests()
    wrong = [each for each in others if not _EMAIL.fullmatch(each)]
    if wrong:
        form.errors["guests"] = f"“{wrong[0][:60]}” is not an e-mail address. Separate addresses with commas"
    elif len(others) > _MOST_GUESTS:
        form.errors["guests"] = f"Name {_MOST_GUESTS} people at most"
    return form


def registration(first_name: str, last_name: str, email: str) -> Form:
    """The form for an event."""
    form = Form({"first_name": first_name.strip(), "last_name": last_name.strip(), "email": email.strip()})
    _check_name(form, "first_name", "Enter your first name")
    if len(form.value("last_name")) > 100:
        form.errors["last_name"] = "Use 100 characters at most"
    _check_email(form)
    return form


def _check_name(form: Form, name: str, missing: str) -> None:
    if not form.value(name):
        form.errors[name] = missing
    elif len(form.value(name)) > 100:
        form.errors[name] = "Use 100 characters at most"


def _check_email(form: Form) -> None:
    value = form.value("email")
    if not value:
        form.errors["email"] = "Enter your e-mail address"
    elif not _EMAIL.fullmatch(value) or len(value) > 254:
        form.errors["email"] = "Enter an e-mail address such as ada@example.com"
