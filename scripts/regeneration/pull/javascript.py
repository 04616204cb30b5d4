"""JavaScript read as a row of tokens, to find what a page assigns to a name. Nothing is ever run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]++|\\.)*+"|' r"'(?:[^'\\\n]++|\\.)*+'|`(?:[^`\\]++|\\.)*+`", re.DOTALL)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,200}+\]){1,1000}+/[a-z]*")
_WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_SPACE = re.compile(r"\s*")
#: So many quotes that nothing closes are no JavaScript; each of them costs a look at all that follows it.
_MAX_UNCLOSED = 100
#: After one of these a slash begins a regular expression; after anything else it divides.
_BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*%<>~^")
_KEYWORDS_BEFORE_REGEX = {"return", "typeof", "case", "in", "of"}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_INTERPOLATION = re.compile(r"\$\{[^{}]*\}")


@dataclass(frozen=True)
class Token:
    """One token; `text` of a string is its value, and of everything else what stands there."""

    kind: str  # string, word, mark
    text: str
    start: int
    end: int


def tokens(source: str, position: int = 0) -> Iterator[Token]:
    """The tokens from a position on, without comments and regular expressions.

    What cannot be a token (a quote that nothing closes) is given as a mark, and reading goes on behind it: this has to
    survive code that is damaged or newer than we know.
    """
    previous, unclosed = "", 0
    while (position := _after_space(source, position)) < len(source):
        if source[position] == "/":
            skipped = _COMMENT.match(source, position)
            if skipped is None and (not previous or previous in _BEFORE_REGEX or previous in _KEYWORDS_BEFORE_REGEX):
                skipped = _REGEX.match(source, position)
                previous = "/" if skipped else previous
            if skipped is not None:
                position = skipped.end()
                continue
        token = _token(source, position)
        position, previous = token.end, "string" if token.kind == "string" else token.text
        unclosed += token.kind == "mark" and token.text in "\"'`"
        if unclosed > _MAX_UNCLOSED:
            return
        yield token


def _after_space(source: str, position: int) -> int:
    match = _SPACE.match(source, position)
    return match.end() if match else position


def _token(source: str, position: int) -> Token:
    if match := _STRING.match(source, position):
        return Token("string", _value(match[0]), position, match.end())
    if match := _WORD.match(source, position):
        return Token("word", match[0], position, match.end())
    return Token("mark", source[position], position, position + 1)


def _value(literal: str) -> str:
    if literal[0] == '"':
        try:
            return str(json.loads(literal))
        except ValueError:
            pass  # JavaScript has escapes that JSON lacks
    inner = _INTERPOLATION.sub("", literal[1:-1]) if literal[0] == "`" else literal[1:-1]
    return _ESCAPE.sub(_unescape, inner)


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is None:
        return _LETTERS.get(match[4], match[4])
    return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else match[0]
