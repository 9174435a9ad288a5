"""What two views of a schema say differently about its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .document import Pair, mapping
from .schema_rules import LIMITS
from .views import PRIMITIVE, View, key_of, tighter


class Difference(NamedTuple):
    kind: str  # a name in `schema_rules.VALUES`
    before: object = None
    after: object = None
    name: str = ""


WIDER_FORMATS = {("int32", "int64"), ("float", "double")}


def covers(wide: frozenset[str], narrow: frozenset[str], as_text: bool) -> bool:
    """Is every value of one type also of the other? In a query or header all are text. No types: any."""
    if not wide or not narrow:
        return not wide
    known = wide | ({"integer"} if "number" in wide else set())
    return narrow <= (known | PRIMITIVE if as_text and "string" in wide else known)


def type_difference(before: View, after: View, as_text: bool) -> Difference | None:
    """A union without a type has those of its variants, which are compared one by one."""
    if before.types == after.types or any(v.unions and not v.types for v in (before, after)):
        return None
    up, down = covers(after.types, before.types, as_text), covers(before.types, after.types, as_text)
    kind = "type-changed" if up == down else "type-generalized" if up else "type-specialized"
    return None if up and down else Difference(kind, _types(before), _types(after))


def _types(view: View) -> str:
    return " or ".join(sorted(view.types)) or "anything"


def note_differences(before: View, after: View) -> Iterator[Difference]:
    """Of what stands beside a reference, too."""
    if before.nullable != after.nullable:
        yield Difference("became-nullable" if after.nullable else "became-not-nullable")
    if ("deprecated" in before.flags) != ("deprecated" in after.flags):
        yield Difference("deprecated" if "deprecated" in after.flags else "reactivated")
    if key_of(before.default) != key_of(after.default):
        yield _change("default-value", _shown(before.default), _shown(after.default), "added")


def differences(pair: Pair, before: View, after: View) -> Iterator[Difference]:
    """Everything but types, properties, items and variants."""
    for note in note_differences(before, after):
        if "nullable" not in note.kind or not (_is_free(before) or _is_free(after)):
            yield note
    yield from _enum(before.enum, after.enum)
    yield from _text(before, after)
    for limit in LIMITS:
        yield from _limit(limit, before.limits.get(limit), after.limits.get(limit))
    if before.multiple != after.multiple:
        yield _change("multiple-of", before.multiple, after.multiple)
    if before.unique != after.unique:
        yield Difference("unique-items-set" if after.unique else "unique-items-removed")
    yield from _discriminator(before.discriminator, after.discriminator)
    if not pair.same(before.negated, after.negated):
        yield Difference(_change("not", before.negated or None, after.negated or None).kind)
    for name in [*before.conditions, *(n for n in after.conditions if n not in before.conditions)]:
        if not pair.same(before.conditions.get(name), after.conditions.get(name)):
            yield Difference("condition-changed", name=name)


def _is_free(view: View) -> bool:
    """It takes anything, null as well."""
    return not (view.types or view.unions or view.enum)


def _change(kind: str, before: object, after: object, added: str = "set") -> Difference:
    ending = added if before is None else "removed" if after is None else "changed"
    return Difference(f"{kind}-{ending}", before, after)


def _shown(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else key_of(value)


def _enum(before: dict[str, str] | None, after: dict[str, str] | None) -> Iterator[Difference]:
    if before is None or after is None:
        if after is not None:
            yield Difference("became-enum", None, ", ".join(after.values()))
        elif before is not None:
            yield Difference("became-not-enum", ", ".join(before.values()), None)
        return
    yield from (Difference("enum-value-removed", before=shown) for key, shown in before.items() if key not in after)
    yield from (Difference("enum-value-added", after=shown) for key, shown in after.items() if key not in before)


def _text(before: View, after: View) -> Iterator[Difference]:
    if set(before.patterns) != set(after.patterns):
        yield _change("pattern", " and ".join(before.patterns) or None, " and ".join(after.patterns) or None, "added")
    if before.format == after.format or before.types != after.types:
        return
    if (before.format, after.format) in WIDER_FORMATS:
        yield Difference("format-generalized", before.format, after.format)
    elif (after.format, before.format) in WIDER_FORMATS:
        yield Difference("format-specialized", before.format, after.format)
    else:
        yield _change("format", before.format, after.format, "added")


def _limit(limit: str, before: tuple[float, bool] | None, after: tuple[float, bool] | None) -> Iterator[Difference]:
    if before == after:
        return
    if before is None or after is None:
        yield _change(limit, _bound(before), _bound(after))
        return
    up = tighter(limit, after, before) == limit.startswith("min")
    yield Difference(f"{limit}-{'increased' if up else 'decreased'}", _bound(before), _bound(after))


def _bound(bound: tuple[float, bool] | None) -> str | None:
    if bound is None:
        return None
    return f"{bound[0]} (exclusive)" if bound[1] else str(bound[0])


def _discriminator(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[Difference]:
    old, new = mapping(before).get("propertyName"), mapping(after).get("propertyName")
    if old != new:
        yield _change("discriminator", old, new, "added")
    if before is None or after is None:
        return
    olds, news = _values(before), _values(after)
    for value in [*olds, *(v for v in news if v not in olds)]:
        if olds.get(value) != news.get(value):
            change = _change("discriminator-value", olds.get(value), news.get(value), "added")
            named = change if change.kind.endswith("changed") else change._replace(before=value, after=value)
            yield named._replace(name=value)


def _values(discriminator: dict[str, Any]) -> dict[str, str]:
    """A name is short for the reference to the schema of that name."""
    return {str(k): str(v).rpartition("/")[2] for k, v in mapping(discriminator.get("mapping")).items()}
