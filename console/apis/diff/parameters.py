"""Parameters: known by where they are and their name; those of the path count where the operation says nothing."""

from __future__ import annotations

from typing import Any

from .document import Pair, Side, mapping
from .report import Place, Report
from .schemas import Schemas, Way

STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
# They are not described as parameters (OpenAPI 3.1 section 4.8.12).
NOT_PARAMETERS = {("header", name) for name in ("accept", "content-type", "authorization")}
Key = tuple[str, str]  # in, name
Parameter = dict[str, Any]
Lists = tuple[Any, Any]  # of the path, of the operation


class Parameters:
    def __init__(self, pair: Pair, schemas: Schemas) -> None:
        self.pair, self.schemas = pair, schemas

    def compare(self, report: Report, old: Lists, new: Lists, path_names: dict[str, str]) -> None:
        """``path_names``: of the parameters in the path, from the old name to the new."""
        before, after = _merged(self.pair.old, old), _merged(self.pair.new, new)
        pairs = {key: ("path", path_names.get(key[1], key[1])) if key[0] == "path" else key for key in before}
        gone = [key for key in before if pairs[key] not in after]
        come = [key for key in after if key not in pairs.values()]
        for key, other in pairs.items():
            if other in after:
                self._parameter(report, key, before[key], after[other])
        for key in gone:
            moved = next((k for k in come if k[1].lower() == key[1].lower()), None)
            if moved:
                come.remove(moved)
                report.add("request-parameter-location-changed", _where(key), _words(key), _words(moved))
            else:
                report.add("request-parameter-removed", _where(key), of=_words(key))
        for key in come:
            needed = "required" if _is_required(after[key]) else "optional"
            report.add(f"request-parameter-{needed}-added", _where(key), of=_words(key))

    def _parameter(self, report: Report, key: Key, old: Parameter, new: Parameter) -> None:
        if self.pair.same(old, new):
            return
        where, words = _where(key), _words(key)
        if _is_required(old) != _is_required(new):
            became = "required" if _is_required(new) else "optional"
            report.add(f"request-parameter-became-{became}", where, of=words)
        for flag, yes, no in (
            ("deprecated", "deprecated", "reactivated"),
            ("allowReserved", "reserved-characters-allowed", "reserved-characters-disallowed"),
            ("allowEmptyValue", "empty-value-allowed", "empty-value-disallowed"),
        ):
            if (old.get(flag) is True) != (new.get(flag) is True):
                report.add(f"request-parameter-{yes if new.get(flag) is True else no}", where, of=words)
        self._serialisation(report, key, old, new)
        way = Way(is_request=True, as_text=not (_media_type(old) and _media_type(new)))
        changes = self.schemas.changes(_schema(old), _schema(new), way)
        report.schema(Place("request-parameter", where, words), changes)

    def _serialisation(self, report: Report, key: Key, old: Parameter, new: Parameter) -> None:
        where, words = _where(key), _words(key)
        before, after = _media_type(old), _media_type(new)
        if before != after:
            report.add(
                "request-parameter-content-changed", where, before or "plain text", after or "plain text", of=words
            )
        if before or after or not (self._has_parts(old) or self._has_parts(new)):
            return
        styles = _style(key, old), _style(key, new)
        if styles[0] != styles[1]:
            report.add("request-parameter-style-changed", where, *styles, of=words)
        explodes = _explode(old, styles[0]), _explode(new, styles[1])
        if explodes[0] != explodes[1]:
            report.add("request-parameter-explode-changed", where, *map(str, explodes), of=words)

    def _has_parts(self, parameter: Parameter) -> bool:
        """Of a single value every style is the same, but for what stands in front of it in a path."""
        views = self.schemas.old, self.schemas.new
        types = views[0].of(_schema(parameter)).types | views[1].of(_schema(parameter)).types
        return not types or bool(types & {"array", "object"}) or parameter.get("in") == "path"


def _merged(side: Side, lists: Lists) -> dict[Key, Parameter]:
    found: dict[Key, Parameter] = {}
    for raw in (one for given in lists if isinstance(given, list) for one in given):
        parameter = side.follow(raw)
        key = (str(parameter.get("in")), str(parameter.get("name")))
        key = (key[0], key[1].lower()) if key[0] == "header" else key
        if parameter and key not in NOT_PARAMETERS:
            found[key] = parameter
    return found


def _where(key: Key) -> str:
    return f"{key[0]} parameter {key[1]}"


def _words(key: Key) -> str:
    return f"{key[0]} parameter `{key[1]}`"


def _is_required(parameter: Parameter) -> bool:
    return parameter.get("required") is True or parameter.get("in") == "path"


def _media_type(parameter: Parameter) -> str | None:
    return next(iter(mapping(parameter.get("content"))), None)


def _schema(parameter: Parameter) -> Any:
    content = mapping(parameter.get("content"))
    return mapping(next(iter(content.values()))).get("schema", True) if content else parameter.get("schema", True)


def _style(key: Key, parameter: Parameter) -> str:
    style = parameter.get("style")
    return style if isinstance(style, str) else STYLES.get(key[0], "form")


def _explode(parameter: Parameter, style: str) -> bool:
    explode = parameter.get("explode")
    return explode if isinstance(explode, bool) else style == "form"
