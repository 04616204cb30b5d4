"""What a pull refuses: one clear line, exit status 2, nothing written."""

from __future__ import annotations

import ast
import gzip
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.pull import fetching
from regeneration.pull.find import pull
from support.further import further
from support.website import Reply, Website, website

Regenerate = Callable[..., "subprocess.CompletedProcess[str]"]
Snapshot = Callable[[Path], dict[str, bytes]]
RECORD = b"urls = []\n"
HEAD = b"openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {200: {description: ok}}}}}\n"
LAUGHS = b"a0: &a0 lol\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)
)
PETSTORE = b"https://petstore.swagger.io/v2/swagger.json"


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as running:
        yield running


@pytest.fixture
def elsewhere(upstream: dict[str, Any]) -> Iterator[Website]:
    """Another origin, which has a document for everybody who comes."""
    with website() as running:
        running.otherwise = Reply(json.dumps(upstream).encode(), "application/json")
        yield running


def page(text: bytes) -> Reply:
    return Reply(b"<!DOCTYPE html><html><body>" + text + b"</body></html>")


def nested(depth: int) -> bytes:
    return b'{"openapi": "3.0.0", "paths": {"/a": ' + b'{"a": ' * depth + b"1" + b"}" * depth + b"}}"


REFUSED: dict[str, tuple[Reply, str]] = {
    "an answer of an API": (Reply(b'{"message": "Forbidden"}'), "is not OpenAPI: it has no key `openapi`"),
    "a list": (Reply(b"[]"), "is not a JSON object"),
    "nothing": (
        Reply(b""),
        "neither JSON nor YAML nor a page that leads to a document; give the address of the document itself",
    ),
    "prose": (Reply(b"Welcome to our API!", "text/plain"), "neither JSON nor YAML nor a page"),
    "bytes": (Reply(bytes(range(256))), "is not text"),
    "Swagger 2": (
        Reply(b'{"swagger": "2.0", "paths": {"/a": {}}}'),
        "is Swagger 2.0; convert it first, for example with `npx",
    ),
    "OpenAPI 4": (Reply(b'{"openapi": "4.0.0", "paths": {"/a": {}}}'), "only OpenAPI 3 is read"),
    "no paths": (Reply(b'{"openapi": "3.0.0", "paths": {}}'), "has no paths"),
    "JSON that is cut off": (Reply(nested(3)[:-9]), "is cut off"),
    "JSON with a hole": (Reply(nested(3).replace(b"1", b"")), "is not usable JSON"),
    "a key given twice": (Reply(b'{"openapi": "3.0.0", "openapi": "3.0.1"}'), "the key 'openapi' appears twice"),
    "a key given twice in YAML": (Reply(HEAD + b"paths: {}\n", "text/yaml"), "the key 'paths' appears twice"),
    "an answer shorter than announced": (Reply(nested(3), length=5000), "without sending complete message body"),
    "a reference to nowhere": (Reply(HEAD + b'x: {$ref: "#/components/schemas/None"}\n'), "leads nowhere"),
    "a reference to a file": (Reply(HEAD + b'x: {$ref: "other.yaml#/a"}\n'), "leads out of the document"),
    "an alias in itself": (Reply(HEAD + b"x: &x [*x]\n"), "an alias contains itself"),
    "a billion laughs": (Reply(HEAD + LAUGHS), "its aliases expand to more than 20 MB"),
    "a billion laughs in keys": (Reply(HEAD + LAUGHS.replace(b"lol", b"x" * 99)), "its aliases expand"),
    "a tag": (Reply(HEAD + b"x: !!python/object/apply:os.system [ls]\n"), "has no meaning in JSON"),
    "a number without end": (Reply(HEAD + b"x: " + b"9" * 5000), "is not usable YAML"),
    "JSON without bottom": (Reply(nested(100_000)), "is not usable JSON"),
    "JSON with a deep bottom": (Reply(nested(400)), "is nested deeper than 100 levels"),
    "YAML without bottom": (Reply(HEAD + b"x: " + b"[" * 2000 + b"]" * 2000), "is nested too deeply"),
    "much YAML": (Reply(HEAD + b"#" * 5_000_000), "YAML is read up to 5 MB"),
    "a page without a document": (page(b"<h1>Our API</h1><script>track({id: 1})</script>"), "leads to a document"),
    "a page to log in": (page(b"<form><input name=p TYPE=Password></form>"), "asks for a password"),
    "the stock page": (
        page(b"<script>ui({url: '" + PETSTORE + b"'})</script>"),
        "the document is said to be at https://petstore.swagger.io/v2/swagger.json, another origin",
    ),
    "a page cut off": (
        page(b'<script>var o = {"swaggerDoc": ' + nested(3)[:-12]),
        "the document in it is cut off, or damaged",
    ),
    "a script cut off": (Reply(b'x = {"swaggerDoc": ' + nested(3)[:-12], "text/javascript"), "is cut off, or"),
    "a page with code for a document": (
        page(b"<script>var options = {swaggerDoc: {openapi: '3.0.0', url: '/doc'}}</script>"),
        "is cut off, or damaged",
    ),
    "a page with a damaged address": (
        page(b"<redoc spec-url='http://[::'></redoc>"),
        "which is no address",
    ),
    "a page that names another page": (
        page(b"<redoc spec-url='/asked'></redoc>"),
        "is named as a document, but is a page",
    ),
    "an error": (Reply(nested(3), "application/json", 404), "answered 404"),
    "a refusal": (Reply(nested(3), "application/json", 401), "answered 401 Unauthorized; it wants to know who asks"),
    "redirects without end": (Reply(status=302, headers={"location": "/asked?again"}), "more than 5 redirects"),
    "a redirect to nowhere": (Reply(status=302, headers={"location": "http://["}), "http"),
    "a body that is announced as too large": (Reply(length=100_000_000), "is larger than 20 MB"),
    "a body that grows": (
        Reply(gzip.compress(b" " * 100_000_000), headers={"content-encoding": "gzip"}),
        "is larger than 20 MB",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_reason(site: Website, name: str) -> None:
    """Whatever a server answers, the line says what is wrong with it, and the server is not asked without end."""
    reply, reason = REFUSED[name]
    site.replies["/asked"] = reply
    with pytest.raises(InputError) as refusal:
        pull(f"{site.url}/asked", RECORD, [])
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert len(site.requests) <= 15


@pytest.mark.parametrize("path", ["/", "/api-docs", "/api-docs/", "/docs/index.html"])
def test_a_site_that_answers_everything_with_its_page_fools_nobody(site: Website, path: str) -> None:
    """200 and HTML for the page, its scripts and every address: there is no document, and that is found out soon."""
    scripts = b"".join(b"<script src='/app-init-%d.js'></script>" % number for number in range(100))
    site.otherwise = page(scripts + b"<redoc spec-url='/openapi.json'></redoc>")
    with pytest.raises(InputError, match="is a page"):
        pull(site.url + path, RECORD, [])
    assert len(site.requests) <= 20


def redirect(site: Website, other: str) -> None:
    site.replies["/asked"] = Reply(status=302, headers={"location": other + "/openapi.json"})


def page_that_points(site: Website, other: str) -> None:
    site.replies["/asked"] = page(f"<redoc spec-url='{other}/openapi.json'></redoc>".encode())


def page_that_is_redirected(site: Website, other: str) -> None:
    site.replies["/asked"] = page(b"<redoc spec-url='/spec'></redoc>")
    site.replies["/spec"] = Reply(status=307, headers={"location": other + "/openapi.json"})


def script_from_elsewhere(site: Website, other: str) -> None:
    site.replies["/asked"] = page(f"<script src='{other}/swagger-ui-init.js'></script>".encode())


@pytest.mark.parametrize("lead_away", [redirect, page_that_points, page_that_is_redirected, script_from_elsewhere])
def test_another_origin_is_never_asked(
    site: Website, elsewhere: Website, lead_away: Callable[[Website, str], None]
) -> None:
    """Another port, or another name of this host, is another origin; the line names it, so that one can pull it."""
    for other in (elsewhere.url, site.url.replace("127.0.0.1", "localhost"), elsewhere.url.replace("http:", "https:")):
        lead_away(site, other)
        with pytest.raises(InputError, match=r"another origin|leads to a document"):
            pull(f"{site.url}/asked", RECORD, [])
    assert elsewhere.requests == []
    assert "/openapi.json" not in site.requests or lead_away is script_from_elsewhere


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_a_server_that_drips_is_left_in_time(site: Website, monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    """One byte now and then keeps every single read alive, in the body and in the headers; the whole has a bound."""

    def drip(handler: Any) -> None:
        handler.wfile.write(start)
        while not site.closing.wait(0.01):
            handler.wfile.write(b"x")
        handler.close_connection = True

    site.replies["/asked"] = drip
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.3)
    with pytest.raises(InputError, match="no complete answer within 0 seconds"):
        pull(f"{site.url}/asked", RECORD, [])


def test_the_whole_has_a_bound_too(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time for everything is up, what is left is not asked for."""
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.0)
    site.replies["/asked"] = Reply(nested(1))
    with pytest.raises(InputError, match="no complete answer"):
        pull(f"{site.url}/asked", RECORD, [])


def test_a_page_that_keeps_a_parser_busy_is_left_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is bounded as well as fetching."""
    (tmp_path / "page.html").write_text("<html>" + "<script " * 1_000_000)
    monkeypatch.setattr("regeneration.pull.find._GRACE", -59.5)
    with pytest.raises(InputError, match="could not be read within"):
        pull(str(tmp_path / "page.html"), RECORD, [])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("http://127.0.0.1:1/docs", "http://127.0.0.1:1/docs: "),
        ("ftp://example.com/doc", "no address with http or https"),
        ("file:///etc/passwd", "no address with http or https"),
        ("http://", "no address with http or https"),
        ("http://[::1/", "no address"),
        ("no such file.json", "No such file"),
        (".", "Is a directory"),
        ("a\0b", "null"),
        pytest.param(
            "/dev/zero",
            "is larger than 20 MB",
            marks=pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file"),
        ),
    ],
)
def test_what_cannot_be_reached_is_told(source: str, reason: str) -> None:
    """An address or a file that is not there, or is none."""
    with pytest.raises(InputError, match=r".") as refusal:
        pull(source, RECORD, [])
    assert reason in str(refusal.value)


def test_a_failure_of_tls_is_told(site: Website) -> None:
    """What speaks no TLS, or shows no certificate that counts, is not read."""
    with pytest.raises(InputError, match="SSL"):
        pull(site.url.replace("http:", "https:"), RECORD, [])


@pytest.mark.parametrize(
    "name", ["Swagger 2", "JSON that is cut off", "a billion laughs", "the stock page", "an error"]
)
@pytest.mark.parametrize("arguments", [[], ["--output", "out"]])
def test_a_refusal_is_one_line_and_nothing_is_written(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, site: Website, name: str, arguments: list[str]
) -> None:
    """Through the command: exit 2, one line on stderr, nothing on stdout, no file touched or made."""
    site.replies["/asked"], reason = REFUSED[name]
    before = snapshot(project)
    process = regenerate(project, "--pull", f"{site.url}/asked", *arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert reason in process.stderr
    assert len(process.stderr.splitlines()) == 1
    assert snapshot(project) == before
    assert not (project / "out").exists()


CODE = "x\"); __import__('os').environ.update(INJECTED='1') #"
LINES = '"""\n__import__("os").environ["INJECTED"] = "1"\n"""'


def put_into_names(document: dict[str, Any], code: str) -> None:
    schemas = document["components"]["schemas"]
    schemas[code] = {"type": "object", "properties": {"a": {"type": "string"}}}
    schemas["Thing"]["properties"]["odd"] = {"$ref": "#/components/schemas/" + code.replace("/", "~1")}
    schemas["Thing"]["properties"][code] = {"type": "string"}


def put_into_enums(document: dict[str, Any], code: str) -> None:
    document["components"]["schemas"]["Colour"]["enum"].append(code)
    document["components"]["schemas"]["Thing"]["properties"]["size"]["enum"].append(code)


def put_into_defaults(document: dict[str, Any], code: str) -> None:
    properties = document["components"]["schemas"]["NewThing"]["properties"]
    properties["a"] = {"type": "string", "default": code}
    properties["b"] = {"type": "string", "format": "date", "default": code}
    properties["c"] = {"type": "string", "format": "uuid", "default": code}
    properties["d"] = {"type": "integer", "default": code}


def put_into_operations(document: dict[str, Any], code: str) -> None:
    operation = document["paths"]["/api/things"]["get"]
    operation["operationId"] = code
    operation["parameters"].append({"name": code, "in": "query", "schema": {"type": "string"}, "description": code})


def put_into_paths(document: dict[str, Any], code: str) -> None:
    document["paths"][f"/api/{code}"] = {"get": {"responses": {"200": {"description": code}}}}


def put_into_text(document: dict[str, Any], code: str) -> None:
    document["info"] = {"title": code, "version": code, "description": code}
    for schema in document["components"]["schemas"].values():
        schema |= {"title": code, "description": code, "example": code}


@pytest.mark.parametrize(
    "code", [pytest.param(CODE, marks=pytest.mark.further, id="statement"), pytest.param(LINES, id="docstring")]
)
@pytest.mark.parametrize(
    "put",
    [put_into_names, put_into_paths, put_into_text, *further(put_into_enums, put_into_defaults, put_into_operations)],
)
def test_code_in_a_document_stays_text(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, upstream: dict[str, Any], tmp_path: Path,
    put: Callable[[dict[str, Any], str], None], code: str,
) -> None:  # fmt: skip
    """Names and texts that try to leave their quotes end up as text in the package, or nothing is written at all."""
    put(upstream, code)
    (tmp_path / "evil.json").write_text(json.dumps(upstream))
    before = snapshot(project)
    process = regenerate(project, "--pull", str(tmp_path / "evil.json"))
    if process.returncode != 0:
        assert (process.returncode, process.stdout, len(process.stderr.splitlines())) == (2, "", 1)
        assert snapshot(project) == before
        return
    for module in (project / "generated").rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(module.read_bytes())) if isinstance(node, ast.Name)}
        assert not names & {"__import__", "INJECTED"}, module
