"""Options that are True or False, checked where they are given."""

from __future__ import annotations

from .errors import ConfigurationError

__all__ = ("check_flags",)


def check_flags(**given: object) -> None:
    """Check options by their names: anything else, such as the text "no", would count as True.

    Raises:
        ConfigurationError: one is neither True nor False.
    """
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name} is True or False, not {value!r}")
