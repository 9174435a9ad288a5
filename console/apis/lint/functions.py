"""What a rule may assert, by the name its data uses. Each takes the rule's parameters and the facts of a document, and gives a
check: ``(path, value) -> failures``, none when all is well. Where there is a ``field``, the check is of that member.

A failure is ``(where it is, from the place the rule looks at; what its message can name)``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs

from ..tree import Path
from .facts import Facts, casing

Failures = list[tuple[Path, dict[str, Any]]]
Check = Callable[[Path, Any], Failures]
Parameters = dict[str, Any]
Function = Callable[[Parameters, Facts], Check]
GOOD: Failures = []
BAD: Failures = [((), {})]
FUNCTIONS: dict[str, Function] = {}


def function(make: Function) -> Function:
    """A function by its name; ``field`` is dealt with here."""

    @functools.wraps(make)
    def with_field(parameters: Parameters, facts: Facts) -> Check:
        name = parameters.get("field")
        check = make({k: v for k, v in parameters.items() if k != "field"}, facts)
        return _of_field(name, check) if name else check

    FUNCTIONS[make.__name__.rstrip("_")] = with_field
    return with_field


def _of_field(name: str, check: Check) -> Check:
    def of_field(path: Path, node: Any) -> Failures:
        value = node.get(name) if isinstance(node, dict) else None
        failures = check((*path, name), value)
        if not failures or value is None:
            return failures
        return [((name, *at), said) for at, said in failures]

    return of_field


@function
def truthy(parameters: Parameters, facts: Facts) -> Check:
    """It is there and not empty; a text of blanks is."""
    return lambda _, value: GOOD if (value.strip() if isinstance(value, str) else value) else BAD


@function
def defined(parameters: Parameters, facts: Facts) -> Check:
    """An object has at least one of ``any``."""
    names = parameters["any"]
    return lambda _, node: GOOD if not isinstance(node, dict) or any(name in node for name in names) else BAD


@function
def absent(parameters: Parameters, facts: Facts) -> Check:
    """An object has none of ``names``."""
    names = parameters["names"]

    def check(path: Path, node: Any) -> Failures:
        found = [name for name in names if name in node] if isinstance(node, dict) else []
        return [((found[0],), {"found": ", ".join(found)})] if found else GOOD

    return check


@function
def exclusive(parameters: Parameters, facts: Facts) -> Check:
    """An object has at most one of ``names``."""
    names = parameters["names"]
    return lambda _, node: GOOD if not isinstance(node, dict) or sum(n in node for n in names) < 2 else BAD


@function
def pattern(parameters: Parameters, facts: Facts) -> Check:
    """A text (the ``key`` itself with ``of: key``) matches ``match`` somewhere, and ``not`` nowhere. Other values pass."""
    wanted = re.compile(parameters["match"]) if "match" in parameters else None
    unwanted = re.compile(parameters["not"]) if "not" in parameters else None
    of_key = parameters.get("of") == "key"

    def check(path: Path, value: Any) -> Failures:
        text = str(path[-1]) if of_key and path else value
        if not isinstance(text, str) or (
            (not wanted or wanted.search(text)) and not (unwanted and unwanted.search(text))
        ):
            return GOOD
        found = unwanted.search(text) if unwanted else None
        return [((), {"value": text, "found": found[0] if found else ""})]

    return check


@function
def length(parameters: Parameters, facts: Facts) -> Check:
    """A text, list or object has between ``min`` and ``max`` characters or entries. Other values pass."""
    least, most = parameters.get("min", 0), parameters.get("max", 10**9)

    def check(path: Path, value: Any) -> Failures:
        if not isinstance(value, str | list | dict) or least <= len(value) <= most:
            return GOOD
        return [((), {"length": len(value)})]

    return check


@function
def casing_(parameters: Parameters, facts: Facts) -> Check:
    """A name (the last key, without ``field``) is written like most names ``of`` its sort, or in one ``style``."""
    of = parameters.get("of", "")
    style = parameters.get("style") or facts.casing(of)

    def check(path: Path, value: Any) -> Failures:
        name = value if isinstance(value, str) else str(path[-1]) if path else ""
        is_good = not style or casing(name) in (style, "flat")
        return (
            GOOD
            if is_good
            else [((), {"name": name, "style": f"{style}{'Case' if style in ('camel', 'pascal') else '-case'}"})]
        )

    return check


@function
def enumeration(parameters: Parameters, facts: Facts) -> Check:
    """A value is one of ``values``; of a list, every item is. What is not there passes."""
    values = set(parameters["values"])

    def check(path: Path, value: Any) -> Failures:
        items = value if isinstance(value, list) else [value]
        odd = [item for item in items if item is not None and not (isinstance(item, str) and item in values)]
        return [((), {"value": odd[0]})] if odd else GOOD

    return check


@function
def unique(parameters: Parameters, facts: Facts) -> Check:
    """No two places have the same value."""
    seen: dict[str, Path] = {}

    def check(path: Path, value: Any) -> Failures:
        if not isinstance(value, str) or seen.setdefault(value, path) == path:
            return GOOD
        return [((), {"value": value, "first": seen[value]})]

    return check


@function
def distinct(parameters: Parameters, facts: Facts) -> Check:
    """No item of a list is there twice."""

    def check(path: Path, value: Any) -> Failures:
        seen = set[str]()
        for i, item in enumerate(value if isinstance(value, list) else []):
            mark = f"{type(item).__name__} {item}"
            if mark in seen:
                return [((i,), {"value": item})]
            seen.add(mark)
        return GOOD

    return check


@function
def keys(parameters: Parameters, facts: Facts) -> Check:
    """An object has a key that matches ``some``."""
    wanted = re.compile(parameters["some"])
    return lambda _, node: GOOD if isinstance(node, dict) and any(wanted.fullmatch(str(key)) for key in node) else BAD


@function
def schema(parameters: Parameters, facts: Facts) -> Check:
    """A value fits ``schema`` (JSON Schema 2020-12). What is not there passes."""
    validator = _validator(repr(parameters["schema"]), parameters["schema"])

    def check(path: Path, value: Any) -> Failures:
        error = None if value is None else next(iter(validator.iter_errors(value)), None)
        return [(tuple(error.instance_path), {"problem": error.message[:200]})] if error else GOOD

    return check


_VALIDATORS: dict[str, Any] = {}


def _validator(name: str, schema: Any) -> Any:
    if name not in _VALIDATORS:
        _VALIDATORS[name] = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
    return _VALIDATORS[name]


@function
def matches(parameters: Parameters, facts: Facts) -> Check:
    """For conditions: members of an object have these values; a list of values means one of them."""
    wanted = {k: v if isinstance(v, list) else [v] for k, v in parameters.items()}

    def check(path: Path, node: Any) -> Failures:
        is_good = isinstance(node, dict) and all(_is_one(node.get(k), values) for k, values in wanted.items())
        return GOOD if is_good else BAD

    return check


def _is_one(value: Any, values: list[Any]) -> bool:
    """Of a list (the types of OpenAPI 3.1), one that is not null counts."""
    if isinstance(value, list):
        return any(item in values for item in value)
    return value in values
