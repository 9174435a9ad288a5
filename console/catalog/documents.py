"""Documents as they were parsed, kept for a while: a page about one operation must not read ten megabytes each time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import String, cast, select

from ..apis.models import ApiVersion
from ..db import db
from ..runtime import runtime
from .outline import Outline

MOST_CHARACTERS = 16_000_000  # of all that one process keeps; parsed they take about six times as much memory
Key = tuple[int, int]


@dataclass(frozen=True)
class Kept:
    characters: int
    document: dict[str, Any]
    outline: Outline


class Shelf:
    """The last ones used, of `MOST_CHARACTERS` together; the newest stays however large it is."""

    def __init__(self) -> None:
        self.by_key: OrderedDict[Key, Kept] = OrderedDict()
        self.characters = 0
        self.lock = Lock()

    def get(self, key: Key) -> Kept | None:
        with self.lock:
            if key in self.by_key:
                self.by_key.move_to_end(key)
            return self.by_key.get(key)

    def put(self, key: Key, kept: Kept) -> Kept:
        with self.lock:
            before = self.by_key.pop(key, None)
            self.characters += kept.characters - (before.characters if before else 0)
            self.by_key[key] = kept
            while self.characters > MOST_CHARACTERS and len(self.by_key) > 1:
                self.characters -= self.by_key.popitem(last=False)[1].characters
            return kept


def document_of(version: ApiVersion) -> dict[str, Any]:
    """What it says now. Not to be changed: others are shown the same one."""
    return _kept(version).document


def outline_of(version: ApiVersion) -> Outline:
    return _kept(version).outline


def _kept(version: ApiVersion) -> Kept:
    shelf: Shelf = runtime().parsed.setdefault("documents", Shelf())
    key = (version.id, version.edits)
    return shelf.get(key) or shelf.put(key, _read(version))


def _read(version: ApiVersion) -> Kept:
    # as text: this reads it in a third of the time that the column's own type takes
    text = db.session.scalar(select(cast(ApiVersion.document, String)).where(ApiVersion.id == version.id)) or "{}"
    document = orjson.loads(text)
    return Kept(len(text), document, Outline.of(document))
