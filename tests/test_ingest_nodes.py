"""A gateway of another kind enrols as one that pushes logs, and may do that only."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from flask import Flask

from tests.conftest import SignIn
from tests.ingested import nginx, send, stored


def enrolled(app: Flask, sign_in: SignIn, **said: Any) -> Any:
    page = sign_in("alice").post("/nodes", data={"name": "kong-1"}).text
    code = re.search(r"gwl_\w+", page).group()  # type: ignore[union-attr]
    return app.test_client().post("/gateway/enrol", data=orjson.dumps({"code": code} | said)).json


def test_it_pushes_logs_and_is_not_waited_for(app: Flask, sign_in: SignIn) -> None:
    credential = enrolled(app, sign_in, serves=False)["credential"]
    assert send(app, credential, "/ingest/json", nginx()).status_code == 200
    assert len(stored(app)) == 1
    assert "Pushes logs" in sign_in("alice").get("/nodes").text


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/gateway/bundle", 401), ("POST", "/gateway/report", 401), ("POST", "/gateway/unwrap", 503),
        ("POST", "/gateway/key", 503), ("POST", "/gateway/bound", 503),
    ],
)  # fmt: skip
def test_it_may_do_nothing_else(app: Flask, sign_in: SignIn, method: str, path: str, refusal: int) -> None:
    """Its credential stands in the configuration of another program: it opens no token."""
    for serves in (False, True):
        head = {"Authorization": f"Bearer {enrolled(app, sign_in, serves=serves)['credential']}"}
        answer = app.test_client().open(path, method=method, headers=head, data=b"{}")
        assert (answer.status_code == refusal) != serves
