"""The operations of a document as a reader looks for them: by tag, by words, each with an address of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..apis import openapi
from ..apis.openapi import Operation
from .words import words

UNTAGGED = "Operations"


@dataclass(frozen=True)
class Entry:
    """An operation, and the ``anchor`` that names it in addresses, unique within the document."""

    anchor: str
    operation: Operation
    position: int
    words: str  # those of it, each with a blank before

    @property
    def tag(self) -> str:
        return self.operation.tag or UNTAGGED


@dataclass(frozen=True)
class Outline:
    entries: list[Entry]
    by_anchor: dict[str, Entry]
    by_tag: dict[str, list[Entry]]  # in the order in which the document names its tags
    about: dict[str, str]  # tag to its description
    schemas: list[str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Outline:
        entries, taken = [], dict[str, int]()
        for position, operation in enumerate(openapi.operations(document)):
            anchor = _free(operation.anchor, taken)
            entries.append(Entry(anchor, operation, position, _words_of(operation)))
        about = _tags(document)
        by_tag: dict[str, list[Entry]] = {tag: [] for tag in about}
        for entry in entries:
            by_tag.setdefault(entry.tag, []).append(entry)
        schemas = (document.get("components") or {}).get("schemas")
        return cls(
            entries,
            {e.anchor: e for e in entries},
            {tag: found for tag, found in by_tag.items() if found},
            about,
            sorted(map(str, schemas), key=str.lower) if isinstance(schemas, dict) else [],
        )

    def search(self, text: str, size: int = 50) -> list[Entry]:
        """Operations that hold the beginnings of all these words; those that name them in path or summary come first."""
        asked = words(text)[:8]
        if not asked:
            return []
        found = [e for e in self.entries if all(f" {word}" in e.words for word in asked)]
        return sorted(found, key=lambda e: not _says(e.operation, asked))[:size]


def _says(operation: Operation, asked: list[str]) -> bool:
    said = " " + " ".join(words(f"{operation.path} {operation.summary}"))
    return all(f" {word}" in said for word in asked)


def _free(anchor: str, taken: dict[str, int]) -> str:
    """``/a/{b}`` and ``/a/b`` would have the same."""
    anchor = anchor[:150]
    taken[anchor] = number = taken.get(anchor, 0) + 1
    if number == 1:
        return anchor
    return _free(f"{anchor}-{number}", taken)


def _words_of(operation: Operation) -> str:
    said = (operation.method, operation.path, operation.summary, operation.tag, operation.description[:2000])
    name = operation.body.get("operationId")
    return " " + " ".join(dict.fromkeys(words(" ".join([*said, str(name or "")]))))


def _tags(document: dict[str, Any]) -> dict[str, str]:
    tags = document.get("tags")
    known = [t for t in tags if isinstance(t, dict)] if isinstance(tags, list) else []
    return {str(t.get("name")): str(t.get("description") or "") for t in known}
