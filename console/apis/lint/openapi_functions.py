"""Assertions that know OpenAPI, beside the general ones of functions.py."""

from __future__ import annotations

import re
from typing import Any

from ..tree import Path
from .facts import Facts
from .functions import BAD, GOOD, Check, Failures, Parameters, function

PAGING = re.compile(
    r"(page|limit|offset|cursor|after|before|since|per_?page|page_?(size|token|number)|max_?results|starting_after|ending_before)",
    re.IGNORECASE,
)
TYPING = frozenset({"type", "$ref", "allOf", "anyOf", "oneOf", "enum", "const", "not", "if", "$dynamicRef"})
BOUNDS = {
    "string": ("maxLength", "enum", "const", "format", "pattern"),
    "integer": ("maximum", "exclusiveMaximum", "enum", "const", "format"),
    "number": ("maximum", "exclusiveMaximum", "enum", "const", "format"),
    "array": ("maxItems",),
}
KINDS_OF = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


@function
def tags_declared(parameters: Parameters, facts: Facts) -> Check:
    """Every tag of an operation is in the document's list."""

    def check(path: Path, operation: Any) -> Failures:
        tags = operation.get("tags") if isinstance(operation, dict) else None
        listed = tags if isinstance(tags, list) else []
        return [(("tags", i), {"tag": tag}) for i, tag in enumerate(listed) if str(tag) not in facts.tags]

    return check


@function
def tag_used(parameters: Parameters, facts: Facts) -> Check:
    """Some operation has the tag."""
    return lambda _, tag: GOOD if not isinstance(tag, dict) or str(tag.get("name")) in facts.tags_in_use else BAD


@function
def used(parameters: Parameters, facts: Facts) -> Check:
    """Something leads to the component."""
    return lambda path, _: BAD if path in facts.unused else GOOD


@function
def schemes_declared(parameters: Parameters, facts: Facts) -> Check:
    """Every scheme that a security requirement names is among the components."""

    def check(path: Path, node: Any) -> Failures:
        found = node.get("security") if isinstance(node, dict) else None
        schemes = facts.part("components", "securitySchemes")
        return [
            (("security", i, name), {"scheme": name})
            for i, requirement in enumerate(found if isinstance(found, list) else [])
            for name in (requirement if isinstance(requirement, dict) else ())
            if name not in schemes
        ]

    return check


def is_secured(operation: Any, facts: Facts) -> bool:
    """No call without a credential: there are requirements, and none of them is empty."""
    found = operation.get("security", facts.document.get("security")) if isinstance(operation, dict) else None
    return isinstance(found, list) and bool(found) and all(found)


@function
def secured(parameters: Parameters, facts: Facts) -> Check:
    """An operation asks for a credential."""
    return lambda _, operation: GOOD if is_secured(operation, facts) else BAD


@function
def in_path(parameters: Parameters, facts: Facts) -> Check:
    """For conditions: the operation's path matches ``match``."""
    wanted = re.compile(parameters["match"])
    return lambda path, _: GOOD if len(path) > 1 and wanted.search(str(path[1])) else BAD


@function
def responds(parameters: Parameters, facts: Facts) -> Check:
    """An operation describes an answer whose status matches ``some``."""
    wanted = re.compile(parameters["some"])

    def check(path: Path, operation: Any) -> Failures:
        answers = operation.get("responses") if isinstance(operation, dict) else None
        if isinstance(answers, dict) and any(wanted.fullmatch(str(status)) for status in answers):
            return GOOD
        return [(("responses",) if isinstance(answers, dict) else (), {})]

    return check


@function
def error_format(parameters: Parameters, facts: Facts) -> Check:
    """An answer with JSON in it has ``media``; one without a body, or with none of JSON, passes."""
    wanted = parameters["media"]

    def check(path: Path, answer: Any) -> Failures:
        content = facts.follow(answer).get("content")
        types = [str(name) for name in content] if isinstance(content, dict) else []
        json = [name for name in types if "json" in name]
        return [((), {"found": json[0]})] if json and not any(name.startswith(wanted) for name in types) else GOOD

    return check


@function
def status(parameters: Parameters, facts: Facts) -> Check:
    """For conditions: the last key matches ``match``."""
    wanted = re.compile(parameters["match"])
    return lambda path, _: GOOD if wanted.fullmatch(str(path[-1])) else BAD


@function
def answers_a_list(parameters: Parameters, facts: Facts) -> Check:
    """For conditions: the operation's good answer is an array, or an object with one array in it."""

    def check(path: Path, operation: Any) -> Failures:
        answers = operation.get("responses") if isinstance(operation, dict) else None
        answer = facts.follow(answers.get("200")) if isinstance(answers, dict) else {}
        content = answer.get("content")
        media = content.get("application/json") if isinstance(content, dict) else None
        found = facts.follow(media.get("schema")) if isinstance(media, dict) else {}
        return GOOD if _is_list(found, facts) else BAD

    return check


