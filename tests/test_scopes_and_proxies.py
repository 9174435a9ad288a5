"""Scopes as a document asks for them, and callers as proxies name them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from console.apis import openapi
from console.apis.openapi import Unacceptable
from console.web.proxies import Trusting

OAUTH = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://x/t", "scopes": {}}}}


def operation(security: list[dict[str, list[str]]]) -> openapi.Operation:
    get = {"security": security, "responses": {"200": {"description": "ok"}}}
    document = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"get": get}}}
    text = orjson.dumps(document | {"components": {"securitySchemes": {"one": OAUTH, "two": OAUTH}}}).decode()
    return openapi.operations(openapi.parse(text))[0]


def test_all_schemes_of_a_requirement_are_needed() -> None:
    assert operation([{"one": ["admin"], "two": ["read"]}]).scopes == ("admin", "read")


@pytest.mark.parametrize("scope", ["a\r\nSet-Cookie: b=c", 'a"', "a b", "", "é", "a" * 200])
def test_a_scope_that_no_header_can_hold_is_refused(scope: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        operation([{"one": [scope]}])
    assert "no scope name" in refused.value.problems[0]


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("127.0.0.1, 10.0.0.2", "10.0.0.2"),
        ("::1", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("a" * 1000 + ", 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
    ],
)
def test_nobody_is_taken_for_this_machine(forwarded: str, caller: str) -> None:
    seen: list[dict[str, Any]] = []
    front = Trusting(lambda environ, _: seen.append(environ) or [], ["10.0.0.0/8"])
    front({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}, None)
    assert seen[0]["REMOTE_ADDR"] == caller
