"""A fuzz session: `python tests/fuzz/session.py [minutes]`, one minute by default.

It throws what hypothesis thinks of at everything that reads what others wrote: rate-limit headers, bodies, webhooks, base URLs,
paths, and pages that should hold a document.
What it finds is printed, small; put it into `tests/corpus/`, which the tests try for ever.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import sessions_us_api.models as models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sessions_us_api.types import Model

from sessions_us import ConfigurationError
from sessions_us._calls.arguments import path_id, slug_from
from sessions_us._calls.decoding import Decoder, NotUnderstood
from sessions_us._calls.envelopes import rows_of
from sessions_us._send.origin import Origin, api_path
from sessions_us.keys import UserKey
from sessions_us.quota.rules.headers import parse_report, parse_retry_after
from sessions_us.webhooks import parse_webhook

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.pages import FILES, PAGES, PLANTED, files, pages, planted

NAMES = [
    "ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-limit",
    "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-remaining-short", "x-rate-limit-limit", "x-retry-reset",
    "retry-after", "date", "X-RateLimit-Limit-é",
]  # fmt: skip
PIECES = [
    *[
        "10",
        "w=60",
        "q=10",
        "r=0",
        "t=",
        '"a"',
        ";",
        ",",
        "=",
        " ",
        "-1",
        "nan",
        "inf",
        "1e9",
        "9" * 400,
        "1.5",
        "60",
        "limit=10",
    ],
    *["Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "2026-05-04T09:00:00Z", "\u0661", "\x00", "%"],
]
VALUES = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=20), VALUES), max_size=8)
MODELS: list[type[Model]] = [
    each
    for each in (getattr(models, name) for name in models.__all__)
    if isinstance(each, type) and issubclass(each, Model)
]
WIRE = sorted({field.wire for model in MODELS for field in model.wire_fields()})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(PIECES)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WIRE) | st.text(max_size=6), inner, max_size=6)
    ),
    max_leaves=20,
)
PARTS = [
    "https:",
    "http:",
    "//",
    "/",
    "api.test",
    "@",
    ":",
    "443",
    "..",
    "%2e",
    "?",
    "#",
    "[::1]",
    "\\",
    "\r\n",
    "127.0.0.1",
]
TRIGGERS = st.sampled_from(sorted(models.WebhookTrigger)) | SCALARS
DATA = JSON | st.fixed_dictionaries({"session": st.dictionaries(st.sampled_from(WIRE), JSON, max_size=6)})
WEBHOOKS = (
    st.fixed_dictionaries({"trigger": TRIGGERS}, optional={"data": DATA}).map(json.dumps)
    | JSON.map(json.dumps)
    | st.text(max_size=60)
    | st.binary(max_size=60)
)
URLS = st.text(max_size=30) | st.lists(st.sampled_from(PARTS)).map("".join)


def headers(data: Any) -> None:
    """Nothing raises; what is said is finite and not negative."""
    report = parse_report(data)
    for value in (
        report.limit,
        report.window,
        report.remaining,
        report.reset_in,
        report.reset_at,
        parse_retry_after(data),
    ):
        assert value is None or 0 <= value < 1e16
    assert report.limit != 0


def bodies(data: Any) -> None:
    """Either an object or NotUnderstood; what was read can be written."""
    for model in MODELS:
        decoder = Decoder()
        with suppress(NotUnderstood):
            json.dumps(decoder(data, model).to_dict())
        with suppress(NotUnderstood):
            rows = rows_of(data, decoder)
            decoder(rows, list[model])  # type: ignore[valid-type]


def webhooks(body: bytes | str) -> None:
    """ValueError, or a webhook that is whole, and whose parts can be written."""
    with suppress(ValueError):
        webhook = parse_webhook(body)
        assert webhook.trigger == webhook.raw["trigger"]
        assert webhook.object_id is None or webhook.object_id
        told = [getattr(webhook.data, name, None) for name in ("session", "takeaways", "registered_participant")]
        json.dumps([each.to_dict() for each in told if isinstance(each, Model)])


def origins(url: str) -> None:
    """ConfigurationError, or an origin that is https or this machine, and says what it is."""
    with suppress(ConfigurationError):
        origin = Origin.of(url, allow_http=False)
        assert origin.scheme == "https" or origin.host in {"localhost", "::1"} or origin.host.startswith("127.")
        parts = urlsplit(str(origin))
        assert (parts.scheme, parts.hostname, parts.path) == (origin.scheme, origin.host, "")


def paths(path: str) -> None:
    """ValueError, or a path that no decoding turns into another."""
    with suppress(ValueError):
        url = Origin.of("https://x.test/mock", allow_http=False).base_url + api_path("/" + path)
        raw = url.encode("utf-8", "surrogatepass")
        for _ in range(4):
            assert raw.startswith(b"https://x.test/mock/")
            assert not {b".", b".."} & set(raw.replace(b"\\", b"/").split(b"/"))
            raw = unquote_to_bytes(raw)
    with suppress(ValueError):
        assert path_id(path) not in {"", ".", ".."}
    with suppress(ValueError):
        assert slug_from(path).isascii()
    with suppress(ConfigurationError):
        assert "\n" not in UserKey(path).reveal()


TARGETS: list[tuple[Callable[[Any], None], Any]] = [
    (headers, HEADERS),
    (bodies, JSON),
    (webhooks, WEBHOOKS),
    (origins, URLS),
    (paths, URLS),
    (pages, PAGES),
    (planted, PLANTED),
    (files, FILES),
]


def run(seconds: float, examples: int = 1000) -> dict[str, int]:
    """Fuzz each target for its share of the time; how many inputs each was given."""
    counts: dict[str, int] = {}
    for check, strategy in TARGETS:
        end, name = time.monotonic() + seconds / len(TARGETS), check.__name__
        counts[name] = 0
        once = _property(check, strategy, examples, counts)
        once()
        while time.monotonic() < end:
            once()
    return counts


def _property(check: Callable[[Any], None], strategy: Any, examples: int, counts: dict[str, int]) -> Callable[[], None]:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def once(data: Any) -> None:
        counts[check.__name__] += 1
        check(data)

    run_once: Callable[[], None] = once
    return run_once


if __name__ == "__main__":
    sys.stdout.write(f"{run(60 * float(sys.argv[1] if len(sys.argv) > 1 else 1))}\n")
