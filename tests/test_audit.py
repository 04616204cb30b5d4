"""The audit of dependencies, against an index on this machine that says what indexes say."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import audit
import pytest


class Index:
    """Projects, each with wheels of some versions, as PEP 691 has it; `silent`: it answers in HTML, as the oldest do."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.projects: dict[str, dict[str, Any]] = {}
        self.silent = False

    def add(
        self, name: str, version: str, *, yanked: bool = False, python: str = ">=3.9", inactive: bool = False
    ) -> None:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Requires-Python: {python}"]
        lines += [f"Classifier: {audit.INACTIVE}"] if inactive else []
        written = BytesIO()
        with zipfile.ZipFile(written, "w") as wheel:
            folder, record = f"{name}-{version}.dist-info", []
            for file, text in (
                ("METADATA", "\n".join(lines) + "\n"),
                ("WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ):
                wheel.writestr(f"{folder}/{file}", text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                record.append(f"{folder}/{file},sha256={digest},{len(text)}")
            wheel.writestr(f"{folder}/RECORD", "\n".join([*record, f"{folder}/RECORD,,"]) + "\n")
        file = f"{name}-{version}-py3-none-any.whl"
        self.files[file] = written.getvalue()
        project = self.projects.setdefault(name, {"meta": {"api-version": "1.4"}, "name": name, "files": []})
        project["files"].append(
            {
                "filename": file,
                "url": f"/files/{file}",
                "hashes": {"sha256": hashlib.sha256(self.files[file]).hexdigest()},
                "requires-python": python,
                "yanked": yanked,
            }
        )

    def answer(self, path: str) -> tuple[str, bytes] | None:
        name = path.rstrip("/").rpartition("/")[2]
        if path.startswith("/files/"):
            return ("application/octet-stream", self.files[name]) if name in self.files else None
        if name not in self.projects:
            return None
        if not self.silent:
            return "application/vnd.pypi.simple.v1+json", json.dumps(self.projects[name]).encode()
        links = "".join(f'<a href="{file["url"]}">{file["filename"]}</a>' for file in self.projects[name]["files"])
        return "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Index]:
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = index.answer(self.path)
            self.send_response(200 if answer else 404)
            kind, body = answer or ("text/plain", b"")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    (tmp_path / "pip.conf").write_text("")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_address[1]}/simple/")
        yield index
        server.shutdown()


def project(*dependencies: str, **extras: list[str]) -> dict[str, Any]:
    classifiers = [f"Programming Language :: Python :: 3.{minor}" for minor in (0, 11, 99)]
    return {"dependencies": list(dependencies), "optional-dependencies": extras, "classifiers": classifiers}


@pytest.mark.parametrize("silent", [False, True])
def test_nothing_is_found_where_nothing_is_wrong(index: Index, silent: bool) -> None:
    """Also where the index tells no more than names of files. A Python that is older than this one is not looked at."""
    index.silent = silent
    for version in ("1.0", "1.5"):
        index.add("good", version)

    assert audit.audit(project("good>=1,<2")) == []


def test_each_finding_names_its_version(index: Index) -> None:
    """At the lowest versions that are allowed as at the newest. An extra that is not chosen is not looked at."""
    index.add("aged", "1.0", yanked=True)
    index.add("aged", "1.2", yanked=True)
    index.add("aged", "1.3", inactive=True)
    index.add("narrow", "2.0", python=">=3.9,<3.50")
    index.add("ended", "1.0")
    index.projects["ended"]["project-status"] = {"status": "archived", "reason": "use another"}
    index.add("gone", "1.0")
    index.projects["gone"]["project-status"] = {"status": "quarantined"}
    index.add("fine", "1.0")
    index.projects["fine"]["project-status"] = {"status": "active"}

    assert sorted(audit.audit(project("aged>=1,<2", "fine>=1", more=["narrow>=2", "ended>=1", "gone>=1"]))) == [
        "aged 1.0 was yanked",
        "aged 1.3 calls itself inactive",
        "ended is archived: use another",
        "gone is quarantined",
        "narrow 2.0 does not run on Python 3.99 (it says >=3.9,<3.50)",
    ]


def test_a_range_that_cannot_be_had_is_a_finding(index: Index) -> None:
    """Its lowest version was never published."""
    index.add("good", "1.5")

    (finding,) = audit.audit(project("good>=1.0,<2"))

    assert finding.startswith("the core at its lowest can't be installed: ")
    assert "good==1.0" in finding


def test_a_silent_index_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and one line."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    assert audit.main() == 2
    assert capsys.readouterr().err == "audit: the index does not answer (ConnectError)\n"


@pytest.mark.parametrize(
    ("range_", "lowest"),
    [("a>=1.2,<2", "a==1.2"), ("a[x]>=3; python_version > '3'", "a[x]==3"), ("a", "a"), ("a==1.0", "a==1.0")],
)
def test_the_lowest_version_begins_the_range(range_: str, lowest: str) -> None:
    """Extras and markers stay."""
    assert audit.at_lowest(range_).startswith(lowest)


def test_what_is_found_is_told(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each finding, and status 1; 0 without any."""
    pyproject = tmp_path / "pyproject.toml"
    monkeypatch.setattr(audit, "PYPROJECT", pyproject)
    index.add("good", "1.0")
    pyproject.write_text('[project]\ndependencies = ["good==1.0"]\nclassifiers = []\n', "utf-8")
    assert audit.main() == 0

    index.projects["good"]["project-status"] = {"status": "archived"}
    assert audit.main() == 1
    assert capsys.readouterr().err == "audit: good is archived\n"


def test_the_index_is_the_one_that_pip_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of the environment, else that of pip's configuration, else pip's own."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://one.example/simple")
    assert audit.index_url() == "https://one.example/simple"

    monkeypatch.delenv("PIP_INDEX_URL")
    configuration = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    configuration.write_text("[global]\nindex-url = https://two.example/simple\n", "utf-8")
    assert audit.index_url() == "https://two.example/simple"

    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # with it, pip reads none at all
    assert audit.index_url() == "https://pypi.org/simple"


def test_what_says_nothing_of_pythons_runs_on_all() -> None:
    """Old distributions say something that no specifier is. A pip that does not tell what was yanked can't be used."""
    said: dict[str, Any] = {
        "metadata": {"name": "old", "version": "1", "requires_python": "2.7, any"},
        "is_yanked": False,
    }
    assert list(audit.installed([said], ["3.11"])) == []

    del said["is_yanked"]
    with pytest.raises(audit.UnreachableError, match="it takes 24 or newer"):
        list(audit.installed([said], ["3.11"]))
