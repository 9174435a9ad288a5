"""What was pushed, taken in: decoded, and written together with what could not be decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ..apis.operations import body_rules, operation_finder
from ..apis.queries import version_finder
from ..db import AWAY
from ..runtime import runtime
from . import apisix, flat, hec, kong, otlp
from .bodies import Batch, Undecodable, inflate
from .countries import country_finder
from .fields import Normaliser
from .letters import letters_of
from .writer import Unavailable

LONGEST_NAME = 200
log = structlog.get_logger("logs")


@dataclass(frozen=True)
class Pushed:
    """``said``: the sender's own name for the batch, by which it is known when it comes again."""

    form: str
    node_id: int
    path: str
    content_type: str
    encoding: str
    said: str


@dataclass(frozen=True)
class Taken:
    """How many records."""

    stored: int
    rejected: int


FORMS: dict[str, Callable[[bytes, Normaliser], Batch]] = {
    "kong": kong.decode,
    "apisix": apisix.decode,
    "json": flat.decode,
    "hec": hec.decode,
}


def take(pushed: Pushed, body: bytes) -> Taken:
    """Returns when all is committed; raises `NotNow` when it cannot be now, `Undecodable` and `TooLarge`."""
    try:
        batch, digest = _read(pushed, body)
        if batch.rows or batch.rejected or batch.uncounted:
            told = letters_of(batch.rejected, pushed.node_id, pushed.form)
            runtime().writer.write(digest, batch.rows, told, batch.uncounted)
    except AWAY as problem:  # the main database; of its own the writer tells
        log.error("logs.main_database_away", error=str(problem)[:300])
        raise Unavailable from problem
    return Taken(len(batch.rows), len(batch.rejected))


def _read(pushed: Pushed, body: bytes) -> tuple[Batch, str]:
    """A body of which nothing can be read is refused, and still seen in the console: senders throw it away."""
    node_id = pushed.node_id
    try:
        make = Normaliser(node_id, version_finder(), operation_finder(), country_finder(), body_rules())
        with runtime().writer.decoding:
            plain = inflate(body, pushed.encoding)
            return _decoded(pushed, plain, make), _name_of(pushed, plain)
    except Undecodable as problem:
        what = f"a body of {len(body)} bytes, {pushed.content_type[:80]}"
        told = letters_of([(problem.message, what)], node_id, pushed.form)
        runtime().writer.write(_digest(node_id, b"refused " + body), [], told)
        raise


def _decoded(pushed: Pushed, plain: bytes, make: Normaliser) -> Batch:
    if pushed.form == "otlp":
        return otlp.decode(plain, pushed.content_type, make)
    return FORMS[pushed.form](plain, make)


def _name_of(pushed: Pushed, plain: bytes) -> str:
    """What a repeated batch has in common with the first one: the sender's word for it, else every byte."""
    said = pushed.said[:LONGEST_NAME]
    return _digest(pushed.node_id, b"key " + pushed.path.encode() + said.encode() if said else plain)


def _digest(node_id: int, what: bytes) -> str:
    return hashlib.sha256(str(node_id).encode() + what).hexdigest()
