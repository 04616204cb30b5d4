"""Reading, writing and following an OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from regeneration.document import InputError, copied, dump_json, follow, parse_json
from regeneration.pull.published import check, decode


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "b": {"x": 1, "x": 2}}', "f is not usable JSON: the key 'x' appears twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[]", "f is not a JSON object"),
        (b"{", "f is not usable JSON"),
        (b'{"a": "\xff"}', "f is not usable JSON"),
        (b"[" * 100_000, "f is not usable JSON"),
    ],
)
def test_what_is_not_a_json_object_is_refused(data: bytes, message: str) -> None:
    """Nothing is lost to a key given twice, and nothing is read that could not be written again."""
    with pytest.raises(InputError, match=message):
        parse_json(data, "f")


def test_json_is_written_in_one_way() -> None:
    """Order and letters stay as they are; there is a newline at the end."""
    assert dump_json({"b": "é", "a": [1]}) == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'.encode()


@pytest.mark.parametrize("value", [float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_not_written(value: Any) -> None:
    """A number beyond a float and half a character are errors, not output that nobody can read."""
    with pytest.raises(InputError, match="cannot be written as JSON"):
        dump_json({"a": value})


def test_a_reference_is_followed_through_escapes_and_chains() -> None:
    """The escapes of JSON Pointer and of URLs, list indices, and references to references."""
    document: dict[str, Any] = {"a/b~c d": [{"x": 1}, {"$ref": "#/a~1b~0c%20d/0"}], "plain": 2}
    assert follow(document, {"$ref": "#/a~1b~0c%20d/1"}) == {"x": 1}
    assert follow(document, 3) == 3


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("#/none", "leads nowhere"),
        ("#/list/7", "leads nowhere"),
        ("#/loop", "leads back to itself"),
        ("other.json", "leads out"),
    ],
)
def test_a_reference_must_lead_somewhere(reference: str, message: str) -> None:
    """Nowhere, in a circle or out of the document is an error that names the reference."""
    document: dict[str, Any] = {"list": [], "loop": {"$ref": "#/loop"}}
    with pytest.raises(InputError, match=message):
        follow(document, {"$ref": reference})


def test_a_copy_shares_nothing() -> None:
    """Not even what the original shared with itself."""
    inner: list[int] = [1]
    copy = copied({"a": inner, "b": [inner]})
    assert copy == {"a": [1], "b": [[1]]}
    assert copy["a"] is not inner
    assert copy["b"][0] is not copy["a"]


def test_text_that_begins_as_utf_16_does_is_read_so() -> None:
    """Some tools of Windows write nothing else."""
    text = '{"openapi": "3.0.3"}'
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        data = text.encode(encoding)
        mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
        assert decode(mark + data, "", "f") == text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"webhooks": {"flown": {}}}, "f has webhooks and no operations; pull the document of the API"),
        (
            {"paths": {"/a": {"$ref": "a.yaml#/get"}}},
            "make one document of it with `npx @redocly/cli bundle FILE -o openapi.json`",
        ),
        (
            {"paths": {"/a": {"$ref": "#/gone"}}},
            "f: the reference #/gone leads nowhere; correct it in a copy of the document, and give that instead$",
        ),
    ],
)
def test_what_is_no_whole_document_says_what_to_pull(document: dict[str, Any], message: str) -> None:
    """A document of webhooks alone, and one in several files."""
    with pytest.raises(InputError, match=message):
        check({"openapi": "3.1.0", **document}, "f")
