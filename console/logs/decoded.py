"""What the JSON formats share: a bad record is put aside with the reason, the others are rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from .bodies import NOT_JSON, Batch, Undecodable, check_count, documents
from .fields import Bad, Said
from .writer import Row

Alike = Callable[[tuple[str, ...], list[Said]], list[Row] | None]
# where shippers put the line that they read from a file
LINES = ("log", "message", "MESSAGE", "msg", "line")


def of_objects(body: bytes, row: Callable[[Said], Row], alike: Alike | None = None) -> Batch:
    """`Undecodable` when there is something and nothing of it is JSON. ``alike``: makes those that name the same values."""
    batch, kinds, values = Batch(), defaultdict[tuple[str, ...], list[Said]](list), 0
    for count, (value, broken) in enumerate(documents(body), 1):
        check_count(count)
        if broken:
            batch.rejected.append((NOT_JSON, broken))
            continue
        values += 1
        if isinstance(value, dict):
            kinds[tuple(value)].append(value)
        else:
            batch.rejected.append(("this is no JSON object", value))
    for names, objects in kinds.items():
        made = alike(names, objects) if alike else None
        for one in made or _one_by_one(objects, row, batch):
            batch.take(one)
    if batch.rejected and not values:
        raise Undecodable("Nothing in the body is JSON. Send an array, an object, or one object a line.")
    return batch


def _one_by_one(objects: list[Said], row: Callable[[Said], Row], batch: Batch) -> Iterator[Row]:
    for said in objects:
        try:
            yield row(said)
        except Bad as problem:
            batch.rejected.append((str(problem), said))


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
