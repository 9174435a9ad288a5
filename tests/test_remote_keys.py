"""E15 and E16: keys that clients publish at an address of theirs are asked for rarely, and never inside our own network."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask

from console.accounts.models import Person
from console.applications.models import Application
from console.credentials.client_keys import set_jwks_uri
from console.db import db, unit_of_work
from console.errors import Refused
from console.tokens import remote

from .clients import KeyPair, by_assertion, forget
from .conftest import Cast, World, at_once
from .programs import free_port
from .test_tokens import Caller, refused, with_secret

PORT, CLOSED = free_port(), free_port()
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"GATEWRIGHT_FETCH_ALLOW": f"127.0.0.1:{PORT}"}


class Published(BaseHTTPRequestHandler):
    """``/keys`` are the client's keys, ``/to?x`` redirects to x."""

    keys: list[dict[str, Any]] = []
    seen: list[str] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        path, _, location = self.path.partition("?")
        self.send_response(302 if path == "/to" else 200)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": self.keys}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def server() -> Iterator[None]:
    Published.keys, Published.seen = [], []
    remote._known.clear()
    with ThreadingHTTPServer(("127.0.0.1", PORT), Published) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture
def inside() -> Iterator[socket.socket]:
    """What only this machine may reach; nobody may be asked to come here."""
    with socket.create_server(("127.0.0.1", CLOSED)) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture
def shop(app: Flask, world: World) -> Caller:
    return with_secret(app, world.application_id)


def publishes_at(app: Flask, world: World, url: str) -> None:
    """Written down without being looked at: names may lead elsewhere later than when they were."""
    with app.app_context(), unit_of_work():
        db.session.get_one(Application, world.application_id).jwks_uri = url
    forget(app)


def pair_there(kid: str) -> KeyPair:
    pair = KeyPair.of("ES256")
    Published.keys.append(pair.public | {"kid": kid})
    return pair


def test_published_keys_are_taken(app: Flask, world: World, shop: Caller) -> None:
    publishes_at(app, world, HERE + "/keys")
    pair = pair_there("one")
    for _ in "123":
        assert by_assertion(shop.browser, pair.assertion(shop.client_id, {"kid": "one"})).status_code == 200
    assert Published.seen == ["/keys"]
    for head in ({}, {"kid": "two"}, {"kid": ["one"]}, {"kid": ""}):
        assert refused(by_assertion(shop.browser, pair.assertion(shop.client_id, head)), 401) == "invalid_client"
    assert Published.seen == ["/keys"]


def test_e15_a_flood_of_unknown_kids_causes_one_fetch(app: Flask, world: World, shop: Caller) -> None:
    publishes_at(app, world, HERE + "/keys")
    pair = pair_there("one")

    def flood(thread: int) -> None:
        browser = app.test_client()
        for number in range(25):
            assertion = pair.assertion(shop.client_id, {"kid": f"{thread}-{number}"})
            assert by_assertion(browser, assertion).status_code == 401

    at_once(*[lambda t=t: flood(t) for t in range(4)])  # type: ignore[misc]
    assert Published.seen == ["/keys"]
    assert by_assertion(shop.browser, pair.assertion(shop.client_id, {"kid": "one"})).status_code == 200


def test_e15_a_new_key_is_found_after_the_cool_down(
    app: Flask, world: World, shop: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishes_at(app, world, HERE + "/keys")
    old, fresh = pair_there("old"), KeyPair.of("EdDSA")
    assert by_assertion(shop.browser, old.assertion(shop.client_id, {"kid": "old"})).status_code == 200
    Published.keys[:] = [fresh.public | {"kid": "fresh", "alg": "EdDSA"}]
    assert by_assertion(shop.browser, fresh.assertion(shop.client_id, {"kid": "fresh"})).status_code == 401
    monkeypatch.setattr(remote, "COOL_DOWN_S", 0)
    assert by_assertion(shop.browser, fresh.assertion(shop.client_id, {"kid": "fresh"})).status_code == 200
    assert by_assertion(shop.browser, old.assertion(shop.client_id, {"kid": "old"})).status_code == 401


def test_e15_an_address_that_does_not_answer_is_not_asked_again_at_once(
    app: Flask, world: World, shop: Caller, inside: socket.socket
) -> None:
    publishes_at(app, world, HERE + f"/to?http://127.0.0.1:{CLOSED}/")
    for number in range(10):
        assertion = KeyPair.of("ES256").assertion(shop.client_id, {"kid": str(number)})
        assert by_assertion(shop.browser, assertion).status_code == 401
    assert len(Published.seen) == 1


INSIDE = [
    "http://127.0.0.1:PORT/keys",
    "http://[::1]:PORT/keys",
    "http://localhost:PORT/keys",
    "http://2130706433:PORT/keys",
    "http://[::ffff:127.0.0.1]:PORT/keys",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/keys",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "http://user@127.0.0.1/",
    "//127.0.0.1/",
    "http://[",
    "x",
]


@pytest.mark.parametrize("url", INSIDE)
def test_e16_an_address_inside_is_not_registered(
    app: Flask, cast: Cast, world: World, inside: socket.socket, url: str
) -> None:
    with app.app_context():
        application, bob = db.session.get_one(Application, world.application_id), db.session.get_one(Person, cast.bob)
        with pytest.raises(Refused):
            set_jwks_uri(application, url.replace("PORT", str(CLOSED)), by=bob)


def test_e16_an_address_inside_is_not_asked(app: Flask, world: World, shop: Caller, inside: socket.socket) -> None:
    pair = pair_there("one")
    redirects = [f"{HERE}/to?{url}" for url in INSIDE if not url.startswith(("//", "x"))]
    for url in INSIDE + redirects:
        publishes_at(app, world, url.replace("PORT", str(CLOSED)))
        answer = by_assertion(shop.browser, pair.assertion(shop.client_id, {"kid": "one"}))
        assert refused(answer, 401) == "invalid_client", url
        assert "root:" not in answer.text


def test_e16_a_name_that_leads_inside_later(
    app: Flask, cast: Cast, world: World, shop: Caller, inside: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it is registered, loopback when it is asked (DNS rebinding)."""
    leads_to, real = ["93.184.216.34"], socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **named: Any) -> Any:
        if host != "rebinds.example":
            return real(host, port, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (leads_to[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with app.app_context(), unit_of_work():
        application = db.session.get_one(Application, world.application_id)
        set_jwks_uri(application, f"http://rebinds.example:{CLOSED}/", by=db.session.get_one(Person, cast.bob))
    forget(app)
    leads_to.append("127.0.0.1")
    answer = by_assertion(shop.browser, KeyPair.of("ES256").assertion(shop.client_id, {"kid": "one"}))
    assert refused(answer, 401) == "invalid_client"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b"\xff", b"[" * 100_000, b'{"keys": [{"kty": ["EC"]}]}']
)
def test_nonsense_at_an_address_is_no_key(
    app: Flask, world: World, shop: Caller, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    def answer(self: Published) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    monkeypatch.setattr(Published, "do_GET", answer)
    publishes_at(app, world, HERE + "/keys")
    said = by_assertion(shop.browser, KeyPair.of("ES256").assertion(shop.client_id, {"kid": "one"}))
    assert refused(said, 401) == "invalid_client"
