"""What makes the trail provable, as pure functions: nothing here knows a database or a secret.

A *link* is SHA-256 over the link before (as hexadecimal text) and the entry as canonical JSON: keys sorted, no blanks,
UTF-8. A *checkpoint* is an Ed25519 signature (RFC 8032) over a link and its place. Both cover every member of their line
but themselves, so whoever has the lines and the public key can check them (docs/audit.md shows how).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Said = dict[str, Any]


def canonical(said: Said) -> bytes:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def link(before: str, said: Said) -> str:
    return hashlib.sha256(before.encode() + canonical(said)).hexdigest()


def sign(said: Said, key: Ed25519PrivateKey) -> str:
    return to_text(key.sign(canonical(said)))


def is_signed(said: Said, signature: str, public: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(to_bytes(public)).verify(to_bytes(signature), canonical(said))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_half(key: Ed25519PrivateKey) -> str:
    """The ``x`` of its JWK (RFC 8037)."""
    return to_text(key.public_key().public_bytes_raw())


def key_id(public: str) -> str:
    """RFC 7638 thumbprint."""
    return to_text(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": public})).digest())


def to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if to_text(data) != text:
        raise ValueError("not the one way to write it")  # the last character has bits that decoding drops
    return data


class Fault(StrEnum):
    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "tail cut"
    CHECKPOINT_ALTERED = "checkpoint altered"
    CHECKPOINT_REMOVED = "checkpoint removed"
    OTHER_KEY = "checkpoint signed by another key"
    FILE = "file altered"


class Broken(Exception):
    """``entry`` is the first that does not hold."""

    def __init__(self, fault: Fault, entry: int, why: str) -> None:
        super().__init__(why)
        self.fault, self.entry, self.why = fault, entry, why


@dataclass(frozen=True)
class Entry:
    said: Said
    hash: str
    is_ours: bool | None = None  # the sealed key says so; None where that key is not at hand

    @property
    def place(self) -> int:
        return int(self.said["id"])


@dataclass(frozen=True)
class Checkpoint:
    said: Said
    signature: str


class Walk:
    """Entries and checkpoints in their order; `Broken` at the first that does not hold. Remembers only the last ones."""

    def __init__(self, public: str, *, entries: int = 0, hash: str = "", checkpoints: int = 0) -> None:
        self.public, self.kid = public, key_id(public)
        self.entries, self.hash, self.checkpoints = entries, hash, checkpoints
        self.signed = entries  # the last entry that a checkpoint covers

    def entry(self, entry: Entry, rest: Iterator[Entry]) -> None:
        """``rest`` is looked at only to say what happened."""
        if fault := self._fault(entry, rest):
            raise fault
        known = entry.said.get("checkpoint")
        if known is not None and known != self.checkpoints:
            raise Broken(
                Fault.CHECKPOINT_REMOVED if known > self.checkpoints else Fault.CHECKPOINT_ALTERED,
                entry.place,
                f"Entry {entry.place} was written after checkpoint {known}, but {self.checkpoints} are there before it.",
            )
        self.entries, self.hash = entry.place, entry.hash

    def _fault(self, entry: Entry, rest: Iterator[Entry]) -> Broken | None:
        wanted = self.entries + 1
        if entry.place != wanted:
            return _misplaced(wanted, entry, rest)
        if link(self.hash, entry.said) != entry.hash:
            return _does_not_fit(entry, next(rest, None))
        if entry.is_ours is False:
            why = f"Entry {wanted} was not written by this installation: inserted, or altered and chained anew."
            return Broken(Fault.INSERTED, wanted, why)
        return None

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        said, number = checkpoint.said, self.checkpoints + 1
        name = f"Checkpoint {said['number']}"
        if said["number"] > number:
            raise Broken(Fault.CHECKPOINT_REMOVED, self.entries, f"Checkpoint {number} is missing.")
        if said["kid"] != self.kid:
            raise Broken(Fault.OTHER_KEY, self.entries, f"{name} was signed by another key: {said['kid']}.")
        if not is_signed(said, checkpoint.signature, self.public):
            why = f"{name} was altered, or signed by another key: its signature does not hold."
            raise Broken(Fault.CHECKPOINT_ALTERED, self.entries, why)
        if (said["number"], said["entry"]) != (number, self.entries):
            why = f"{name} covers {said['entry']} entries, and stands after {self.entries}."
            raise Broken(Fault.REORDERED, self.entries, why)
        if said["hash"] != self.hash:
            why = f"Between entry {self.signed + 1} and {self.entries} something was altered, and chained anew."
            raise Broken(Fault.ALTERED, self.signed + 1, why)
        self.checkpoints, self.signed = number, self.entries


def _misplaced(wanted: int, entry: Entry, rest: Iterator[Entry]) -> Broken:
    if entry.place < wanted:
        return Broken(Fault.INSERTED, entry.place, f"Entry {entry.place} is there twice, or too late.")
    if any(later.place == wanted for later in rest):
        return Broken(Fault.REORDERED, wanted, f"Entry {wanted} stands behind entry {entry.place}.")
    return Broken(Fault.REMOVED, wanted, f"Entry {wanted} is missing.")


def _does_not_fit(entry: Entry, after: Entry | None) -> Broken:
    if after is not None and after.place == entry.place:
        return Broken(Fault.INSERTED, entry.place, f"Entry {entry.place} is there twice; the first was slipped in.")
    follows = after is None or link(entry.hash, after.said) == after.hash
    if entry.is_ours and not follows:
        why = f"Entry {entry.place} was written by this installation, but for another place."
        return Broken(Fault.REORDERED, entry.place, why)
    return Broken(Fault.ALTERED, entry.place, f"Entry {entry.place} was altered.")


@dataclass(frozen=True)
class Verdict:
    entries: int
    checkpoints: int
    signed: int  # the last entry that a checkpoint covers
    broken: Broken | None = None

    @property
    def broken_at(self) -> int | None:
        return self.broken.entry if self.broken else None


def examine(walk: Walk, entries: Iterable[Entry], checkpoints: Iterable[Checkpoint]) -> Verdict:
    """Both in their order, each checkpoint taken after the entry it names; in bounded memory."""
    try:
        _follow(walk, iter(entries), iter(checkpoints))
        broken = None
    except Broken as problem:
        broken = problem
    return Verdict(walk.entries, walk.checkpoints, walk.signed, broken)


def _is_due(coming: Checkpoint, walk: Walk, entry: Entry) -> bool:
    return bool(coming.said["entry"] <= walk.entries or coming.said["number"] <= entry.said.get("checkpoint", 0))


def _follow(walk: Walk, entries: Iterator[Entry], checkpoints: Iterator[Checkpoint]) -> None:
    coming = next(checkpoints, None)
    for entry in entries:
        while coming is not None and _is_due(coming, walk, entry):
            walk.checkpoint(coming)
            coming = next(checkpoints, None)
        walk.entry(entry, entries)
    for checkpoint in chain([coming] if coming is not None else [], checkpoints):
        if checkpoint.said["entry"] > walk.entries and is_signed(checkpoint.said, checkpoint.signature, walk.public):
            why = f"Checkpoint {checkpoint.said['number']} covers {checkpoint.said['entry']} entries; {walk.entries} are there."
            raise Broken(Fault.CUT, walk.entries + 1, why)
        walk.checkpoint(checkpoint)
