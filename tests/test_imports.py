"""What importing costs and brings: measured in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import sessions_us

REFUSED = """
import asyncio, socket
from sessions_us import TransportError, UserClient
async def main():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        async with UserClient("key", base_url=url, retries=0) as user:
            try: await user.sessions.get("s1")
            except TransportError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
"""
"""A first call, of which the connection is refused."""

LATE = [
    "sessions_us._calls.pager",
    "sessions_us._calls.walk",
    "sessions_us._send.copies",
    "sessions_us.quota.stores.redis",
    "sessions_us.quota.stores.shared_store",
    "sessions_us.quota.stores.sqlite",
    "sessions_us.webhooks",
    "sqlite3",
    "zoneinfo",
]
"""What a first call does not import, because few programs need it."""

OPTIONAL = ["starlette", "uvicorn", "fastapi", "typer", "rich", "redis", "trio", "opentelemetry", "pytest", "click"]


def loaded_after(code: str) -> set[str]:
    """What code imports, beyond what the interpreter starts with: that is more where lines are counted."""
    program = f"import sys; known = set(sys.modules)\n{code}\nprint(*(sys.modules.keys() - known))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_package_imports_next_to_nothing():
    """Not even httpx, until a client is made."""
    loaded = loaded_after("import sessions_us")

    assert not {"httpx", "attrs", "anyio", "sessions_us.client", "sessions_us_api"} & loaded


@pytest.mark.parametrize("name", ["UserClient", "GuestClient"])
def test_a_client_imports_no_extra_or_model(name):
    """Nothing optional, and no model that is not used."""
    loaded = loaded_after(f"from sessions_us import {name}; {name}('key')")

    assert not {module for module in loaded if module.partition(".")[0] in set(OPTIONAL) - {"rich", "click"}}
    assert not {module for module in loaded if module.startswith(("sessions_us_api.models", "sessions_us.sandbox"))}
    assert not {module for module in loaded if module.startswith("sessions_us.resources.")}


def test_a_call_imports_its_own_operation():
    """And no other one. Models come when an answer needs them, and what paces requests with the first one."""
    resource = loaded_after("from sessions_us import UserClient; UserClient('key').sessions")
    call = loaded_after(REFUSED)

    assert "sessions_us_api.api.sessions" in resource
    assert "aiolimiter" in call - resource
    assert not {module for module in resource if module.startswith("sessions_us_api.api.sessions.")}
    assert {module for module in call if module.startswith("sessions_us_api.api.sessions.")} == {
        "sessions_us_api.api.sessions.get_session"
    }
    assert not {module for module in call if module.startswith("sessions_us_api.models")}


@pytest.mark.parametrize("module", LATE)
def test_a_call_imports_nothing_that_it_does_not_use(module):
    """A connection that is refused is as far as every first call comes."""
    assert module not in loaded_after(REFUSED)


def test_webhooks_are_read_without_an_extra():
    """What a webhook holds is no matter of a web framework."""
    loaded = loaded_after('from sessions_us.webhooks import parse_webhook; parse_webhook(\'{"trigger": "X"}\')')

    assert not {module for module in loaded if module.partition(".")[0] in set(OPTIONAL) - {"rich", "click"}}


def test_a_missing_extra_is_named_in_a_line():
    """Without FastAPI, its module says what to install."""
    code = "import sys; sys.modules['fastapi'] = None\ntry:\n import sessions_us.fastapi\nexcept ImportError as e: print(e)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "sessions_us.fastapi needs fastapi: pip install 'sessions-us[fastapi]'\n"


def test_what_an_extra_itself_misses_is_not_taken_for_the_extra():
    """FastAPI is there, and what it needs is not: installing the extra again would not be the remedy."""
    code = "import sys; sys.modules['starlette'] = None\ntry:\n import sessions_us.fastapi\nexcept ImportError as e: print(e)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "starlette" in done.stdout
    assert "pip install" not in done.stdout


def test_telemetry_without_opentelemetry_names_the_extra():
    """In a line. Everything else works without it, and never imports it, also where events are heard."""
    missing = "import sys; sys.modules['opentelemetry'] = None"
    code = f"{missing}\ntry:\n import sessions_us.telemetry\nexcept ImportError as e: print(e)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heard = f"{missing}\nfrom sessions_us import UserClient; UserClient('key', on_event=print).sessions"

    assert done.stdout == "sessions_us.telemetry needs opentelemetry-api: pip install 'sessions-us[otel]'\n"
    assert "sessions_us.client" in loaded_after(heard)


def test_every_public_name_is_there():
    """`__all__`, `dir()` and what can be imported agree, and a wrong name says so."""
    assert [name for name in sessions_us.__all__ if not hasattr(sessions_us, name)] == []
    assert set(sessions_us.__all__) <= set(dir(sessions_us))
    assert list(sessions_us.__all__) == sorted(set(sessions_us.__all__))
    with pytest.raises(AttributeError, match="Sessionz"):
        _ = sessions_us.Sessionz  # type: ignore[attr-defined]


def test_type_checkers_see_the_names_that_python_sees():
    """The imports that only type checkers follow give the names of `__all__`, no fewer and no more."""
    seen: list[str] = []
    for node in ast.walk(ast.parse(Path(sessions_us.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module not in {"__future__", "typing", "_lazy"}:
            home = import_module("." * node.level + (node.module or ""), "sessions_us")
            names = [alias.asname for alias in node.names if alias.asname]
            seen += names or home.__all__
            assert all(getattr(sessions_us, name) is getattr(home, name) for name in names or home.__all__)

    assert sorted(seen) == list(sessions_us.__all__)


def test_no_public_name_is_missing():
    """Clients, keys, settings, and every error, event and model that there is."""
    named = {"UserClient", "GuestClient", "UserKey", "GuestKey", "Quota", "MemoryStore", "SQLiteStore", "RedisStore"}
    named |= {"QuotaSnapshot", "RetryPolicy", "Pager", "Page"}
    for home, kind in (("errors", Exception), ("events", sessions_us.ClientEvent)):
        defined = vars(import_module(f"sessions_us.{home}")).items()
        named |= {name for name, value in defined if isinstance(value, type) and issubclass(value, kind)}
    named |= set(import_module("sessions_us_api.models").__all__)

    assert named - set(sessions_us.__all__) == set()


def test_a_star_import_brings_them_all():
    """`from sessions_us import *` gives what `__all__` says."""
    space: dict[str, object] = {}
    exec("from sessions_us import *", space)

    assert set(sessions_us.__all__) <= space.keys()


def test_every_name_stands_for_one_class():
    """No class of the package has the name of another one, or of a model."""
    root = Path(sessions_us.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in root.rglob("*.py")]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    names += import_module("sessions_us_api.models").__all__

    assert [name for name, times in Counter(names).items() if times > 1] == []
