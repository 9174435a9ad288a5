"""Strict reading of compact JWS and JWE (RFC 7515 section 7.1, RFC 7516 section 7.1): the one parser.

Only base64url without padding and with zero unused bits, only JSON objects without repeated names (RFC 7515 section 4),
only finite numbers. Sizes are looked at before any work.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import Any

import orjson

from ..errors import Refused

LONGEST = 8192
MOST_NAMES = 64
_S = r"[A-Za-z0-9_-]+"
SEALED = re.compile(rf"{_S}\.(?:{_S})?\.{_S}\.{_S}\.{_S}")  # ECDH-ES has no encrypted key
# base64url to what the decoder reads; the characters of plain base64 become one that it refuses
STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
# by what is left of a whole group of four: which last characters leave no unused bit set
ENDS = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
PADDING = {0: b"", 2: b"==", 3: b"="}
BLANK_AFTER_QUOTE = re.compile(rb'"[ \t\r\n]')


class InvalidToken(Refused):
    """Not good. ``reason`` is a sentence for whoever sent it, ``step`` the check that failed, ``claims`` what the token says
    where its signature was good."""

    status = 401

    def __init__(self, reason: str, step: str = "format", claims: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.step, self.claims = reason, step, claims


def malformed() -> InvalidToken:
    return InvalidToken("The token is malformed.")


def split(text: str, *counts: int) -> list[str]:
    """The segments, as many as one of ``counts`` says. Those of a JWE are all base64url then; of a JWS `decode` tells."""
    if len(text) > LONGEST:
        raise InvalidToken("The token is too long.")
    parts = text.split(".")
    if len(parts) not in counts or (len(parts) == 5 and not SEALED.fullmatch(text)):
        raise malformed()
    return parts


def decode(segment: str) -> bytes:
    """The bytes of a segment; nothing but base64url, without padding, in the one canonical form."""
    rest = len(segment) % 4
    if rest == 1 or not segment or (rest and segment[-1] not in ENDS[rest]):
        raise malformed()
    try:
        return binascii.a2b_base64(segment.encode("ascii").translate(STANDARD) + PADDING[rest], strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise malformed() from None


def json_object(segment: str) -> dict[str, Any]:
    """A JSON object without repeated names."""
    raw = decode(segment)
    try:
        value = orjson.loads(raw)
        # orjson keeps the last of two equal names, another parser may keep the first. As many `":` as names, each right
        # behind its quote: then none is repeated, and the slower look is not needed
        if not isinstance(value, dict) or len(value) > MOST_NAMES:
            raise malformed()
        if raw.count(b'":') != len(value) or BLANK_AFTER_QUOTE.search(raw):
            json.loads(raw, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise malformed() from None
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated")
    return found


def number(value: Any) -> float:
    """A NumericDate (RFC 7519 section 2), finite."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidToken("A time in the token is not a number.", "times")
    return float(value)
