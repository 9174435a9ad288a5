"""HTTP/1.1 as most machines speak it, read cheaply and strictly.

`read` knows one plain form of a request and gives up on all else: what is long, chunked, folded, repeated, escaped or
merely odd is for gunicorn's parser, from its first byte, with gunicorn's rules and limits. So nothing is accepted here
that gunicorn would refuse, and a request means the same to both (tests/test_worker.py holds them against each other).
"""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from typing import Any

LONGEST_HEAD = 8190
MOST_HEADERS = 100
LARGEST_BODY = 64 * 1024
REQUEST_LINE = re.compile(r"(GET|HEAD|POST) (/[A-Za-z0-9_.~/-]*) HTTP/1\.1")
NAME = re.compile(r"[A-Za-z0-9-]+")
# they change what the bytes after the head mean, or who is to answer
ODD = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE", "TE", "TRAILER", "HTTP2-SETTINGS", "PROXY-CONNECTION"})
Environ = dict[str, Any]


class Odd(Exception):
    """Not of the plain form."""


def read(received: bytes, environ: Environ) -> bytes | None:
    """Put the first request into ``environ`` and return what follows it; None when some of it is still to come."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > LONGEST_HEAD or received.count(b"\n") != received.count(b"\r\n"):
            raise Odd
        return None
    if end > LONGEST_HEAD:
        raise Odd
    _head(received[:end], environ)
    start = end + 4
    after = start + _length(environ.get("CONTENT_LENGTH", "0"))
    if len(received) < after:
        return None
    environ["wsgi.input"] = BytesIO(received[start:after])
    return received[after:]


def _head(head: bytes, environ: Environ) -> None:
    try:
        request_line, *lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise Odd from None
    said = REQUEST_LINE.fullmatch(request_line)
    # printable means: no other control character, so no bare CR or LF either
    if said is None or len(lines) > MOST_HEADERS or not "".join(lines).isprintable():
        raise Odd
    environ["REQUEST_METHOD"], environ["PATH_INFO"] = said.groups()
    environ["RAW_URI"] = environ["PATH_INFO"]
    for line in lines:
        name, colon, value = line.partition(":")
        key = _key(name)
        if not colon or key in environ:
            raise Odd
        environ[key] = value.strip(" ")
    if environ.get("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        raise Odd


@lru_cache(maxsize=256)
def _key(name: str) -> str:
    upper = name.upper()
    if NAME.fullmatch(name) is None or upper in ODD:
        raise Odd
    key = upper.replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _length(text: str) -> int:
    # printable ASCII, so a digit is one of ten
    if not text.isdigit() or len(text) > 6 or int(text) > LARGEST_BODY:
        raise Odd
    return int(text)


def head(status: str, headers: list[tuple[str, str]], date: str) -> bytes:
    """The head of an answer that says its length and keeps the connection."""
    lines = [f"HTTP/1.1 {status}", "Server: gunicorn", f"Date: {date}", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in headers]
    if not "".join(lines).isprintable():
        raise ValueError("a header of the answer holds a control character")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
