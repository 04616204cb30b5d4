"""The fuzz session runs, and a short one finds nothing; the long one is `nox -s fuzz`."""

from __future__ import annotations

import pytest
from fuzz import session
from support.corpus import corpus


def test_a_short_session_finds_nothing():
    """Every target is given inputs, and holds what it promises."""
    counts = session.run(0, examples=50)

    assert set(counts) == {"headers", "bodies", "webhooks", "origins", "paths", "pages", "planted", "files"}
    assert all(count >= 20 for count in counts.values())


@pytest.mark.parametrize("name", ["headers", "webhooks", "origins", "paths", "pages"])
def test_what_was_found_before(name):
    """The corpus is tried for ever. Each target asserts for itself."""
    inputs = corpus(name)
    assert inputs
    for found in inputs:
        getattr(session, name)([tuple(pair) for pair in found] if name == "headers" else found)
        if name == "pages":
            session.files(("page.html", found))
