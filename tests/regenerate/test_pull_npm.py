"""Pulling from the real pages: swagger-ui-express, swagger-ui-dist, NestJS and Redocly, installed from npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.pull.find import Pulled, pull

pytestmark = pytest.mark.npm
APPLICATIONS = Path(__file__).parent / "pages" / "npm"
#: Exact, so that what is tested is what was looked at.
EXPRESS = ("express@5.3.0", "swagger-ui-express@5.0.1", "swagger-ui-dist@5.35.0")
NEST = (
    *(f"@nestjs/{name}@12.5.1" for name in ("common", "core", "platform-express")),
    "@nestjs/swagger@12.0.2",
    "reflect-metadata@0.2.2",
    "rxjs@7.8.2",
)
REDOCLY = "@redocly/cli@2.77.0"


@pytest.fixture(autouse=True, scope="module")
def asked_for(request: pytest.FixtureRequest) -> None:
    if "npm" not in request.config.option.markexpr:
        pytest.skip("installs from npm: run `nox -s pages`")


def install(folder: Path, *packages: str) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing: install Node.js 20 or newer")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if process.returncode != 0:
        pytest.skip(f"npm cannot install {packages[0]}: {process.stderr.strip()[-200:]}")
    return folder


@contextmanager
def running(folder: Path, application: str, document: Any) -> Iterator[list[str]]:
    """The application in a folder with its packages; gives the addresses that it prints."""
    shutil.copy(APPLICATIONS / application, folder)
    (folder / "document.json").write_text(json.dumps(document))
    with subprocess.Popen(
        ["node", application, "document.json"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def express_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("express"), *EXPRESS)


@pytest.fixture
def site(express_folder: Path, upstream: dict[str, Any]) -> Iterator[str]:
    """The application with every page."""
    with running(express_folder, "express.cjs", upstream) as (pages, _):
        yield pages


def look(address: str, document: dict[str, Any]) -> Pulled:
    return pull(address, b"urls = []", list(document["paths"]))


def test_swagger_ui_express_and_swagger_ui_dist(site: str, upstream: dict[str, Any]) -> None:
    """Embedded, by address, among several, with functions in its options; and the stock page that names an address."""
    for page in ("embedded", "functions", "url", "swagger-url", "urls", "swagger-urls", "static/", "static/index.html"):
        assert look(f"{site}/{page}", upstream).document == upstream, page


@pytest.mark.parametrize("name", ["whole", "before", "after"])
def test_what_swagger_ui_express_damages_is_detected(site: str, upstream: dict[str, Any], name: str) -> None:
    """Its template in the document; the document beside it is whole."""
    with pytest.raises(InputError, match="damaged"):
        look(f"{site}/damaged-{name}", upstream)
    assert look(f"{site}/beside-{name}", upstream).document["info"]["description"].startswith("costs $")


def test_the_stock_page_is_not_taken_for_ours(express_folder: Path, upstream: dict[str, Any]) -> None:
    """swagger-ui-dist as it comes shows the petstore."""
    with running(express_folder, "express.cjs", upstream) as (_, stock):
        with pytest.raises(InputError, match=r"petstore.*another origin"):
            look(f"{stock}/", upstream)


def test_nestjs(tmp_path_factory: pytest.TempPathFactory, upstream: dict[str, Any]) -> None:
    """The page, its -json and its -yaml, and the page alone, with functions in its options."""
    folder = install(tmp_path_factory.mktemp("nest"), *NEST)
    upstream["info"]["description"] = "costs $$ 5, $& 5, $' 5 and $` 5"
    with running(folder, "nest.mjs", upstream) as (site,):
        for page in ("api-docs", "api-docs/", "api-docs-json", "api-docs-yaml", "page-only"):
            assert look(f"{site}/{page}", upstream).document == upstream, page


def test_redocly(tmp_path_factory: pytest.TempPathFactory, upstream: dict[str, Any], tmp_path: Path) -> None:
    """A page with the whole document in it, saved as a file."""
    folder = install(tmp_path_factory.mktemp("redocly"), REDOCLY)
    (tmp_path / "openapi.json").write_text(json.dumps(upstream))
    command = [str(folder / "node_modules/.bin/redocly"), "build-docs", "openapi.json", "-o", "page.html"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert look(str(tmp_path / "page.html"), upstream).document == upstream
