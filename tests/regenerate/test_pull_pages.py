"""Finding the published document behind the pages that show one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytest.importorskip("yaml", reason="needs the dependency group `regenerate`")

import yaml
from regeneration.document import InputError, parse_json
from regeneration.pull.find import Pulled, pull
from support.website import Reply, Website, website

PAGES = Path(__file__).parent / "pages"
RECORD = b'origin = "reconstructed"\nurls = ["https://api.invalid/api-docs"]\n'
OTHER = {
    "openapi": "3.1.0",
    "info": {"title": "Another API", "version": "1"},
    "paths": {"/x": {"get": {"responses": {"200": {"description": "ok"}}}}},
}
Regenerate = Callable[..., "CompletedProcess[str]"]
Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as running:
        yield running


@pytest.fixture
def document(upstream: dict[str, Any]) -> dict[str, Any]:
    """The small document, with text in it that looks like the end of a script, like an address and like a document."""
    tricky = '};\n</script>{"swaggerDoc": {"openapi": 1}} // url: "/wrong.json" '
    upstream["info"]["contact"] = {"url": "/wrong.json"}
    upstream["info"]["description"] = tricky + "\\ \" ' ` é \u2028 😀"
    upstream["paths"]["/api/anything"]["get"]["responses"]["200"]["description"] = "0x1F, on, 2026-01-02"
    return upstream


def page(name: str, **values: str) -> Reply:
    """A page of ours, with what stands between @ signs in it filled in."""
    text = (PAGES / name).read_text()
    for key, value in values.items():
        assert f"@{key}@" in text
        text = text.replace(f"@{key}@", value)
    return Reply(text.encode(), "application/javascript" if name.endswith(".js") else "text/html; charset=utf-8")


def as_json(document: Any) -> Reply:
    return Reply(json.dumps(document).encode(), "application/json")


def in_page(document: Any) -> str:
    """JSON as it is put into a page: what would end the script is escaped."""
    return json.dumps(document, indent=2).replace("</", "<\\/")


def look(source: str, document: dict[str, Any]) -> Pulled:
    return pull(source, RECORD, list(document["paths"]))


def show_json(site: Website, document: Any) -> str:
    site.replies["/v1"] = Reply(json.dumps(document).encode(), "text/plain")
    return "/v1"


def show_yaml(site: Website, document: Any) -> str:
    site.replies["/spec"] = Reply(yaml.safe_dump(document, allow_unicode=True).encode(), "text/plain")
    return "/spec"


def show_express(site: Website, document: Any) -> str:
    site.replies["/api-docs"] = Reply(status=301, headers={"location": "/api-docs/"})
    site.replies["/api-docs/"] = site.otherwise = page("swagger-ui.html", script="swagger-ui-init.js")
    site.replies["/api-docs/swagger-ui-init.js"] = page("express-init.js", document=in_page(document))
    return "/api-docs"


def show_express_options(options: str) -> Callable[[Website, Any], str]:
    def show(site: Website, document: Any) -> str:
        show_express(site, document)
        site.replies["/api-docs/swagger-ui-init.js"] = page("options-init.js", options=options)
        site.replies["/docs/openapi.json"], site.replies["/other.json"] = as_json(document), as_json(OTHER)
        return "/api-docs"

    return show


def show_nest_page(site: Website, document: Any) -> str:
    site.replies["/api"] = Reply(page("swagger-ui.html", script="api/swagger-ui-init.js").body)
    site.replies["/api/swagger-ui-init.js"] = page("nest-init.js", document=in_page(document))
    return "/api"


def show_nest_json(site: Website, document: Any) -> str:
    show_nest_page(site, OTHER)
    site.replies["/api-json"] = as_json(document)
    return "/api"


def show_inline_bundle(site: Website, document: Any) -> str:
    site.replies["/docs"] = page("bundle-inline.html", url="/openapi.json")
    site.replies["/openapi.json"] = as_json(document)
    return "/docs"


def show_stock(site: Website, document: Any) -> str:
    site.replies["/ui/"] = page("swagger-ui.html", script="swagger-initializer.js")
    site.replies["/ui/swagger-initializer.js"] = page("initializer.js", url="../the/openapi.json?v=2")
    site.replies["/the/openapi.json"] = as_json(document)
    return "/ui/"


def show_redoc(site: Website, document: Any) -> str:
    site.replies["/redoc"] = page("redoc.html", url="openapi.yaml")
    site.replies["/openapi.yaml"] = Reply(yaml.safe_dump(document).encode(), "application/yaml")
    return "/redoc"


def show_redoc_init_inline(site: Website, document: Any) -> str:
    site.replies["/redoc"] = page("redoc-init.html", argument=in_page(document))
    return "/redoc"


def show_redoc_state(site: Website, document: Any) -> str:
    site.replies["/redoc"] = page("redoc-state.html", document=in_page(document))
    return "/redoc"


def show_redoc_definition(site: Website, document: Any) -> str:
    site.replies["/redoc"] = page("redoc-definition.html", document=in_page(document))
    return "/redoc"


KINDS: list[Callable[[Website, Any], str]] = [
    show_json,
    show_yaml,
    show_express,
    show_express_options('"url": "/docs/openapi.json"'),
    show_express_options('"swaggerUrl": "../docs/openapi.json"'),
    show_express_options('"urls": [{"url": "/other.json", "name": "a"}, {"url": "/docs/openapi.json", "name": "b"}]'),
    show_nest_page,
    show_nest_json,
    show_inline_bundle,
    show_stock,
    show_redoc,
    show_redoc_init_inline,
    show_redoc_state,
    show_redoc_definition,
]


@pytest.mark.parametrize("show", KINDS)
def test_the_document_is_found_behind_every_kind_of_page(
    site: Website, document: dict[str, Any], show: Callable[[Website, Any], str]
) -> None:
    """What is taken in is equal to what is served, and the address that was asked is recorded."""
    address = site.url + show(site, document)
    pulled = look(address, document)
    assert parse_json(pulled.data, "pulled") == pulled.document == document
    record = tomllib.loads(pulled.record.decode())
    assert (record["origin"], record["url"], record["urls"]) == ("pulled", address, ["https://api.invalid/api-docs"])
    assert len(site.requests) <= 15


def test_a_page_that_was_saved_is_read_like_one_that_is_served(document: dict[str, Any], tmp_path: Path) -> None:
    """JSON, YAML, a script with the document, and a page with it."""
    site = Website()
    show_express(site, document)
    show_redoc_state(site, document)
    replies = {path: reply.body for path, reply in site.replies.items() if isinstance(reply, Reply)}
    files = {
        "a": json.dumps(document).encode(),
        "b.yml": yaml.safe_dump(document).encode(),
        "init.js": replies["/api-docs/swagger-ui-init.js"],
        "redoc.html": replies["/redoc"],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        pulled = look(str(tmp_path / name), document)
        assert pulled.document == document
        assert tomllib.loads(pulled.record.decode())["url"] == f"file:{name}"


def test_json_is_kept_byte_for_byte(site: Website) -> None:
    """Spacing, escapes and order are the publisher's; only a byte order mark goes."""
    text = b'\n{ "paths" : {"/\\u0061": {}},\r\n"info":{"title":"\xc3\xa9"},   "openapi": "3.0.0" }\n\n'
    site.replies["/plain"], site.replies["/marked"] = Reply(text), Reply(b"\xef\xbb\xbf" + text)
    assert pull(site.url + "/plain", RECORD, []).data == text
    assert pull(site.url + "/marked", RECORD, []).data == text


