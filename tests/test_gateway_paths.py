"""No spelling of a path gets around the scope that its operation needs: a real Envoy, a real backend."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.db import db, unit_of_work
from console.gateway.bundle import bundle
from console.gateway.envoy import Place, render
from console.gateway.envoy_program import envoy_binary
from console.tokens.issue import issue_token

from .conftest import Cast, publish, subscribed

pytestmark = pytest.mark.envoy

DOCUMENT = """
openapi: 3.1.0
info: {title: Safe, version: 1.0.0}
components:
  securitySchemes:
    oauth:
      type: oauth2
      flows: {clientCredentials: {tokenUrl: https://x/t, scopes: {read: to read, admin: to rule}}}
paths:
  /orders: {get: {security: [{oauth: [admin]}], responses: {'200': {description: ok}}}}
  /käse: {get: {security: [{oauth: [admin]}], responses: {'200': {description: ok}}}}
  /items/{id}: {get: {security: [{oauth: [admin]}], parameters: [{name: id, in: path, required: true, schema: {}}], responses: {'200': {description: ok}}}}
  /open: {get: {responses: {'200': {description: ok}}}}
"""


class Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_POST = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def free_port() -> int:
    for port in range(22100, 22150):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


class Gateway:
    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in ({"Authorization": f"Bearer {self.token}"} | headers).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def gateway(app: Flask, cast: Cast, tmp_path: Path) -> Iterator[Gateway]:
    """An Envoy that serves one API, and a token that lacks the scope `admin`."""
    backend = ThreadingHTTPServer(("127.0.0.1", free_port()), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        version = publish(alice, ["signed"], DOCUMENT, "/safe/v1")
        application = subscribed(version, bob, alice)
        version_id, client_id = version.id, application.client_id
    with app.app_context():
        said = json.loads(bundle())
        audience = db.session.get_one(ApiVersion, version_id).audience
        token = issue_token(client_id=client_id, audience=audience, scope="read", lifetime_s=300).text
    said["versions"][0]["backend"] = f"http://127.0.0.1:{backend.server_port}"
    port = free_port()
    place = Place("n", "127.0.0.1", port, "http://127.0.0.1:9", "x", tmp_path, tmp_path / "admin")
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(render(said, place).folded))
    command = [envoy_binary(), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]
    envoy = subprocess.Popen(command, stderr=(tmp_path / "log").open("wb"))
    gateway = Gateway(port, token)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert gateway.ask("/__gatewright/health")[0] == 200
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                assert envoy.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        yield gateway
    finally:
        envoy.kill()
        envoy.wait()
        backend.shutdown()
        backend.server_close()


SPELLINGS = [
    "/orders", "/orders/", "/orders?x=1", "//orders", "/./orders", "/x/../orders", "/orders/.", "/order%73", "/%6Frders",
    "/%6frders", "/orders;a=1", "/orders;", ";/orders", "/Orders", "/ORDERS", "/orders%2f", "/orders%5c", "/orders\\", "/items/1",
    "/items/1/", "/item%73/1", "/items/1;a=b", "/items/a%20b", "/k%C3%A4se", "/k%c3%a4se", "/open/%2e%2e/orders", "/open/..;/orders",
    "/orders%00", "/orders//", "/orders/;a", "/items;x/1", ";/orders",
]  # fmt: skip


def test_no_spelling_of_a_path_avoids_its_scope(gateway: Gateway) -> None:
    assert gateway.ask("/safe/v1/open")[0] == 200
    through = [s for s in SPELLINGS if gateway.ask("/safe/v1" + s)[0] == 200]
    through += [f"{m} /orders" for m in ("HEAD", "get") if gateway.ask("/safe/v1/orders", m)[0] == 200]
    assert through == []


def test_a_header_cannot_change_what_was_checked(gateway: Gateway) -> None:
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL")
    status, body = gateway.ask("/safe/v1/open", **dict.fromkeys(names, "DELETE"))
    assert status == 200
    assert not {name.lower() for name in names} & json.loads(body)["headers"].keys()


def test_nobody_gets_in_without_a_good_token(gateway: Gateway) -> None:
    bad = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        f"Basic {gateway.token}",
        f"Bearer {gateway.token[:-9]}",
        gateway.token,
    ]
    for value in bad:
        for path in ("/open", "/orders", "/", "", "/nowhere"):
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                assert gateway.ask("/safe/v1" + path, method, Authorization=value)[0] in (401, 403), (
                    value,
                    path,
                    method,
                )
