"""Variants (``oneOf``, ``anyOf``): which of the old ones is which of the new ones, and what came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .document import Pair, mapping
from .keywords import Difference
from .views import View, Views, key_of

if TYPE_CHECKING:
    from .graph import Unit
    from .schemas import Way

MOST_TRIED = 64  # pairs of variants that are compared to find out whether they are the same under another name
KINDS = {"oneOf": "one-of", "anyOf": "any-of"}
Seen = set[tuple[int, int]]
Matched = list[tuple[int | None, int | None]]


class Unions:
    """A part of `Schemas`."""

    pair: Pair
    old: Views
    new: Views
    depth: int

    def __init__(self) -> None:
        self._without_null: dict[int, tuple[Any, Any]] = {}

    if TYPE_CHECKING:

        def are_equal(self, old: Any, new: Any, way: Way) -> bool: ...
        def _compare(self, unit: Unit, path: str, old: Any, new: Any, seen: Seen) -> None: ...
        @staticmethod
        def _say(unit: Unit, path: str, said: Any) -> None: ...

    def compare_wrapped(self, unit: Unit, path: str, old: tuple[Any, View], new: tuple[Any, View], seen: Seen) -> bool:
        """One schema is one of several now, or was: false when that is not so."""
        if bool(old[1].unions) == bool(new[1].unions):
            return False
        union = new[1] if new[1].unions else old[1]
        single = old if new[1].unions else new
        if len(union.unions) > 1 or _says_more(union) or _says_nothing(single[1]):
            return False
        if old[1].nullable != new[1].nullable:
            self._say(unit, path, [Difference("became-nullable" if new[1].nullable else "became-not-nullable")])
        key, variants = union.unions[0]
        alone = [self._not_null(single[0], single[1])]
        pairs = (alone, variants) if new[1].unions else (variants, alone)
        self._variants(unit, path, KINDS[key], *pairs, seen)
        return True

    def compare_unions(
        self, unit: Unit, path: str, before: list[tuple[str, list[Any]]], after: list[tuple[str, list[Any]]], seen: Seen
    ) -> None:
        for (_, old), (key, new) in zip(before, after, strict=False):
            self._variants(unit, path, KINDS[key], old, new, seen)
        shared = min(len(before), len(after))
        self._say(unit, path, [Difference("variants-unset", before=_names(vs)) for _, vs in before[shared:]])
        self._say(unit, path, [Difference("variants-set", after=_names(vs)) for _, vs in after[shared:]])

    def _variants(self, unit: Unit, path: str, kind: str, old: list[Any], new: list[Any], seen: Seen) -> None:
        for a, b in self._matched(old, new, unit.way):
            if a is not None and b is not None:
                self._compare(unit, f"{path}({_name(new[b], b)})", old[a], new[b], seen)
            elif a is not None:
                self._say(unit, path, [Difference(f"{kind}-removed", before=_name(old[a], a))])
            elif b is not None:
                self._say(unit, path, [Difference(f"{kind}-added", after=_name(new[b], b))])

    def _matched(self, old: list[Any], new: list[Any], way: Way) -> Matched:
        """By what they refer to, by what they say, by title, by meaning, at last by a type that only one on each side has."""
        found: dict[int, int] = {}
        free = list(range(len(new)))

        def take(a: int, b: int) -> None:
            found[a] = b
            free.remove(b)

        for name in (_reference, key_of, _title, _short_name):
            by_name = {label: b for b in reversed(free) if (label := name(new[b]))}
            for a in range(len(old)):
                b = by_name.get(name(old[a])) if a not in found else None
                if b is not None and b in free:
                    take(a, b)
        left = [a for a in range(len(old)) if a not in found]
        if len(left) * len(free) <= MOST_TRIED and self.depth < 20:
            for a in left:
                b = next((b for b in free if self.are_equal(old[a], new[b], way)), None)
                if b is not None:
                    take(a, b)
        for a, b in self._by_type(old, new, [a for a in left if a not in found], free):
            take(a, b)
        return [(a, found.get(a)) for a in range(len(old))] + [(None, b) for b in free]

    def _by_type(self, old: list[Any], new: list[Any], left: list[int], free: list[int]) -> list[tuple[int, int]]:
        olds, news = [self.old.of(old[a]).types for a in left], [self.new.of(new[b]).types for b in free]
        alone = [types for types in olds if types and olds.count(types) == news.count(types) == 1]
        return [(left[olds.index(types)], free[news.index(types)]) for types in alone]

    def _not_null(self, schema: Any, view: View) -> Any:
        if not view.nullable or not isinstance(schema, dict):
            return schema
        if id(schema) not in self._without_null:
            bare = {key: value for key, value in schema.items() if key != "nullable"}
            if isinstance(bare.get("type"), list):
                bare["type"] = [one for one in bare["type"] if one != "null"]
            self._without_null[id(schema)] = (schema, bare)
        return self._without_null[id(schema)][1]


def _says_more(view: View) -> bool:
    return bool(view.properties or view.enum or view.required)


def _says_nothing(view: View) -> bool:
    return not (view.types or view.properties or view.enum or view.negated)


def _reference(schema: Any) -> str:
    reference = mapping(schema).get("$ref")
    return reference if isinstance(reference, str) else ""


def _title(schema: Any) -> str:
    title = mapping(schema).get("title")
    return title if isinstance(title, str) else ""


def _short_name(schema: Any) -> str:
    return _reference(schema).rpartition("/")[2]


def _name(schema: Any, number: int) -> str:
    said = mapping(schema).get("type")
    kind = said if isinstance(said, str) and said != "object" else ""
    return _short_name(schema) or _title(schema) or kind or f"variant {number + 1}"


def _names(variants: list[Any]) -> str:
    return ", ".join(_name(variant, i) for i, variant in enumerate(variants))
