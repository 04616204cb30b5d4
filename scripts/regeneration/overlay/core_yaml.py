"""YAML as JSON sees it: the core schema of YAML 1.2, with strings for keys and nothing shared.

PyYAML reads YAML 1.1, where `on` is true, `2026-01-02` is a date and the key `200` is a number: none of them would
match anything in an OpenAPI document. Only its parser is used here; what a scalar means is decided below. The libraries
for YAML 1.2 are no shorter way: ruamel.yaml still reads dates, and 1_000 as a number; py-yaml12 takes the second of two
equal keys in silence, and gives numbers as keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from regeneration.document import InputError

_WORDS = {"": None, "~": None, **dict.fromkeys(("null", "Null", "NULL"))}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

#: Characters, with every alias written out. Nine lines of YAML can otherwise stand for gigabytes.
MAX_EXPANDED = 20_000_000


class _Loader(yaml.SafeLoader):
    """Guesses nothing: every untagged plain scalar reaches us as text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml's own declaration


@cache
def parse_yaml(data: bytes, name: str) -> Any:
    """Parse one YAML document into JSON values, which callers leave as they are.

    Raises:
        InputError: not YAML, a key given twice, a tag, or a value that JSON does not know.
    """
    try:
        node = yaml.compose(data.decode(), Loader=_Loader)
        if node is not None and _expanded(node, {}) > MAX_EXPANDED:
            raise InputError(f"{name}: its aliases expand to more than {MAX_EXPANDED // 1_000_000} MB")
        return None if node is None else _value(node, name, ())
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a number of thousands of digits
        raise InputError(f"{name} is not usable YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply") from error


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """About how many characters a node stands for. One that contains itself counts once; _value refuses it."""
    if id(node) not in sizes:
        sizes[id(node)] = 1
        if isinstance(node, yaml.ScalarNode):
            sizes[id(node)] += len(node.value)
        elif isinstance(node, yaml.MappingNode):
            sizes[id(node)] += sum(_expanded(part, sizes) for pair in node.value for part in pair)
        else:
            sizes[id(node)] += sum(_expanded(item, sizes) for item in node.value)
    return sizes[id(node)]


def _value(node: yaml.Node, name: str, above: tuple[yaml.Node, ...]) -> Any:
    place = f"{name}, line {node.start_mark.line + 1}"
    if any(node is ancestor for ancestor in above):
        raise InputError(f"{place}: an alias contains itself")
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag[18:] not in {"str", "seq", "map"}:
        raise InputError(f"{place}: the tag {node.tag} has no meaning in JSON; leave it out")
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style is not None else _plain(node.value, place)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, name, (*above, node)) for item in node.value]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"{place}: a key must be a plain word")
        if key_node.value == "<<" and key_node.style is None and not isinstance(value_node, yaml.ScalarNode):
            raise InputError(f"{place}: the merge key << is not of YAML 1.2; write out what it takes in, or give JSON")
        if key_node.value in result:
            raise InputError(f"{name}, line {key_node.start_mark.line + 1}: the key {key_node.value!r} appears twice")
        result[key_node.value] = _value(value_node, name, (*above, node))
    return result


def _plain(text: str, place: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    for pattern, number in _NUMBERS:
        if pattern.fullmatch(text):
            return number(text)
    if _NOT_JSON.fullmatch(text):
        raise InputError(f"{place}: JSON has no {text}")
    return text
