"""Which operation of a document a call was: concrete paths before templated ones, and nothing that is not described."""

from __future__ import annotations

import time
from typing import Any

import pytest

from console.apis.operations import Templates
from console.logs.fields import trace

PATHS: dict[str, Any] = {
    "/": {"get": {}},
    "/pets": {"get": {}, "post": {}},
    "/pets/{id}": {"get": {}, "delete": {}},
    "/pets/mine": {"get": {}},
    "/pets/{id}/photos/{number}.{form}": {"get": {}},
    "/{kind}/mine/all": {"get": {}},
    "/files/{name}.tar.gz": {"get": {}},
}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates({"paths": PATHS})


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "", "/"),
        ("GET", "/", "/"),
        ("GET", "/pets", "/pets"),
        ("POST", "/pets/", "/pets"),
        ("GET", "/pets/7", "/pets/{id}"),
        ("GET", "/pets/mine", "/pets/mine"),
        ("DELETE", "/pets/mine", "/pets/{id}"),
        ("GET", "/pets/7/photos/2.png", "/pets/{id}/photos/{number}.{form}"),
        ("GET", "/pets/mine/all", "/{kind}/mine/all"),
        ("GET", "/files/a.b.tar.gz", "/files/{name}.tar.gz"),
        ("GET", "/files/atargz", ""),
        ("PUT", "/pets", ""),
        ("GET", "/pets/7/photos", ""),
        ("GET", "/pets//photos/1.png", ""),
        ("GET", "/nothing", ""),
    ],
)
def test_a_path_has_one_template(templates: Templates, method: str, path: str, template: str) -> None:
    assert templates.find(method, path) == template


def test_no_template_takes_long() -> None:
    odd = "-".join(f"{{p{n}}}" for n in range(60))
    templates = Templates({"paths": {f"/{odd}/end": {"get": {}}, "/{a}{b}{c}{d}/end": {"get": {}}}})
    began = time.perf_counter()
    assert templates.find("GET", "/" + "-" * 480 + "/wrong") == ""
    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("0" * 32, ""),
        ("4bf92f", ""),
        (None, ""),
        ({"w3c": 1}, ""),
    ],
)
def test_a_trace_id_is_32_hexadecimal_digits(said: Any, kept: str) -> None:
    assert trace(said) == kept
