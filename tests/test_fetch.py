"""Imports by address: what only this machine may reach stays unreached, and a hostile server holds nobody up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask

from console.apis import fetch
from console.apis.fetch import fetch_document
from console.apis.reader import LARGEST_BYTES
from console.errors import Refused

PORT = 22161
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"GATEWRIGHT_FETCH_ALLOW": f"127.0.0.1:{PORT}, allowed.example:{PORT}, xn--bcher-kva.example:{PORT}"}


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Host"]))
        getattr(self, self.path.split("?")[0].strip("/").split("/")[0], self.document)()

    def document(self) -> None:
        self.answer(b"openapi: 3.1.0")

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def to(self) -> None:
        self.answer(b"", 302, Location=self.path.partition("?")[2])

    def loop(self) -> None:
        self.answer(b"", 307, Location="/loop")

    def large(self) -> None:
        for _ in range(LARGEST_BYTES // 65536 + 2):
            self.wfile.write(b"a" * 65536)

    def large_(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.large()

    def latin(self) -> None:
        self.answer("é".encode("latin-1"))

    def missing(self) -> None:
        self.answer(b"no", 404)

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drop()

    def drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-A: ")
        self.drop()

    def drop(self) -> None:
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.wfile.write(b"a")
            time.sleep(0.1)

    def nonsense(self) -> None:
        self.wfile.write(b"\x16\x03\x01 what\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def server(app: Flask) -> Iterator[None]:
    Handler.seen = []
    with ThreadingHTTPServer(("127.0.0.1", PORT), Handler) as server, app.app_context():
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


Resolve = Callable[[dict[str, list[str]]], list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Names that lead where the test says; what was asked for is noted."""

    def lead(to: dict[str, list[str]]) -> list[str]:
        asked: list[str] = []
        real = socket.getaddrinfo

        def look_up(host: str, port: int, *rest: Any, **named: Any) -> Any:
            asked.append(host)
            if host not in to:
                return real(host, port, *rest, **named)
            return [
                (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
                for a in to[host]
            ]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return lead


def test_what_a_setting_allows_is_fetched() -> None:
    assert fetch_document(HERE + "/openapi.yaml?a=b") == "openapi: 3.1.0"
    assert Handler.seen == [("/openapi.yaml?a=b", f"127.0.0.1:{PORT}")]


INTERNAL = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
    "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1",
    "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INTERNAL)
def test_no_internal_address_is_fetched(names: Resolve, address: str) -> None:
    names({"inside.example": [address]})
    with pytest.raises(Refused, match="internal address"):
        fetch_document(f"http://inside.example:{PORT}/")
    assert Handler.seen == []


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses_are_fetched(names: Resolve, address: str) -> None:
    names({"outside.example": [address]})
    assert fetch.public_address("outside.example", 80) == address


def test_ipv4_goes_first(names: Resolve) -> None:
    names({"both.example": ["2606:2800:220:1::1", "93.184.216.34"]})
    assert fetch.public_address("both.example", 80) == "93.184.216.34"


def test_one_internal_address_among_public_ones_is_enough(names: Resolve) -> None:
    names({"mixed.example": ["93.184.216.34", "127.0.0.1"]})
    with pytest.raises(Refused, match="internal address"):
        fetch_document(f"http://mixed.example:{PORT}/")


def test_a_name_is_resolved_once(names: Resolve) -> None:
    """Else it could be public when it is looked at and internal when it is fetched."""
    asked = names({"allowed.example": ["127.0.0.1"]})
    fetch_document(f"http://allowed.example:{PORT}/")
    assert asked.count("allowed.example") == 1
    assert Handler.seen == [("/", f"allowed.example:{PORT}")]


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "①②⑦.⓪.⓪.①", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_loopback_is_fetched(host: str) -> None:
    with pytest.raises(Refused):
        fetch_document(f"http://{host}:{PORT + 1}/")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:22162/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://a/b",
        "gopher://a",
        "http://[",
        "//[::1]/",
        "http://u:p@a/",
        "javascript:1",
    ],
)
def test_a_redirect_is_under_the_same_rule(location: str) -> None:
    with pytest.raises(Refused):
        fetch_document(f"{HERE}/to?{location}")
    assert len(Handler.seen) == 1


def test_a_redirect_is_followed_and_a_loop_is_not() -> None:
    assert fetch_document(f"{HERE}/to?/document") == "openapi: 3.1.0"
    with pytest.raises(Refused, match="too often"):
        fetch_document(f"{HERE}/loop")


@pytest.mark.parametrize(
    "url",
    ["", "a", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://:80/", "http://a:b@127.0.0.1/", "http://@127.0.0.1/",
     "http://127.0.0.1:99999/", "http://[::1", "http://a\x00b/", "http://a..b/", "http://" + "a" * 70 + ".example/", "http://例え.invalid/", "http://a b/"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        fetch_document(url)


def test_a_name_with_other_letters_is_asked_for_in_ascii(names: Resolve) -> None:
    names({"xn--bcher-kva.example": ["127.0.0.1"]})
    assert fetch_document(f"http://bücher.example:{PORT}/") == "openapi: 3.1.0"
    assert Handler.seen == [("/", f"xn--bcher-kva.example:{PORT}")]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("large_", "larger than 10 MB"),
        ("latin", "not UTF-8"),
        ("missing", "answered 404"),
        ("nonsense", "connection broke"),
    ],
)
def test_a_bad_answer_is_told(path: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        fetch_document(f"{HERE}/{path}")


@pytest.mark.parametrize("path", ["drip", "drip_headers"])
def test_a_server_that_drips_holds_nobody_up(path: str) -> None:
    started = time.monotonic()
    with pytest.raises(Refused, match="takes too long"):
        fetch_document(f"{HERE}/{path}", 0.5)
    assert time.monotonic() - started < 2


def test_nothing_listening_is_told() -> None:
    with pytest.raises(Refused, match="internal address"):
        fetch_document("http://127.0.0.1:22162/")
