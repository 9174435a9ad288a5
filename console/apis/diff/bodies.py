"""Request bodies and responses: media types, schemas, headers, links."""

from __future__ import annotations

from typing import Any

from .document import Pair, mapping
from .report import Place, Report
from .schemas import Found, Schemas, Way

Content = dict[str, dict[str, Any]]


class Bodies:
    def __init__(self, pair: Pair, schemas: Schemas) -> None:
        self.pair, self.schemas = pair, schemas

    def compare(self, report: Report, old: dict[str, Any], new: dict[str, Any]) -> None:
        self._request(report, old.get("requestBody"), new.get("requestBody"))
        before, after = _responses(old.get("responses")), _responses(new.get("responses"))
        for status, response in before.items():
            other = after.get(status, after.get(f"{status[0]}XX"))
            if other is None:
                report.add(
                    f"response-{_success(status)}-status-removed", f"response {status}", name=f"response {status}"
                )
            else:
                self._response(report, f"response {status}", response, other)
        for status in after:
            if status not in before and not _stands_for(status, before):
                report.add(f"response-{_success(status)}-status-added", f"response {status}", name=f"response {status}")

    def _request(self, report: Report, old: Any, new: Any) -> None:
        before, after, where = self.pair.old.follow(old), self.pair.new.follow(new), "request body"
        if not before and not after:
            return
        was, is_now = before.get("required") is True, after.get("required") is True
        if not before:
            report.add(f"request-body-{'required' if is_now else 'optional'}-added", where)
            return
        if not after:
            report.add("request-body-removed", where)
            return
        if was != is_now:
            report.add(f"request-body-became-{'required' if is_now else 'optional'}", where)
        place = Place("request-body", where, "the request body")
        self._content(report, place, Way(is_request=True), before.get("content"), after.get("content"))

    def _response(self, report: Report, where: str, old: Any, new: Any) -> None:
        if self.pair.same(old, new):
            return
        before, after = self.pair.old.follow(old), self.pair.new.follow(new)
        place = Place("response-body", where, where)
        self._headers(report, where, before.get("headers"), after.get("headers"))
        self._content(report, place, Way(is_request=False), before.get("content"), after.get("content"))
        links = mapping(before.get("links")), mapping(after.get("links"))
        for name in links[0].keys() - links[1].keys():
            report.add("response-link-removed", where, of=where, name=name)
        for name in links[1].keys() - links[0].keys():
            report.add("response-link-added", where, of=where, name=name)

    def _content(self, report: Report, place: Place, way: Way, old: Any, new: Any) -> None:
        before, after = _content(old), _content(new)
        for name in before:
            if name not in after:
                report.add(
                    f"{place.root.replace('response-body', 'response')}-media-type-removed",
                    place.where,
                    of=place.words,
                    name=name,
                )
        for name in after:
            if name not in before:
                report.add(
                    f"{place.root.replace('response-body', 'response')}-media-type-added",
                    place.where,
                    of=place.words,
                    name=name,
                )
        shared = [name for name in before if name in after and not self.pair.same(before[name], after[name])]
        self._schemas(report, place, way, {name: (before[name], after[name]) for name in shared}, len(before))
        for name in shared if way.is_request else ():
            self._encoding(report, before[name].get("encoding"), after[name].get("encoding"))

    def _schemas(self, report: Report, place: Place, way: Way, shared: dict[str, tuple[Any, Any]], count: int) -> None:
        """What is said of all media types is said once, without naming one."""
        said: dict[tuple[Found, ...], list[str]] = {}
        for name, (old, new) in shared.items():
            found = tuple(self.schemas.changes(old.get("schema", True), new.get("schema", True), way))
            said.setdefault(found, []).append(name)
        for found, names in said.items():
            named = f"{place.words} ({', '.join(names)})" if len(names) < count else place.words
            report.schema(place._replace(words=named), found)

    def _encoding(self, report: Report, old: Any, new: Any) -> None:
        before, after = mapping(old), mapping(new)
        for name in [*before, *(n for n in after if n not in before)]:
            if not self.pair.same(before.get(name), after.get(name)):
                report.add("request-body-encoding-changed", "request body", name=name)

    def _headers(self, report: Report, where: str, old: Any, new: Any) -> None:
        before = {name.lower(): (name, self.pair.old.follow(h)) for name, h in mapping(old).items()}
        after = {name.lower(): (name, self.pair.new.follow(h)) for name, h in mapping(new).items()}
        for key in [*before, *(k for k in after if k not in before)]:
            name = (before.get(key) or after[key])[0]
            if key == "content-type":  # not described as a header (OpenAPI 3.1 section 4.8.17)
                continue
            if key not in after:
                needed = "required" if before[key][1].get("required") is True else "optional"
                report.add(f"response-{needed}-header-removed", f"{where} header {name}", of=where, name=name)
            elif key not in before:
                report.add("response-header-added", f"{where} header {name}", of=where, name=name)
            else:
                self._header(report, where, name, before[key][1], after[key][1])

    def _header(self, report: Report, where: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        place = Place("response-header", f"{where} header {name}", f"header `{name}` of {where}")
        was, is_now = old.get("required") is True, new.get("required") is True
        if was != is_now:
            became = "required" if is_now else "optional"
            report.add(f"response-header-became-{became}", place.where, of=where, name=name)
        way = Way(is_request=False, as_text=True)
        report.schema(place, self.schemas.changes(old.get("schema", True), new.get("schema", True), way))


def _responses(responses: Any) -> dict[str, Any]:
    """``2xx`` is ``2XX``; a status may be written as a number in YAML, which is text by then."""
    return {
        str(status).upper() if status != "default" else status: response
        for status, response in mapping(responses).items()
        if status and not str(status).startswith("x-")
    }


def _success(status: str) -> str:
    return "success" if status[:1] == "2" else "non-success"


def _stands_for(status: str, before: dict[str, Any]) -> bool:
    """``2XX`` where there was 200."""
    return status.endswith("XX") and any(old[:1] == status[:1] for old in before)


def _content(content: Any) -> Content:
    """By media type as it compares: ``Application/JSON; charset=utf-8`` is ``application/json``."""
    found: Content = {}
    for name, media in mapping(content).items():
        parts = [part.strip().lower() for part in name.split(";")]
        found.setdefault("; ".join(part for part in parts if part and part != "charset=utf-8"), mapping(media))
    return found