def test_the_encoding_that_the_server_names_is_used(site: Website) -> None:
    """A document in Latin 1 is what it says, in UTF-8."""
    text = '{"openapi": "3.0.0", "info": {"title": "Café"}, "paths": {"/a": {}}}'
    site.replies["/"] = Reply(text.encode("latin-1"), "application/json; charset=ISO-8859-1")
    assert pull(site.url + "/", RECORD, []).data == text.encode()


def test_between_documents_the_one_with_our_paths_is_taken(site: Website, document: dict[str, Any]) -> None:
    """Names of parameters and a prefix that stands in `servers` do not matter; which one was taken is told."""
    moved = {**document, "paths": {"/things/{thingId}": document["paths"]["/api/things/{id}"]}}
    site.replies["/"] = Reply(b'<script>ui({urls: [{url: "other"}, {url: "broken"}, {url: "moved"}]})</script>')
    site.replies["/other"], site.replies["/moved"] = as_json(OTHER), as_json(moved)
    pulled = look(site.url, document)
    assert pulled.document == moved
    assert "the best match of 2 documents: 'Another API'" in pulled.notes[0]


def test_a_document_in_a_document_is_not_looked_at(site: Website, document: dict[str, Any]) -> None:
    """An example may be a document itself; the one that holds it is meant."""
    ours = {**OTHER, "paths": {path: {} for path in document["paths"]}}
    whole = {**OTHER, "components": {"examples": {"ours": {"value": ours}}}}
    address = site.url + show_express(site, whole)
    assert look(address, document).document == whole


def test_without_an_argument_the_recorded_urls_are_tried_in_order(site: Website, document: dict[str, Any]) -> None:
    """The first that leads to a document is taken; if none does, every reason is told."""
    site.replies["/other"], site.replies["/ours"] = as_json(OTHER), as_json(document)

    def record(*paths: str) -> bytes:
        return f"urls = {json.dumps([site.url + path for path in paths])}".encode()

    known = list(document["paths"])
    assert pull(None, record("/none", "/ours", "/other"), known).document == document
    with pytest.raises(InputError, match=r"/none answered 404 .*; .*/nil answered 404"):
        pull(None, record("/none", "/nil"), known)
    with pytest.raises(InputError, match="has no `urls`"):
        pull(None, b"", known)


