"""What the JSON formats share: a bad record is put aside with the reason, the others are rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .bodies import NOT_JSON, Batch, Undecodable, check_count, documents
from .fields import Bad, Said
from .writer import Row

# where shippers put the line that they read from a file
LINES = ("log", "message", "MESSAGE", "msg", "line")


def of_objects(body: bytes, row: Callable[[Said], Row]) -> Batch:
    """`Undecodable` when there is something and nothing of it is JSON."""
    batch, values = Batch(), 0
    for count, (value, broken) in enumerate(documents(body), 1):
        check_count(count)
        if broken:
            batch.rejected.append((NOT_JSON, broken))
            continue
        values += 1
        try:
            made = _made(value, row)
        except Bad as problem:
            batch.rejected.append((str(problem), value))
            continue
        batch.take(made)
    if batch.rejected and not values:
        raise Undecodable("Nothing in the body is JSON. Send an array, an object, or one object a line.")
    return batch


def _made(value: Any, row: Callable[[Said], Row]) -> Row:
    if not isinstance(value, dict):
        raise Bad("this is no JSON object")
    return row(value)


def unwrapped(value: Any) -> Said | None:
    """An object, also one that is written in a string."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None


def line_within(said: Said) -> Said | None:
    """The record that a shipper took as a line of text and put into one of its own."""
    for name in LINES:
        line = said.get(name)
        if isinstance(line, dict | str) and (found := unwrapped(line)) is not None:
            return found
    return None
