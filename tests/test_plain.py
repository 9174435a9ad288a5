"""The plain reader against gunicorn's parser: what it takes, gunicorn takes, and to both it means the same."""

from __future__ import annotations

import random
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create

from console.web import plain

FORM = b"grant_type=client_credentials&scope=orders%3Aread"
POST = (
    b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Basic eDp5\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(FORM)
) + FORM
GET = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8\r\nAccept: */*\r\nX-Empty:\r\n\r\n"
MEANING = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "SCRIPT_NAME", "CONTENT_TYPE", "CONTENT_LENGTH")


class NoSocket:
    def send(self, data: bytes) -> None: ...


def by_gunicorn(data: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    config = Config()
    config.set("forwarded_allow_ips", "")
    parser = RequestParser(config, iter([data]), ("127.0.0.1", 1))
    request = next(parser)
    environ = create(request, NoSocket(), ("127.0.0.1", 1), ("127.0.0.1", 2), config)[1]
    body = environ["wsgi.input"].read()
    return environ, body, parser.unreader.take_buffered()


def by_plain(data: bytes) -> tuple[dict[str, Any], bytes, bytes] | None:
    """None for what is odd or incomplete."""
    environ: dict[str, Any] = {"QUERY_STRING": "", "SCRIPT_NAME": ""}
    try:
        rest = plain.read(data, environ)
    except plain.Odd:
        return None
    return None if rest is None else (environ, environ["wsgi.input"].read(), rest)


def meaning(environ: dict[str, Any]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if k in MEANING or k.startswith("HTTP_")}


def same(data: bytes) -> bool:
    """Whether it was plain; fails when gunicorn reads it in another way."""
    ours = by_plain(data)
    if ours is None:
        return False
    theirs = by_gunicorn(data)  # raises for what it refuses
    assert meaning(ours[0]) == meaning(theirs[0])
    assert ours[1:] == theirs[1:]
    return True


@pytest.mark.parametrize(
    "data",
    [
        POST,
        GET,
        POST + GET,
        GET.replace(b"GET", b"HEAD"),
        GET.replace(b"Host", b"Connection: Keep-Alive\r\nhOST"),
        GET.replace(b"/.well", b"//.well"),
        GET.replace(b"*/*", b"*/*  "),
        POST.replace(b"Length: ", b"Length: 0"),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 8000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        GET.replace(b"Host: a", b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https"),
    ],
)
def test_plain_requests_mean_the_same(data: bytes) -> None:
    assert same(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n" + GET,
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"GET", b"get"),
        GET.replace(b"GET ", b"GET  "),
        GET.replace(b"json", b"json?a=b"),
        GET.replace(b"json", b"js%6fn"),
        GET.replace(b"/.well-known", b"http://a/.well-known"),
        GET.replace(b"Host: a", b"Host: a\r\nHost: b"),
        GET.replace(b"Host: a", b"Host : a"),
        GET.replace(b"Host: a", b"Host: a\r\n b"),
        GET.replace(b"Host: a", b"Ho_st: a"),
        GET.replace(b"Host: a", b"Host"),
        GET.replace(b"Host: a", b": a"),
        GET.replace(b"Host: a", b"Host: a\nX: b"),
        GET.replace(b"Host: a", b"Host: a\rX: b"),
        GET.replace(b"Host: a", b"Host: a\x00"),
        GET.replace(b"Host: a", b"Host: \xff"),
        GET.replace(b"Host: a", b"Host:\ta"),
        GET.replace(b"Host: a", b"Connection: close"),
        GET.replace(b"Host: a", b"Connection: keep-alive, x"),
        GET.replace(b"Host: a", b"Connection: Upgrade\r\nUpgrade: h2c"),
        GET.replace(b"Host: a", b"Expect: 100-continue"),
        POST.replace(b"Content-Length: 49", b"Transfer-Encoding: chunked"),
        POST.replace(b"Content-Length: 49", b"Content-Length: 49\r\nTransfer-Encoding: chunked"),
        POST.replace(b"Content-Length: 49", b"Content-Length: 49\r\nContent-Length: 48"),
        POST.replace(b"Length: 49", b"Length: +49"),
        POST.replace(b"Length: 49", b"Length: 4_9"),
        POST.replace(b"Length: 49", b"Length: 49, 49"),
        POST.replace(b"Length: 49", b"Length: -1"),
        POST.replace(b"Length: 49", b"Length: "),
        POST.replace(b"Length: 49", b"Length: 999999"),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 8200 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(101)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 8200,
        b"GET / HTTP/1.1\nHost: a\n\n",
    ],
)
def test_everything_else_is_left_to_gunicorn(data: bytes) -> None:
    assert b"Content-Length: 49" in POST
    with pytest.raises(plain.Odd):
        plain.read(data, {})


@pytest.mark.parametrize("data", [POST, GET])
def test_a_part_of_a_request_is_waited_for(data: bytes) -> None:
    for size in range(1, len(data)):
        assert plain.read(data[:size], {}) is None


def test_nothing_that_is_altered_means_something_else() -> None:
    dice = random.Random(20261123)
    pieces = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"0", b"\x00", b"\x85", b"\xff", b"a", b"-", b"_"]
    pieces += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"Expect: x\r\n"]
    taken = 0
    for _ in range(30_000):
        data = bytearray(dice.choice([POST, GET, GET + POST]))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(data))
            data[at : at + dice.choice([0, 0, 1, 2])] = dice.choice(pieces)
        taken += same(bytes(data))
    assert taken > 1000  # or it would show nothing


def test_a_head_with_a_control_character_is_not_sent() -> None:
    assert plain.head("200 OK", [("X", "a")], "now").endswith(b"\r\nX: a\r\n\r\n")
    with pytest.raises(ValueError):
        plain.head("200 OK", [("X", "a\r\nY: b")], "now")
