"""Keys that others publish at an address of theirs, fetched under the rules of `apis.fetch` and remembered for a while."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog

from ..apis.fetch import fetch_document
from ..credentials.algorithms import PUBLISHED_SIGNING, check_public_jwks
from ..errors import Refused

FRESH_S = 900  # so long what was fetched is used without asking again
KEEP_S = 24 * 3600  # so long it is used when the address does not answer
COOL_DOWN_S = 60  # no address is asked more often, whatever kids are made up
MOST_ADDRESSES = 1000
FETCH_S = 3.0  # a client that authenticates waits for it, and a thread with it
log = structlog.get_logger("remote_keys")


@dataclass
class Fetched:
    keys: list[dict[str, Any]] = field(default_factory=list)
    fetched_at: float = -1e9  # monotonic seconds
    asked_at: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: dict[str, Fetched] = {}


def signing_key(url: str, kid: str) -> dict[str, Any] | None:
    """The key by that id at ``url``; asked for again when it is not known yet or what is known is old."""
    if len(_known) > MOST_ADDRESSES:
        _known.clear()
    entry = _known.setdefault(url, Fetched())
    clock = time.monotonic()
    found = _by_kid(entry, kid)
    if found is not None and clock - entry.fetched_at < FRESH_S:
        return found
    with entry.lock:  # one fetch, whoever waits
        if time.monotonic() - entry.asked_at >= COOL_DOWN_S:
            _fetch(url, entry)
    return _by_kid(entry, kid) if time.monotonic() - entry.fetched_at < KEEP_S else None


def _by_kid(entry: Fetched, kid: str) -> dict[str, Any] | None:
    return next((key for key in entry.keys if key["kid"] == kid), None)


def _fetch(url: str, entry: Fetched) -> None:
    entry.asked_at = time.monotonic()
    try:
        entry.keys = fetch_keys(url, "sig", PUBLISHED_SIGNING)
        entry.fetched_at = time.monotonic()
    except Refused as refused:
        log.warning("remote_keys.not_fetched", url=url, reason=refused.message)


def fetch_keys(url: str, use: str, algorithms: tuple[str, ...]) -> list[dict[str, Any]]:
    """The good keys of the JWK Set at ``url`` (RFC 7517 section 5). `Refused` says why there are none."""
    try:
        said = orjson.loads(fetch_document(url, FETCH_S))
    except ValueError:
        raise Refused(f"{url} does not answer with JSON.", "jwks_uri") from None
    return check_public_jwks(said, use, algorithms)