def _is_list(found: dict[str, Any], facts: Facts) -> bool:
    if found.get("type") == "array":
        return True
    properties = found.get("properties")
    inside = [facts.follow(one).get("type") for one in properties.values()] if isinstance(properties, dict) else []
    return len(inside) <= 4 and inside.count("array") == 1


@function
def paginated(parameters: Parameters, facts: Facts) -> Check:
    """An operation has a query parameter, of its own or of its path, that says how much or from where."""

    def check(path: Path, operation: Any) -> Failures:
        item = facts.part(*map(str, path[:-1]))
        listed = [*_list(operation.get("parameters")), *_list(facts.follow(item).get("parameters"))]
        names = [str(p.get("name")) for raw in listed if (p := facts.follow(raw)).get("in") == "query"]
        return GOOD if any(PAGING.search(name) for name in names) else BAD

    return check


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@function
def path_parameters(parameters: Parameters, facts: Facts) -> Check:
    """Every path parameter that an operation or its path declares is in the template."""

    def check(path: Path, node: Any) -> Failures:
        template = str(path[1]) if len(path) > 1 else ""
        declared = [facts.follow(raw) for raw in _list(node.get("parameters") if isinstance(node, dict) else None)]
        return [
            (("parameters", i), {"name": one.get("name")})
            for i, one in enumerate(declared)
            if one.get("in") == "path" and f"{{{one.get('name')}}}" not in template
        ]

    return check


@function
def distinguishable(parameters: Parameters, facts: Facts) -> Check:
    """No other path is the same but for the names of its parameters."""
    seen: dict[str, str] = {}

    def check(path: Path, item: Any) -> Failures:
        name = str(path[-1])
        other = seen.setdefault(re.sub(r"\{[^{}]*\}", "{}", name), name)
        return GOOD if other == name else [((), {"other": other})]

    return check


@function
def typed(parameters: Parameters, facts: Facts) -> Check:
    """A schema says what its values are."""
    return lambda _, node: GOOD if not isinstance(node, dict) or not TYPING.isdisjoint(node) else BAD


@function
def bounded(parameters: Parameters, facts: Facts) -> Check:
    """A schema says how long or large its values may be; its type is one of ``string``, ``integer``, ``number``, ``array``."""

    def check(path: Path, node: Any) -> Failures:
        kind = _type(node)
        return BAD if kind in BOUNDS and not any(name in node for name in BOUNDS[kind]) else GOOD

    return check


def _type(node: Any) -> str:
    kind = node.get("type") if isinstance(node, dict) else None
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    return kind if isinstance(kind, str) else ""


@function
def enum_typed(parameters: Parameters, facts: Facts) -> Check:
    """Every value of an ``enum`` is of the schema's type."""

    def check(path: Path, node: Any) -> Failures:
        kinds = node.get("type")
        allowed = [
            KINDS_OF[k] for k in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(k, str) and k in KINDS_OF
        ]
        odd = [i for i, v in enumerate(_list(node.get("enum"))) if allowed and v is not None and not _fits(v, allowed)]
        return [(("enum", i), {"value": node["enum"][i], "type": kinds}) for i in odd[:1]]

    return check


def _fits(value: Any, allowed: list[Any]) -> bool:
    if isinstance(value, bool):
        return bool in allowed
    return any(isinstance(value, kind) for kind in allowed)


@function
def required_described(parameters: Parameters, facts: Facts) -> Check:
    """Every name that a plain object requires is one of its properties."""

    def check(path: Path, node: Any) -> Failures:
        names, properties = _list(node.get("required")), node.get("properties")
        if not isinstance(properties, dict) or {"allOf", "anyOf", "oneOf", "$ref"} & set(node):
            return GOOD
        odd = [i for i, name in enumerate(names) if name not in properties]
        return [(("required", i), {"name": names[i]}) for i in odd[:1]]

    return check


@function
def nothing_beside(parameters: Parameters, facts: Facts) -> Check:
    """An object with ``$ref`` has nothing else: what stands beside it is ignored (schemas of 3.1 aside)."""

    def check(path: Path, node: Any) -> Failures:
        beside = [str(k) for k in node if k != "$ref" and not str(k).startswith("x-")]
        allowed = () if facts.is_3_0 else ("summary", "description")
        odd = [k for k in beside if k not in allowed]
        is_free = not facts.is_3_0 and _is_schema(path)
        return GOOD if is_free or not odd else [((odd[0],), {"found": ", ".join(odd[:3])})]

    return check


def _is_schema(path: Path) -> bool:
    return path[:2] == ("components", "schemas") or bool({"schema", "properties", "items"} & set(path))


@function
def of_version(parameters: Parameters, facts: Facts) -> Check:
    """For conditions: the document is of OpenAPI ``is``, 3.0 or 3.1."""
    answer = GOOD if str(facts.document.get("openapi")).startswith(parameters["is"]) else BAD
    return lambda *_: answer
