"""What the validator of OpenAPI refuses in a document, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import UnknownType
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from referencing.exceptions import Unresolvable

from regeneration.document import Document, InputError

_VALIDATORS = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}
_LONGEST = 300

Place = tuple[int | str, ...]


@dataclass(frozen=True)
class Rejection:
    """One error of the validator: of the alternatives that failed, the one that got furthest, since it says most."""

    place: Place
    error: Any

    @property
    def words(self) -> str:
        message = " ".join(str(self.error.message).split())
        return message if len(message) < _LONGEST else message[:_LONGEST] + " …"


def refusals(document: Document) -> Iterator[Rejection]:
    """Validate a document.

    Raises:
        InputError: it is of another version, or the validator stumbles over it.
    """
    version = str(document.get("openapi"))
    validator = _VALIDATORS.get(".".join(version.split(".")[:2]))
    if validator is None:
        raise InputError(f"the document must be OpenAPI 3.0 or 3.1, not {version!r}")
    told = False
    try:
        for error in validator(document).iter_errors():
            while error.context:
                error = max(error.context, key=lambda alternative: len(alternative.absolute_path))
            told = True
            yield Rejection(tuple(error.absolute_path), error)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError, UnknownType, Unresolvable) as problem:
        if told:  # over what it has refused already
            return
        raise InputError(f"not valid OpenAPI; the validator stumbles over {problem!r}") from problem
