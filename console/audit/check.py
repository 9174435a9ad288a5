"""Checks an export: no database, no secret, nothing but the file and the public key. In bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .proof import Broken, Checkpoint, Entry, Fault, Said, Verdict, Walk, canonical, is_signed, key_id

LONGEST_LINE = 16 * 1024 * 1024
TEXT, NUMBER = str, int
MEMBERS: dict[str, dict[str, type]] = {
    "export": {
        "at": TEXT, "entries": NUMBER, "checkpoints": NUMBER, "hash": TEXT, "kid": TEXT, "key": TEXT, "signature": TEXT,
    },
    "checkpoint": {"number": NUMBER, "entry": NUMBER, "hash": TEXT, "at": TEXT, "kid": TEXT, "signature": TEXT},
    "entry": {"id": NUMBER, "at": TEXT, "hash": TEXT},
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    verdict: Verdict
    head: Said  # who wrote the file, and when; believed only when the verdict is good


def check(file: BinaryIO, key: str = "") -> Checked:
    """``key``: the public key that must have signed, or its id. Without one the file proves only that it is as whoever
    wrote it left it: compare the key that it names with the one that the console shows."""
    head: Said = {}
    walk = Walk("")
    try:
        lines = _lines(file)
        head = _head(lines, key)
        walk = Walk(head["key"])
        for said in lines:
            _take(said, walk, lines)
        _compare(head, walk)
        broken = None
    except Broken as problem:
        broken = problem
    return Checked(Verdict(walk.entries, walk.checkpoints, walk.signed, broken), head)


def _lines(file: BinaryIO) -> Iterator[Said]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        yield _read(line, number)


def _read(line: bytes, number: int) -> Said:
    """Exactly as it was written: there is one way to write a line, so nothing can hide in it."""
    try:
        said = json.loads(line)
        good = isinstance(said, dict) and canonical(said) + b"\n" == line and _has_all(said)
    except (ValueError, RecursionError):
        good = False
    if not good:
        raise Broken(Fault.FILE, 0, f"Line {number} is not as it was written.")
    return dict(said)


def _has_all(said: Said) -> bool:
    members = MEMBERS.get(str(said.get("type")))
    right = members is not None and all(type(said.get(name)) is kind for name, kind in members.items())
    return right and type(said.get("checkpoint", 0)) is int


def _head(lines: Iterator[Said], key: str) -> Said:
    head = next(lines, {})
    if head.get("type") != "export":
        raise Broken(Fault.FILE, 0, "The first line says nothing about the export.")
    kid = key_id(head["key"])
    if key and key not in (head["key"], kid):
        raise Broken(Fault.OTHER_KEY, 0, f"The file was signed with the key {kid}, not with the one you gave.")
    if head["kid"] != kid or not is_signed(*_without("signature", head), head["key"]):
        raise Broken(Fault.FILE, 0, "The first line was altered: its signature does not hold.")
    return head


def _take(said: Said, walk: Walk, lines: Iterator[Said]) -> None:
    if said["type"] == "checkpoint":
        walk.checkpoint(Checkpoint(*_without("signature", said)))
    elif said["type"] == "entry":
        walk.entry(_entry(said), (_entry(later) for later in lines if later["type"] == "entry"))
    else:
        raise Broken(Fault.FILE, walk.entries + 1, "A second export begins in the file.")


def _entry(said: Said) -> Entry:
    return Entry(*_without("hash", said))


def _without(name: str, said: Said) -> tuple[Said, str]:
    return {k: v for k, v in said.items() if k != name}, said[name]


def _compare(head: Said, walk: Walk) -> None:
    if walk.entries < head["entries"]:
        raise Broken(
            Fault.CUT, walk.entries + 1, f"The file should hold {head['entries']} entries; {walk.entries} are there."
        )
    if walk.checkpoints < head["checkpoints"]:
        raise Broken(Fault.CHECKPOINT_REMOVED, walk.entries, f"Checkpoint {walk.checkpoints + 1} is missing.")
    if (walk.entries, walk.checkpoints, walk.hash) != (head["entries"], head["checkpoints"], head["hash"]):
        raise Broken(Fault.INSERTED, head["entries"] + 1, "The file holds more than its first line says.")