def test_an_unchanged_document_leaves_its_record_alone(site: Website) -> None:
    """A daily pull makes no change of its own."""
    site.replies["/"] = as_json(OTHER)
    first = pull(site.url, RECORD, [])
    second = pull(site.url, first.record, [])
    assert (second.data, second.record) == (first.data, first.record)
    assert second.notes[-1] == "the document has not changed"


def test_user_and_password_are_sent_and_not_written_down(site: Website) -> None:
    """A page behind basic authentication can be pulled; what is printed and recorded does not hold the secret."""
    site.replies["/"] = Reply(b'<redoc spec-url="/doc"></redoc>')
    site.replies["/doc"] = as_json(OTHER)
    pulled = pull(site.url.replace("//", "//me:secret@") + "/", RECORD, [])
    assert pulled.document == OTHER
    assert b"secret" not in pulled.record
    assert "secret" not in " ".join(pulled.notes)


TEMPLATE = (
    "window.onload = function() {\n  <% swaggerOptions %>\n  url = options.swaggerUrl || url\n"
    "  var ui = SwaggerUIBundle({ spec: options.swaggerDoc })\n}\n"
)


def replaced(document: Any) -> Reply:
    """What String.replace makes of a template, as swagger-ui-express calls it: `$` patterns in the document are obeyed."""
    before, _, after = TEMPLATE.partition("<% swaggerOptions %>")
    text = f'var options = {{"swaggerDoc": {json.dumps(document)}}};'
    for pattern, inserted in (("$&", "<% swaggerOptions %>"), ("$`", before), ("$'", after), ("$$", "$")):
        text = text.replace(pattern, inserted)
    return Reply((before + text + after).encode(), "application/javascript")


@pytest.mark.parametrize("pattern", ["$&", "$`", "$'"])
def test_what_a_template_spliced_into_a_document_is_detected(
    site: Website, document: dict[str, Any], pattern: str
) -> None:
    """The damaged document is refused; where the whole one stands beside the page, that is taken."""
    show_express(site, document)
    document["info"]["description"] = f"costs {pattern} 5"
    site.replies["/api-docs/swagger-ui-init.js"] = replaced(document)
    with pytest.raises(
        InputError, match=r"damaged .swagger-ui-express replaces.*give the address of the document itself"
    ):
        look(site.url + "/api-docs", document)
    site.replies["/api-docs-json"] = as_json(document)
    pulled = look(site.url + "/api-docs", document)
    assert pulled.document == document
    assert pulled.notes[0].endswith("from " + site.url + "/api-docs-json")


def test_fastapi_shows_its_document(document: dict[str, Any]) -> None:
    """The real /docs and /redoc, served by uvicorn."""
    fastapi = pytest.importorskip("fastapi", reason="needs the dependency group `test`")
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `sandbox`")
    import socket
    import threading

    app = fastapi.FastAPI()
    app.openapi = lambda: document
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            for path in ("/docs", "/redoc", "/openapi.json"):
                address = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
                assert look(address, document).document == document
        finally:
            server.should_exit = True
            thread.join()


def test_a_pull_puts_document_record_and_package_in_place(
    project: Path, regenerate: Regenerate, site: Website, upstream: dict[str, Any]
) -> None:
    """The whole command: what was served is the new upstream document, and everything else is made from it."""
    upstream["components"]["schemas"]["Person"]["properties"]["nickname"] = {"type": "string"}
    show_express(site, upstream)
    process = regenerate(project, "--pull", site.url + "/api-docs")
    assert process.returncode == 0, process.stderr
    assert json.loads((project / "spec/upstream.json").read_bytes()) == upstream
    assert "nickname" in (project / "generated/sessions_us_api/models/person.py").read_text()
    assert tomllib.loads((project / "spec/upstream.toml").read_text())["origin"] == "pulled"
    assert f"note: took {upstream['info']['title']!r} from {site.url}/api-docs/" in process.stdout
    assert regenerate(project, "--check").returncode == 0


def test_a_pull_with_output_leaves_the_project_alone(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, upstream: dict[str, Any], tmp_path: Path
) -> None:
    """Everything, the pulled document included, goes under the folder."""
    upstream["info"]["version"] = "2"
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(upstream))
    before = snapshot(project)
    process = regenerate(project, "--pull", str(tmp_path / "new.yaml"), "--output", str(tmp_path / "out"))
    assert process.returncode == 0, process.stderr
    assert snapshot(project) == before
    result = snapshot(tmp_path / "out")
    assert json.loads(result["spec/upstream.json"]) == upstream
    assert b'"file:new.yaml"' in result["spec/upstream.toml"]
    assert {"spec/openapi.json", "spec/overlay.yaml", "generated/PROVENANCE.json"} <= set(result)


def test_check_does_not_go_with_pull(project: Path, regenerate: Regenerate) -> None:
    """One asks about what is committed, the other replaces it."""
    process = regenerate(project, "--check", "--pull")
    assert process.returncode == 2
    assert "does not go with" in process.stderr
