"""Paths and their operations: what came, went and was deprecated; and each that stayed, against its old self."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from ..openapi import METHODS
from .about import compare_named, compare_servers
from .bodies import Bodies
from .changes import Ledger
from .document import Pair, Side, mapping
from .parameters import Parameters
from .report import Report
from .schemas import Schemas
from .security import Securities, compare_operation_security

PARAMETER = re.compile(r"\{([^{}]*)\}")
WHERE = "operation"


class Found(NamedTuple):
    """An operation of one document."""

    method: str
    path: str
    body: dict[str, Any]
    item: dict[str, Any]  # what its path says of all


class Operations:
    def __init__(self, pair: Pair, ledger: Ledger, on: date) -> None:
        self.pair, self.ledger, self.on = pair, ledger, on
        self.schemas = Schemas(pair)
        self.parameters = Parameters(pair, self.schemas)
        self.bodies = Bodies(pair, self.schemas)
        self.securities = Securities(pair)

    def compare(self) -> None:
        """A path is known by where its parameters are, whatever they are called."""
        paths = mapping(self.pair.old.document.get("paths")), mapping(self.pair.new.document.get("paths"))
        renamed = _renamed(*paths)
        for path, old_item in paths[0].items():
            new_path = path if path in paths[1] else renamed.get(path)
            new_item = paths[1].get(new_path) if new_path else None
            if path == new_path and self.pair.same(old_item, new_item) and self.securities.same_by_default:
                continue
            self._path(path, old_item, new_path or path, new_item)
        taken = set(renamed.values()) | paths[0].keys()
        for path, item in paths[1].items():
            if path not in taken:
                self._path(path, None, path, item)

    def _path(self, old_path: str, old_item: Any, new_path: str, new_item: Any) -> None:
        olds = {one.method: one for one in _operations(self.pair.old, old_path, old_item)}
        news = {one.method: one for one in _operations(self.pair.new, new_path, new_item)}
        for method, old in olds.items():
            report = Report(self.ledger, method, old_path)
            if method in news:
                self._operation(report, old, news[method])
            else:
                self._removed(report, old.body)
        for method in news:
            if method not in olds:
                Report(self.ledger, method, old_path if old_item is not None else new_path).add("api-added", WHERE)

    def _removed(self, report: Report, body: dict[str, Any]) -> None:
        sunset = _sunset(body)
        if body.get("deprecated") is not True:
            report.add("api-removed-without-deprecation", WHERE)
        elif sunset is None:
            report.add("api-removed-with-deprecation", WHERE)
        else:
            gone = "after" if sunset <= self.on else "before"
            report.add(f"api-removed-{gone}-sunset", WHERE, before=sunset)

    def _operation(self, report: Report, old: Found, new: Found) -> None:
        names = dict(zip(PARAMETER.findall(old.path), PARAMETER.findall(new.path), strict=False))
        for before, after in names.items():
            if before != after:
                report.add("api-path-parameter-renamed", f"path parameter {before}", before, after)
        compare_operation_security(report, self.securities, old.body, new.body)
        _compare_lifecycle(report, old.body, new.body)
        _compare_names(report, old.body, new.body)
        own = [one.body.get("servers") or one.item.get("servers") for one in (old, new)]
        compare_servers(report, "api-server", own[0], own[1])
        lists = [(one.item.get("parameters"), one.body.get("parameters")) for one in (old, new)]
        self.parameters.compare(report, lists[0], lists[1], names)
        self.bodies.compare(report, old.body, new.body)
        compare_named(report, self.pair, "api-callback", old.body.get("callbacks"), new.body.get("callbacks"))


def _renamed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """Of paths that are in one document only: old to new where but the names of parameters differ."""
    free = {PARAMETER.sub("{}", path): path for path in reversed(new) if path not in old}
    found = {}
    for path in old:
        if path not in new and (match := free.pop(PARAMETER.sub("{}", path), None)):
            found[path] = match
    return found


def _operations(side: Side, path: str, item: Any) -> Iterator[Found]:
    item = side.follow(item)
    for method in METHODS:
        if isinstance(item.get(method), dict):
            yield Found(method, path, item[method], item)


def _sunset(body: dict[str, Any]) -> date | None:
    """``x-sunset``: a date, or a time that begins with one (RFC 3339)."""
    try:
        return date.fromisoformat(str(body.get("x-sunset"))[:10])
    except ValueError:
        return None


def _compare_lifecycle(report: Report, old: dict[str, Any], new: dict[str, Any]) -> None:
    was, is_now = old.get("deprecated") is True, new.get("deprecated") is True
    if was != is_now:
        report.add("api-deprecated" if is_now else "api-reactivated", WHERE)
    before, after = _sunset(old), _sunset(new)
    if before == after or (after is None and not is_now):
        return
    if before is None:
        report.add("api-sunset-set", WHERE, None, after)
    elif after is None:
        report.add("api-sunset-removed", WHERE, before, None)
    else:
        report.add(f"api-sunset-{'postponed' if after > before else 'brought-forward'}", WHERE, before, after)


def _compare_names(report: Report, old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = old.get("operationId"), new.get("operationId")
    if before != after:
        ending = "added" if before is None else "removed" if after is None else "changed"
        report.add(f"api-operation-id-{ending}", WHERE, before, after)
    tags = [
        list(dict.fromkeys(map(str, one.get("tags") or ()))) if isinstance(one.get("tags"), list) else []
        for one in (old, new)
    ]
    for tag in tags[0]:
        if tag not in tags[1]:
            report.add("api-tag-removed", WHERE, name=tag)
    for tag in tags[1]:
        if tag not in tags[0]:
            report.add("api-tag-added", WHERE, name=tag)
