"""Pages that should hold an OpenAPI document, and may hold anything: what the fuzz session throws at `scripts/`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from regeneration.document import InputError
from regeneration.pull import find as pull
from regeneration.pull import page, published

__all__ = ("FILES", "PAGES", "PLANTED", "files", "pages", "planted")

DOCUMENT = (
    '{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/api/rooms": {"get": {"responses": {}}}}}'
)
PIECES = [
    *["<script>", "</script>", "<script src=a.js>", '<script src="swagger-ui-init.js">', '<script type="application/json">'],
    *["<!--", "-->", "<![CDATA[", "]]>", "<!", "<!doctype html>", "<![", "<![if x]>", "<![x[", "<!doctype x [", "<!ELEMENT"],
    *["<?", "?>", "</", "<a href='", "&#x0;", "&amp;", "<", ">"],
    *["<base href='//[x'>", "<base href='/docs/'>", "<link rel=service-desc href='/o.json'>", "<redoc spec-url=/o.json>"],
    *['"swaggerDoc": ', "swaggerDoc = ", "spec: ", "url: ", '"url": "http://[', "'https://x.test/openapi.json'", "Redoc.init("],
    *["__redoc_state = ", "JSON.parse('", "JSON.parse(", "{", "}", "[", "]", "(", ")", ":", ",", ";", "=", "=>", "==", "|", "&"],
    *['"', "'", "`", "\\", "\\u", "\\x4", "\\u{110000}", "\\ud800", "${", "$&", "/", "//", "/*", "*/", "/[", "\n", "\r", "\0"],
    *['{"openapi": ', '{"swagger": "2.0"', '"3.0.3"', '"paths": ', "{}", "null", "NaN", "-0", "1e999", "9" * 5000, "\u2028"],
    *["openapi: 3.0.3\n", "swagger: '2.0'\n", "info: {title: t}\n", "paths:\n", "  /api/rooms: {}\n", "- "],
    *["'", "&a ", "*a", "!!python/x ", "%", "<<: *a\n", "? ", "| \n", "--- ", "...", "\t", "0x1", "2001-01-01"],
    *["1:2:3", "\ufeff", "é", "[" * 500, '{"a":' * 500],
    DOCUMENT,
]  # fmt: skip
PAGES = st.text(max_size=60) | st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=14).map("".join)
FILES = st.tuples(
    st.sampled_from(["d.json", "d.yaml", "d.html", "d.js", "d", "d.yml"]),
    st.binary(max_size=60)
    | PAGES.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.tuples(PAGES, st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "cp1252"])).map(
        lambda each: each[0].encode(each[1], "replace")
    ),
)
WRAPPINGS = [
    '<html><script>window.onload = function() {{ var options = {{\n  "swaggerDoc": {0},\n  "customOptions": {{}} }}; }}</script>',
    "<!-- {1} --><script>var a = {2}; SwaggerUIBundle({{ spec: {0}, dom_id: '#x' }})</script>",
    '<p title={2}></p><script>__redoc_state = {{"menu": {2}, "spec": {{"data": {0}}}}};</script>',
    "<script>/* {1} */ Redoc.init({0}, {{}}, e)</script><script>{2}</script>",
    "<script type='application/json'>{0}</script>",
    "<script>// {3}\nconst spec = {0};</script>",
]
PLANTED = st.tuples(st.sampled_from(WRAPPINGS), st.text(max_size=30), st.text(max_size=30))


def pages(text: str) -> None:
    """Nothing raises, and what is said to be a document is one."""
    for name in ("", "x.js", "x.yaml"):
        assert published.form_of(text, "", name) in {"json", "yaml", None}
    for embedded in page.read_page(text).embedded:
        assert {"openapi", "swagger"} & set(json.loads(embedded))


def planted(data: tuple[str, str, str]) -> None:
    """A document in a page is found, whatever stands around it in comments, strings and attributes."""
    wrapping, prose, value = data
    prose = prose.replace("<", "(").replace(">", ")").replace("*/", "").replace("--", "")
    literal = json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e")
    line = "".join(prose.splitlines())
    found = page.read_page(wrapping.format(DOCUMENT, prose, literal, line)).embedded
    assert [json.loads(each) for each in found] == [json.loads(DOCUMENT)]


def files(data: tuple[str, bytes | str]) -> None:
    """A file is taken in, or refused in one line."""
    name, body = data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        try:
            pulled = pull.pull(str(path), b"urls = []", ["/api/rooms"])
            assert isinstance(json.loads(pulled.data), dict)
        except InputError as error:
            refusal = str(error)
        else:
            return
    assert refusal.strip()
    assert len(refusal.splitlines()) == 1
