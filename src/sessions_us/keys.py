"""API keys as secrets: a key is never printed, logged or pickled, and is redacted from what a server sends."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import shlex
import stat
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from .errors import ConfigurationError
from .events import Role

__all__ = ("GuestKey", "UserKey")

_REDACTED = "[api key]"
_SIGNS = "\\%&\x00"
"""What is in a text that may hold a key in another form."""

_ENTITIES = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}
_LONGEST_FILE = 8192  # bytes; no key is longer, and a file that is was given by mistake


class ApiKey:
    """The base class of `UserKey` and `GuestKey`. Any one-line, header-safe string is a usable key.

    Raises:
        ConfigurationError: the string can't be sent in a header. The message does not quote it.
    """

    __slots__ = ("__value",)
    variable: ClassVar[str]
    role: ClassVar[Role]

    def __init__(self, value: str) -> None:
        problem = _problem(value)
        if problem is not None:
            del value  # a traceback that prints locals must not print it
            raise self._refusal(problem)
        self.__value = value

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the key from a file that holds it and nothing else but a line break at its end.

        Args:
            path: a regular file of this user that nobody else can use (mode 600), or one of root's, such as a mounted secret,
                that at most its group can read (mode 440). A link to one will do.

        Raises:
            ConfigurationError: the file can't be read, others can use it, or what it holds is no key. The message does not
                quote it.
        """
        found = cls._in_file(os.fspath(path))
        if isinstance(found, ConfigurationError):
            raise found
        return found

    @classmethod
    def is_set(cls) -> bool:
        """Return whether the environment has this key, or names a file with it."""
        return bool(os.environ.get(f"{cls.variable}_FILE") or os.environ.get(cls.variable))

    @classmethod
    def resolve(cls, given: str | ApiKey | None) -> Self | ConfigurationError:
        """Return the given key, or the key in the environment, or the error to raise if there is no usable key.

        In the environment the file of `SESSIONS_…_KEY_FILE` goes before the key of `SESSIONS_…_KEY`. The error is returned, not
        raised, so that no frame that holds the string is in its traceback.
        """
        if isinstance(given, ApiKey):
            if isinstance(given, cls):
                return given
            return ConfigurationError(
                f"A {type(given).__name__} was given where a {cls.__name__} is needed: a {cls.role} client takes only "
                f"keys of the role {cls.role}. Pass a {cls.__name__} or set {cls.variable}."
            )
        if given is None and (file := os.environ.get(f"{cls.variable}_FILE")):
            return cls._in_file(file, f"{cls.variable}_FILE: ")
        value = os.environ.get(cls.variable) if given is None else given
        problem = "there is none" if value is None else _problem(value)
        return cls._refusal(problem) if problem is not None or value is None else cls(value)

    @classmethod
    def _in_file(cls, path: str, named_by: str = "") -> Self | ConfigurationError:
        """Return the key in a file, or the error to raise."""
        value, problem = _held(path)
        problem = problem or _problem(value)
        if problem is None:
            return cls(value)
        # A key that was put where its file belongs must not be shown.
        shown = f" {path!r}" if not named_by or Path(path).exists() else ""
        return ConfigurationError(f"{named_by}the key file{shown} is no place for a {cls.role} key: {problem}")

    @classmethod
    def _refusal(cls, problem: str | None) -> ConfigurationError:
        return ConfigurationError(
            f"No usable {cls.role} key: {problem}. Set {cls.variable} or {cls.variable}_FILE, or pass the key as the client's "
            "first argument."
        )

    def reveal(self) -> str:
        """Return the secret, for the header that carries it."""
        return self.__value

    def digest(self, purpose: str) -> str:
        """Return a one-way digest of the key: 32 hexadecimal digits, different for each purpose."""
        return hmac.new(self.__value.encode(), purpose.encode(), hashlib.sha256).hexdigest()[:32]

    def redact(self, text: str) -> str:
        """Return a text with this key redacted: as it is, and as JSON, a URL or HTML escapes it, how often ever."""
        text = text.replace(self.__value, _REDACTED)
        return re.sub(_escaped(self.__value), _REDACTED, text) if any(sign in text for sign in _SIGNS) else text

    def redact_bytes(self, body: bytes) -> bytes:
        """Return an undecoded body with this key redacted, likewise."""
        return self.redact(body.decode("latin-1")).encode("latin-1")

    def redact_name(self, name: str) -> str:
        """Return the name of a header, redacted if it holds this key, in capitals or not: httpx makes small letters of it."""
        return _REDACTED if self.__value.lower() in name.lower() else self.redact(name)

    def redact_json(self, value: Any) -> Any:
        """Return decoded JSON with this key redacted. Decoding removed all escapes that may hide the key."""
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {self.redact(name): self.redact_json(item) for name, item in value.items()}
            case list():
                return [self.redact_json(item) for item in value]
            case _:
                return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}('…')"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.digest("hash"))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} can't be pickled, because it is a secret. Read it again from {self.variable}."
        )


