"""What senders put in a body: compressed or not, one JSON value or many. A bomb, a cut body and a deep one stop here."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from ..errors import Refused
from ..gateway.envoy.base import HEALTH
from .completeness import MINUTE_US, NODE, SPENT
from .store import COLUMNS
from .writer import Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGEST_BYTES = 20 * 1024 * 1024
MOST_MEMBERS = 10_000  # of one body, each of which costs its own beginning, were it empty
MOST_RECORDS = 100_000  # of one body; seven million empty ones fit, and would take a worker a minute
PIECE_BYTES = 16 * 1024
# RFC 9659: what HTTP senders may ask a receiver to hold; more is an attack on its memory
ZSTD_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
NOT_JSON = "this is not JSON"
PATH = COLUMNS.index("path")


class Undecodable(Refused):
    status = 400


class TooLarge(Refused):
    status = 413


@dataclass(frozen=True)
class Batch:
    """``rejected``: why, and what was sent (text, or what it was decoded to). ``uncounted``: node and minute of what is no
    traffic, but was served all the same."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[tuple[str, Any]] = field(default_factory=list)
    uncounted: list[tuple[int, int]] = field(default_factory=list)

    def take(self, row: Row) -> None:
        """What asks every node whether it is well, every second, is no traffic."""
        if row[PATH] != HEALTH:
            self.rows.append(row)
        else:
            self.uncounted.append((row[NODE], (row[0] + row[SPENT]) // MINUTE_US))


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip() -> _Stream:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _zstd() -> _Stream:
    return zstd.ZstdDecompressor(options=ZSTD_WINDOW)


STREAMS = {"gzip": _gzip, "x-gzip": _gzip, "zstd": _zstd}


def inflate(body: bytes, encoding: str) -> bytes:
    """The body as it was before compression; a bomb stops at the limit."""
    if encoding in ("", "identity"):
        return _within_limit(body)
    if encoding not in STREAMS:
        raise Undecodable(f"Content-Encoding {encoding[:40]!r} is not supported. Use gzip, zstd or none.")
    try:
        return _within_limit(_plain(body, encoding))
    except (zlib.error, zstd.ZstdError, EOFError):
        raise Undecodable(f"The body is not {encoding}, or was cut short.") from None


def _plain(body: bytes, encoding: str) -> bytes:
    """Member after member: both formats may be concatenated, and none may be lost."""
    plain, at, members = bytearray(), 0, 0
    while at < len(body) and len(plain) <= LARGEST_BYTES:
        members += 1
        if members > MOST_MEMBERS:
            raise TooLarge(f"The body has more than {MOST_MEMBERS} {encoding} members. Send fewer at once.")
        at = _member(STREAMS[encoding](), body, at, plain)
    return bytes(plain)


def _member(stream: _Stream, body: bytes, at: int, plain: bytearray) -> int:
    """Add the member that begins at ``at`` to ``plain``; where the next one begins.

    Piece by piece, because what follows a member is copied: all of it, that would take the square of their number.
    """
    while not stream.eof and len(plain) <= LARGEST_BYTES:
        piece = body[at : at + PIECE_BYTES]
        if not piece:
            raise EOFError
        plain += stream.decompress(piece, LARGEST_BYTES + 1 - len(plain))
        at += len(piece) - len(stream.unused_data)
    return at


def _within_limit(plain: bytes) -> bytes:
    if len(plain) > LARGEST_BYTES:
        raise TooLarge(f"The batch is larger than {LARGEST_BYTES // 1024 // 1024} MB. Send smaller ones.")
    return plain


def check_count(records: int) -> None:
    if records > MOST_RECORDS:
        raise TooLarge(f"The batch has more than {MOST_RECORDS} records. Send smaller ones.")


def documents(plain: bytes) -> Iterator[tuple[Any, str]]:
    """Every JSON value of a body, in whichever way they are put together; ``(None, text)`` for what is none.

    An array, an object, a line each, or one after the other without anything between (Splunk's way).
    """
    try:
        whole = orjson.loads(plain)
    except orjson.JSONDecodeError:
        yield from _many(plain)
        return
    for value in whole if isinstance(whole, list) else (whole,):
        yield value, ""


def _many(plain: bytes) -> Iterator[tuple[Any, str]]:
    for line in plain.splitlines() if _has_lines(plain) else (plain,):
        if not line.strip():
            continue
        try:
            yield orjson.loads(line), ""
        except orjson.JSONDecodeError:
            yield from _one_after_the_other(line.decode(errors="replace"))


def _has_lines(plain: bytes) -> bool:
    """Else the line ends are inside of the values."""
    return not plain.lstrip().startswith((b"{\n", b"{\r\n", b"["))


def _one_after_the_other(text: str) -> Iterator[tuple[Any, str]]:
    at, decoder = 0, json.JSONDecoder(parse_constant=_no_constant)
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield None, text[at:]
            return
        yield value, ""


def _no_constant(name: str) -> None:
    raise ValueError(name)
