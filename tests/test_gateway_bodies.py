"""Bodies through a real Envoy: the record has their beginning, and the call is what it would be without."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import ECKey
from profiled import Installed, answering, bearer
from programs import Installation, Reply, installation, wait_until

from console import create_app
from console.accounts.models import Person, Role, Team
from console.apis.actions import Choices, import_document, publish_version
from console.applications.actions import approve_subscription, create_application, subscribe
from console.config import load
from console.credentials.actions import create_secret
from console.db import db, unit_of_work
from console.gateway.agent import NodeFiles
from console.gateway.envoy import Place, render
from console.gateway.envoy.listener import BODY_ATTRIBUTES
from console.logs.body_tables import bodies_of
from console.logs.call_bodies import Body

pytestmark = pytest.mark.envoy

DOCUMENT = """
openapi: 3.1.0
info: {title: NAME, version: 1.0.0}
components: {schemas: {A: {properties: {ssn: {x-sensitive: true}}}}}
paths: {/things: {get: {responses: {'200': {description: ok}}}}}
"""
MOST = 100
APIS = {"kept": (["open"], True), "plain": (["open"], False), "guarded": (["signed"], True)}
JSON = {"Content-Type": "application/json"}
EVENTS = [f'data: {{"n":{i},"ssn":"s3cr3t"}}\n\n'.encode() for i in range(5)]
GAP_S = 0.25


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    arrivals: list[tuple[float, bytes]]  # of the pieces of the last upload

    def do_POST(self) -> None:
        what = self.path.rpartition("/")[2]
        body = self._read()
        if what == "events":
            self._events()
        else:
            self._answer(what, body)

    do_GET = do_HEAD = do_PUT = do_POST

    def _answer(self, what: str, body: bytes) -> None:
        content = {
            "big": b'{"a":"' + b"x" * 300_000 + b'"}',
            "image": b"\x89PNG" * 9,
            "latin": b"caf\xe9 \x00\xff",
            "none": b"",
        }
        kinds = {"image": "image/png", "latin": "text/plain", "big": "application/json"}
        out = content.get(what, body)
        out = gzip.compress(out) if what == "gzip" else out
        self.send_response(204 if what == "none" else 200)
        self.send_header("Content-Type", kinds.get(what, self.headers.get("Content-Type", "application/json")))
        if what == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if what != "none":
            self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else out)

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Backend.arrivals = []
        while size := int(self.rfile.readline(), 16):
            Backend.arrivals.append((time.monotonic(), self.rfile.read(size)))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(piece for _, piece in Backend.arrivals)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in EVENTS:
            self.wfile.write(event)
            self.wfile.flush()
            time.sleep(GAP_S)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    home = tmp_path_factory.mktemp("bodies") / "home"
    with installation(home) as me, answering(Backend) as url:
        yield fill(me, url)


def fill(me: Installation, url: str) -> Installed:
    ports = {"PORT": me.console, "GATEWAY_PORT": me.gateway, "SAMPLE_PORT": me.sample}
    env = {f"GATEWRIGHT_{name}": address.rpartition(":")[2] for name, address in ports.items()}
    app = create_app(load(env | {"GATEWRIGHT_HOME": str(me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
    with app.app_context(), unit_of_work():
        alice = Person(email="alice@example.org", name="Alice", role=Role.ADMIN, password_hash="-")
        alice.teams = [Team(name="Platform")]
        db.session.add(alice)
        db.session.flush()
        application = create_application("Shop", "", alice.teams[0], by=alice)
        for name, (accepts, on) in APIS.items():
            version = import_document(DOCUMENT.replace("NAME", name), alice.teams[0], by=alice)
            choices = Choices(url, f"/{name}/v1", accepts, 900, log_bodies=on, log_body_bytes=MOST)
            publish_version(version, choices, edits=version.edits, by=alice)
            if accepts != ["open"]:
                approve_subscription(subscribe(application, version, "for tests", by=alice), by=alice)
        secret = create_secret(application, by=alice)[1]
        world = Installed(me, app, application.client_id, secret, ECKey.generate_key("P-256", private=True))
    world.settle()
    return world


def ask(world: Installed, what: str, body: bytes = b"", api: str = "kept", **headers: str) -> Reply:
    asked = connection(world)
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    asked.request("POST", f"/{api}/v1/{what}", body, said)
    return reply_of(asked.getresponse())


def reply_of(answer: http.client.HTTPResponse) -> Reply:
    return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode("latin-1"))


def bodies(world: Installed, reply: Reply) -> tuple[Body, Body]:
    """What the request log holds of both."""
    row = world.record(reply)
    with world.app.extensions["gatewright"].logs.engine.connect() as connection:
        return bodies_of(connection, row["id"])


NOTHING = Body("", "")
SAID = b'{"name":"Ann","ssn":"s3cr3t","password":"s3cr3t"}'
MASKED = '{"name":"Ann","ssn":"[scrubbed]","password":"[scrubbed]"}'


def test_both_are_in_the_record_without_their_secrets(world: Installed) -> None:
    reply = ask(world, "echo", SAID, **JSON)
    assert reply.body == SAID.decode()
    assert bodies(world, reply) == (Body("application/json", MASKED), Body("application/json", MASKED))
    assert (world.record(reply)["status"], world.record(reply)["request_bytes"]) == (200, len(SAID))


def test_not_of_an_api_that_does_not_say_so(world: Installed) -> None:
    reply = ask(world, "echo", SAID, "plain", **JSON)
    assert bodies(world, reply) == (NOTHING, NOTHING)
    assert world.record(reply)["path"] == "/plain/v1/echo"


def test_of_one_that_asks_for_a_token(world: Installed) -> None:
    reply = ask(world, "echo", SAID, "guarded", **JSON, **bearer(world.token("guarded", "")))
    assert [body.text for body in bodies(world, reply)] == [MASKED, MASKED]


def test_a_call_that_is_refused_has_no_request_in_its_record(world: Installed) -> None:
    reply = ask(world, "echo", SAID, "guarded", **JSON)
    assert reply.status == 401
    assert bodies(world, reply)[0] == NOTHING


def test_only_the_beginning_of_large_ones(world: Installed) -> None:
    sent = b'{"a":"' + b"y" * 200_000 + b'"}'
    reply = ask(world, "big", sent, **JSON)
    assert len(reply.body) == 300_008
    request, response = bodies(world, reply)
    assert request == Body("application/json, the first 100 of 200,008 bytes", '{"a":"' + "y" * 94)
    assert response == Body("application/json, the first 100 of 300,008 bytes", '{"a":"' + "x" * 94)


@pytest.mark.parametrize(
    ("what", "kind", "sent", "note"),
    [
        ("image", "image/png", b"\x89PNG" * 3, ("binary, 12 bytes, image/png", "binary, 36 bytes, image/png")),
        ("gzip", "application/json", b"{}", ("application/json", "gzip, 22 bytes: not kept")),
        ("echo", "multipart/form-data; boundary=x", b"--x", ("binary, 3 bytes, multipart/form-data",) * 2),
        ("none", "application/json", b"{}", ("application/json", "")),
        ("echo", "Application/Problem+JSON; charset=utf-8", b"{}", ("application/problem+json",) * 2),
        ("echo", "application/x-www-form-urlencoded", b"a=1", ("application/x-www-form-urlencoded",) * 2),
        ("echo", "\xff<script>", b"x", ("binary, 1 bytes, script",) * 2),
    ],
)
def test_what_is_no_text_is_only_said(
    world: Installed, what: str, kind: str, sent: bytes, note: tuple[str, str]
) -> None:
    reply = ask(world, what, sent, Content_Type=kind)
    assert reply.status in (200, 204)
    assert tuple(body.note for body in bodies(world, reply)) == note


def test_an_encoded_request_is_only_said(world: Installed) -> None:
    request, _ = bodies(world, ask(world, "echo", gzip.compress(SAID), **JSON, Content_Encoding="gzip"))
    assert (request.note[:6], request.text) == ("gzip, ", "")


def test_bytes_that_are_no_text_lose_no_record(world: Installed) -> None:
    """What is in a record must be UTF-8, and all others of its batch would be lost with it."""
    reply = ask(world, "latin", b"\xff\xfe\x00" * 9, Content_Type="text/plain")
    assert reply.status == 200
    request, response = bodies(world, reply)
    assert (request.note, response.text) == ("text/plain", "caf\ufffd \ufffd")


def test_a_body_that_is_cut_within_a_letter(world: Installed) -> None:
    request, _ = bodies(world, ask(world, "echo", b"a" + "é".encode() * 80, Content_Type="text/plain"))
    assert request == Body("text/plain, the first 99 of 161 bytes", "a" + "é" * 49)


def test_no_caller_can_erase_the_record_of_another(world: Installed) -> None:
    """By a User-Agent that is no UTF-8, or whose 200th letter is cut in two."""
    agents = ["curl", "caf\xe9 \xff", "a" * 199 + "é".encode().decode("latin-1"), "curl"]
    replies = [ask(world, "echo", b"{}", "plain", **JSON, User_Agent=agent) for agent in agents]
    kept = [world.record(reply)["user_agent"] for reply in replies]
    assert kept == ["curl", "caf\ufffd \ufffd", "a" * 199 + "\ufffd", "curl"]


def connection(world: Installed) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", urlsplit(world.me.gateway).port, timeout=10)


@pytest.mark.parametrize("api", ["kept", "plain"])
def test_an_event_stream_comes_as_it_is_sent(world: Installed, api: str) -> None:
    asked = connection(world)
    began = time.monotonic()
    asked.request("GET", f"/{api}/v1/events")
    answer = asked.getresponse()
    came = []
    while piece := answer.read1(65536):
        came.append((time.monotonic() - began, piece))
    assert b"".join(piece for _, piece in came) == b"".join(EVENTS)
    assert [round(at / GAP_S) for at, _ in came] == [0, 1, 2, 3, 4], came
    reply = reply_of(answer)
    _, response = bodies(world, reply)
    assert response.text.count("[scrubbed]") == (3 if api == "kept" else 0)  # of 100 bytes
    assert "s3cr3t" not in response.text


def test_a_stream_that_the_caller_leaves_is_in_the_record(world: Installed) -> None:
    asked = connection(world)
    asked.request("GET", "/kept/v1/events")
    answer = asked.getresponse()
    answer.read1(65536)
    answer.close()
    asked.close()
    reply = reply_of(answer)
    _, response = bodies(world, reply)
    assert response.text.startswith('data: {"n":0,"ssn":[scrubbed]}')


@pytest.mark.parametrize("api", ["kept", "plain"])
def test_an_upload_comes_to_the_backend_as_it_is_sent(world: Installed, api: str) -> None:
    pieces = [b'{"n":"' + bytes([65 + i]) * 20_000 for i in range(4)]

    def slowly() -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            time.sleep(GAP_S)

    asked = connection(world)
    began = time.monotonic()
    asked.request("POST", f"/{api}/v1/echo", slowly(), JSON, encode_chunked=True)
    assert asked.getresponse().read() == b"".join(pieces)
    first = {piece[6:7]: round((at - began) / GAP_S) for at, piece in reversed(Backend.arrivals) if piece[:1] == b"{"}
    assert [first[bytes([65 + i])] for i in range(4)] == [0, 1, 2, 3]


def test_many_small_pieces(world: Installed) -> None:
    asked = connection(world)
    asked.request("POST", "/kept/v1/echo", (b"%d" % (i % 10) for i in range(300)), {"Content-Type": "text/plain"}, encode_chunked=True)  # fmt: skip
    answer = asked.getresponse()
    assert answer.read() == b"0123456789" * 30
    request, response = bodies(world, reply_of(answer))
    assert (request.text, response.text) == ("0123456789" * 10, "0123456789" * 10)


def test_calls_at_once_over_one_connection_keep_their_own(world: Installed) -> None:
    asked = connection(world)
    replies = []
    for i in range(30):
        asked.request("POST", "/kept/v1/echo", b'{"n":%d}' % i, JSON)
        answer = asked.getresponse()
        replies.append(reply_of(answer))
    assert [json.loads(bodies(world, reply)[0].text)["n"] for reply in replies] == list(range(30))


def test_without_an_api_that_keeps_them_nothing_is_configured(world: Installed) -> None:
    """Switched off by publishing a revision; the listener is then the one that it always was."""
    listener = NodeFiles(world.me.home / "node").xds / "lds.json"
    assert BODY_ATTRIBUTES[0][0] in listener.read_text()
    before = bodies(world, ask(world, "echo", b"{}", **JSON))
    for api, (accepts, on) in APIS.items():
        with world.acting() as alice:
            version = world.version(api)
            choices = Choices(version.backend_url, f"/{api}/v1", accepts, 900)
            if on:
                publish_version(version, choices, edits=version.edits, by=alice)
    world.settle()
    wait_until(lambda: BODY_ATTRIBUTES[0][0] not in listener.read_text(), 5)
    reply = ask(world, "echo", b"{}", **JSON)
    assert bodies(world, reply) == (NOTHING, NOTHING) != before


def test_a_bundle_of_before_is_rendered_as_it_was(tmp_path: Path) -> None:
    """And a node that knows nothing of bodies is told nothing that it would refuse."""
    version = {"id": 1, "name": "a@1", "path": "/a", "state": "open", "backend": "http://127.0.0.1:9", "accepts": [],
               "audience": "x", "operations": [], "headers": [], "ended_clients": [], "detail": ""}  # fmt: skip
    said: dict[str, Any] = {"generation": 1, "issuer": "http://x", "jwks": {"keys": []}, "revoked": []}
    place = Place("n", "127.0.0.1", 1, "http://127.0.0.1:9", "x", tmp_path, tmp_path / "admin")
    without = render(said | {"versions": [version]}, place)
    assert render(said | {"versions": [version | {"body_bytes": 0}]}, place) == without
    assert (
        render(said | {"versions": [version | {"body_bytes": 1}]}, place).files["lds.json"] != without.files["lds.json"]
    )
    assert "request_body" not in json.dumps(without.files)