class UserKey(ApiKey):
    """A key of the role USER: general use of the API. `UserClient` reads it from the environment unless given:
    the file of `SESSIONS_USER_KEY_FILE`, else `SESSIONS_USER_KEY`."""

    __slots__ = ()
    variable = "SESSIONS_USER_KEY"
    role: ClassVar[Role] = "USER"


class GuestKey(ApiKey):
    """A key of the role GUEST: guest requests only. `GuestClient` reads it from the environment unless given: the
    file of `SESSIONS_GUEST_KEY_FILE`, else `SESSIONS_GUEST_KEY`."""

    __slots__ = ()
    variable = "SESSIONS_GUEST_KEY"
    role: ClassVar[Role] = "GUEST"


def _problem(value: object) -> str | None:
    """Return why a string can't be the value of a header; None if it can. The text does not quote the string."""
    if not isinstance(value, str):
        return f"it is a {type(value).__name__}, not a string"
    if not value.strip():
        return "it is blank"
    if len(value.splitlines()) > 1 or value[-1] in "\r\n":
        return "it has more than one line (a line break at its end counts)"
    if value != value.strip():
        return "it starts or ends with white space"
    if not all("\x20" <= character <= "\x7e" or character == "\t" for character in value):
        return "it has characters that an HTTP header can't carry (control characters, or letters beyond ASCII)"
    return None


def _escaped(key: str) -> str:
    """Return a pattern of all that JSON, URLs, HTML and UTF-16 make of a key, also of JSON within JSON. No run of backslashes
    makes it slow."""
    return "".join(map(_any_form, key))


def _any_form(letter: str) -> str:
    code, plain = ord(letter), "[\tt]" if letter == "\t" else re.escape(letter)
    entity = rf"(?i:&(?:#0*{code}|#x0*{code:x}|{_ENTITIES.get(letter, f'#{code}')});)"
    return rf"(?:\\{{0,8}}(?:{plain}|{entity})|\\{{1,8}}(?i:u{code:04x})|(?i:%(?:25)*{code:02x}))\x00*"


def _held(path: str) -> tuple[str, str | None]:
    """Return the text of a private file without the line break at its end, and why the file is no place for a key."""
    try:
        # A pipe without a writer must not block. `fstat` of the open file can't be about another file.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:  # ValueError: no path has such characters
        return "", f"it can't be read ({getattr(error, 'strerror', error)})"
    try:
        exposure = _exposure(path, os.fstat(descriptor))
        held = b"" if exposure else os.read(descriptor, _LONGEST_FILE + 1)
    except OSError as error:
        return "", f"it can't be read ({error.strerror})"
    finally:
        os.close(descriptor)
    if len(held) > _LONGEST_FILE:
        return "", "it is too long; it must hold a key, and nothing else"
    return held.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r"), exposure


def _exposure(path: str, about: os.stat_result) -> str | None:
    """Return why a file is no place for a key; None if it is one."""
    if not stat.S_ISREG(about.st_mode):
        return "it is no regular file"
    if os.name != "posix":
        return None  # on other systems the mode does not show who can read it
    mine = about.st_uid == os.geteuid()
    if not mine and about.st_uid != 0:
        return "it belongs to another user: copy it to a file of your own"
    if about.st_mode & (0o077 if mine else 0o037):
        return f"others can use it: run `chmod {600 if mine else 440} {shlex.quote(path)}`"
    return None
