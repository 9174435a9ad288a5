"""Dead letters: records that could not be stored, kept for people to see why. Bounded; the newest stay."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from sqlalchemy import Connection, Row, Select, String, delete, func, literal, select, text

from ..apis.operations import operation_finder, sensitive_of
from ..apis.queries import version_finder
from . import clickhouse
from .scrub import scrub, scrub_text, storable
from .store import EPOCH_US, SEQUENCE_BITS, Store, rejected

MOST_KEPT = 10_000
MOST_OF_BATCH = 1_000  # more of the same batch tell nobody anything new
LONGEST_TEXT = 2_000
PAGE = 50
PATH = re.compile(r"(https?://[^/\s\"'\\]*)?(/[^\s\"'\\?#<>,]+)")
MOST_PATHS = 50
LONGEST_LOOKED_AT = 100_000


class Letter(NamedTuple):
    node_id: int
    at: int
    format: str
    reason: str
    text: str


def letters_of(refused: list[tuple[str, Any]], node_id: int, form: str) -> list[Letter]:
    at = time.time_ns() // 1000
    return [Letter(node_id, at, form, reason[:200], readable(said)) for reason, said in refused[:MOST_OF_BATCH]]


def readable(said: Any) -> str:
    """What was sent as a text, without its secrets, and cut."""
    if isinstance(said, Message):
        said = MessageToDict(said)
    also = _marked(said if isinstance(said, str) else _json(said))
    clean = scrub_text(said, also) if isinstance(said, str) else _json(scrub(said, also=also))
    return storable(PATH.sub(lambda found: (found[1] or "") + _kept_path(found[2]), clean[:LONGEST_TEXT]))


def _marked(text: str) -> frozenset[str]:
    """The names that the documents of the APIs whose paths are in it mark as sensitive."""
    version_of = version_finder()
    versions = {version_of(path) for path in set(islice(_paths(text), MOST_PATHS))} - {0}
    marks = [sensitive_of(version_id) for version_id in versions]
    return frozenset().union(*(mark.names | mark.parameters for mark in marks))


def _paths(text: str) -> Iterator[str]:
    return (found[2] for found in PATH.finditer(text[:LONGEST_LOOKED_AT]))


def _kept_path(path: str) -> str:
    version_id = version_finder()(path)
    return operation_finder()(version_id, "", path)[1] if version_id else path


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate, or a whole number past 64 bits
        return repr(value)


def keep(connection: Connection, found: list[Letter]) -> None:
    """Within the writer's transaction, so that a repeated batch is not rejected twice."""
    if not found:
        return
    if connection.dialect.name == "postgresql":  # one after the other, or two would wait for each other's rows
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('log_rejected'))"))
    if clickhouse.is_it(connection):  # which gives no numbers
        first = ((found[0].at - EPOCH_US) << SEQUENCE_BITS) + random.randrange(1 << SEQUENCE_BITS)  # noqa: S311
        clickhouse.insert(connection, rejected, [(first + i, *letter) for i, letter in enumerate(found)])
    else:
        connection.execute(rejected.insert(), [letter._asdict() for letter in found])
    last = connection.scalar(select(rejected.c.id).order_by(rejected.c.id.desc()).offset(MOST_KEPT).limit(1))
    if last is not None:
        connection.execute(delete(rejected).where(rejected.c.id <= last))


def newest(store: Store, *, before: int = 0, size: int = PAGE) -> list[Row[Any]]:
    """One more than ``size`` when there are older ones."""
    query = select(rejected).order_by(rejected.c.id.desc()).limit(size + 1)
    if before:
        query = query.where(rejected.c.id < before)
    with store.reading() as connection:
        return list(connection.execute(query))


def since(seconds: int) -> Select[Any]:
    """How many came, to the minute, for `together`."""
    return _since((time.time_ns() // 60_000_000_000 + 1) * 60_000_000 - seconds * 1_000_000)


@lru_cache(maxsize=2)
def _since(first: int) -> Select[Any]:
    found: Select[Any, Any] = select(literal("", String), func.count()).select_from(rejected)
    return found.where(rejected.c.at >= first)
