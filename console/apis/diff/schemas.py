"""Two schemas, compared for the direction in which they travel.

What a reference names is compared once for each direction, whoever refers to it, and reported once for each place in which it
is used: at the first way that leads there. So cycles end, and a component that everything uses costs no more than one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from .document import Pair
from .graph import Edge, Graph, Key, Unit
from .keywords import Difference, differences, note_differences, type_difference
from .unions import Unions
from .views import View, Views

MOST_STEPS = 2_000_000  # of one comparison: under a minute
MOST_LOOKED_AT = 50  # pairs, to find out whether two variants are the same
DEEPEST = 64
ABSENT = "absent"  # no schema is this


class Way(NamedTuple):
    is_request: bool
    as_text: bool = False  # in a path, query, header or cookie


class Found(NamedTuple):
    kind: str  # a name in `schema_rules`
    path: str  # of the property: owner.name, [] for an item, * for any other property, (Cat) for a variant
    name: str = ""
    before: object = None
    after: object = None


class Schemas(Unions):
    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair
        self.old, self.new = Views(pair.old), Views(pair.new)
        self.steps = self.depth = 0
        self.is_cut = False
        self._units: dict[Key, tuple[Edge, Unit]] = {}  # holding the schemas, so that their ids stay their own
        self.graph = Graph(self._unit)

    def changes(self, old: Any, new: Any, way: Way) -> Iterator[Found]:
        """Nearest first. A boolean or absent schema may be given, too."""
        for paths, unit in self.graph.reached(_edge("", old, new, way)):
            path = ""
            for part in paths:
                path += _after(path, part)
            yield from (found._replace(path=path + _after(path, found.path)) for found in unit.found)

    def are_equal(self, old: Any, new: Any, way: Way) -> bool:
        """As far as a short look tells."""
        waiting, seen = [_edge("", old, new, way)], set[Key]()
        while waiting and len(seen) < MOST_LOOKED_AT:
            edge = waiting.pop()
            if edge.key not in seen:
                seen.add(edge.key)
                unit = self._unit(edge)
                if unit.found:
                    return False
                waiting += unit.edges
        return not waiting

    @property
    def incomplete(self) -> bool:
        return self.is_cut or self.graph.incomplete

    def _may_go_on(self) -> bool:
        self.steps += 1
        self.is_cut |= self.steps > MOST_STEPS or self.depth > DEEPEST
        return self.steps <= MOST_STEPS and self.depth <= DEEPEST

    def _unit(self, edge: Edge) -> Unit:
        if edge.key not in self._units:
            unit = Unit([], [], edge.key[2])
            self._units[edge.key] = (edge, unit)
            self._compare(unit, "", edge.old, edge.new, set())
        return self._units[edge.key][1]

    def _compare(self, unit: Unit, path: str, old: Any, new: Any, seen: set[tuple[int, int]]) -> None:
        if (id(old), id(new)) in seen or not self._may_go_on() or self.pair.same_schema(old, new):
            return
        seen.add((id(old), id(new)))
        one, other = self.old.target(old), self.new.target(new)
        if one and other:
            self._say(unit, path, note_differences(self.old.notes(old), self.new.notes(new)))
            if not self.pair.same_reference(one[0], other[0]):
                unit.edges.append(_edge(path, one[1], other[1], unit.way))
            return
        self.depth += 1
        before, after = self.old.of(old), self.new.of(new)
        if not self.compare_wrapped(unit, path, (old, before), (new, after), seen):
            self._views(unit, path, before, after, seen)
        self.depth -= 1

    def _views(self, unit: Unit, path: str, before: View, after: View, seen: set[tuple[int, int]]) -> None:
        other_type = type_difference(before, after, unit.way.as_text)
        if other_type:
            self._say(unit, path, [other_type])
            if other_type.kind == "type-changed":  # nothing else can be compared
                return
        self._say(unit, path, differences(self.pair, before, after))
        self._members(unit, path, before, after, seen)
        if before.additional is not after.additional and False in (before.additional, after.additional):
            allowed = "allowed" if before.additional is False else "disallowed"
            self._say(unit, path, [Difference(f"additional-properties-{allowed}")])
        else:
            self._compare(unit, join(path, "*"), before.additional, after.additional, seen)
        self._compare(unit, f"{path}[]", before.items, after.items, seen)
        for i, (a, b) in enumerate(zip_longest(before.prefix, after.prefix, fillvalue=True)):
            self._compare(unit, f"{path}[{i}]", a, b, seen)
        self.compare_unions(unit, path, before.unions, after.unions, seen)

    @staticmethod
    def _say(unit: Unit, path: str, said: Any) -> None:
        unit.found.extend(Found(d.kind, path, d.name, d.before, d.after) for d in said)

    def _members(self, unit: Unit, path: str, before: View, after: View, seen: set[tuple[int, int]]) -> None:
        names = [*before.properties, *(n for n in after.properties if n not in before.properties)]
        names += [
            n
            for n in sorted(before.required ^ after.required)
            if n not in before.properties and n not in after.properties
        ]
        for name in names:
            if self._is_as_before(name, before, after):
                continue
            kind = self._member(name, before, after, unit.way.is_request)
            if kind:
                unit.found.append(Found(kind, join(path, name)))
            if (
                name in before.properties
                and name in after.properties
                and not self._is_hidden(name, before, after, unit.way)
            ):
                self._compare(unit, join(path, name), before.properties[name], after.properties[name], seen)

    def _is_as_before(self, name: str, before: View, after: View) -> bool:
        old, new = before.properties.get(name, ABSENT), after.properties.get(name, ABSENT)
        return (name in before.required) == (name in after.required) and self.pair.same_schema(old, new)

    def _is_hidden(self, name: str, before: View, after: View, way: Way) -> bool:
        """It does not travel in this direction, or did not before or does no longer."""
        flag = "readOnly" if way.is_request else "writeOnly"
        return self.old.has(flag, before.properties[name]) or self.new.has(flag, after.properties[name])

    def _member(self, name: str, before: View, after: View, is_request: bool) -> str | None:
        """What became of a property as such; not of its schema."""
        flag = "readOnly" if is_request else "writeOnly"
        old, new = before.properties.get(name, ABSENT), after.properties.get(name, ABSENT)
        was_hidden = old is not ABSENT and self.old.has(flag, old)
        is_hidden = new is not ABSENT and self.new.has(flag, new)
        if old is not ABSENT and new is not ABSENT and was_hidden != is_hidden:
            return _shown_or_not(is_request, is_hidden, name in after.required)
        if was_hidden or is_hidden:
            return None
        with_default = "-with-default" if new is not ABSENT and self.new.of(new).default is not None else ""
        if new is ABSENT and old is not ABSENT:
            return _removed(is_request and after.additional is False, name in before.required)
        if old is ABSENT and new is not ABSENT:
            return f"required-property{with_default}-added" if name in after.required else "optional-property-added"
        if (name in before.required) == (name in after.required):
            return None
        return f"property-became-required{with_default}" if name in after.required else "property-became-optional"


def _edge(path: str, old: Any, new: Any, way: Way) -> Edge:
    return Edge((id(old), id(new), way), path, old, new)


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _after(path: str, further: str) -> str:
    return f".{further}" if path and further and further[0] not in "[(" else further


def _removed(is_refused: bool, was_required: bool) -> str:
    if is_refused:
        return "property-no-longer-allowed"
    return "required-property-removed" if was_required else "optional-property-removed"


def _shown_or_not(is_request: bool, is_hidden: bool, is_required: bool) -> str:
    if not is_request:
        return "property-became-write-only" if is_hidden else "property-became-not-write-only"
    if is_hidden:
        return "property-became-read-only"
    return f"{'required' if is_required else 'optional'}-property-became-not-read-only"
