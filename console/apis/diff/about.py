"""What a document says of itself: version, title, servers, webhooks, security schemes."""

from __future__ import annotations

from typing import Any

from .document import Pair, mapping, objects
from .report import Report


def compare_about(report: Report, pair: Pair) -> None:
    old, new = pair.old.document, pair.new.document
    if old.get("openapi") != new.get("openapi"):
        report.add("openapi-version-changed", "info", old.get("openapi"), new.get("openapi"))
    _compare_info(report, mapping(old.get("info")), mapping(new.get("info")))
    compare_servers(report, "server", old.get("servers"), new.get("servers"))
    compare_named(report, pair, "webhook", old.get("webhooks"), new.get("webhooks"))


def _compare_info(report: Report, old: dict[str, Any], new: dict[str, Any]) -> None:
    for rule, key in (("title", "title"), ("version", "version"), ("terms", "termsOfService")):
        if old.get(key) != new.get(key):
            report.add(f"info-{rule}-changed", "info", old.get(key), new.get(key))
    before, after = mapping(old.get("license")).get("name"), mapping(new.get("license")).get("name")
    if before != after:
        report.add("info-license-changed", "info", before, after)


def compare_servers(report: Report, rule: str, old: Any, new: Any) -> None:
    before, after = _servers(old), _servers(new)
    for url, variables in before.items():
        if url not in after:
            report.add(f"{rule}-removed", "servers", name=url)
        elif variables != after[url]:
            report.add("server-variable-changed", "servers", name=url)
    for url in after:
        if url not in before:
            report.add(f"{rule}-added", "servers", name=url)


def _servers(servers: Any) -> dict[str, Any]:
    """Address to the values of its variables. Without servers it is ``/`` (OpenAPI 3.1 section 4.8.1)."""
    found = {}
    for server in servers if isinstance(servers, list) else []:
        url = str(mapping(server).get("url", "/"))
        variables = objects(mapping(server).get("variables"))
        found[url.rstrip("/") or "/"] = {name: (v.get("default"), v.get("enum")) for name, v in variables.items()}
    return found


def compare_named(report: Report, pair: Pair, rule: str, old: Any, new: Any) -> None:
    """Calls that the API makes itself, by name: whether they are the same, but not what differs in them."""
    before, after = mapping(old), mapping(new)
    where = rule.rpartition("-")[2]
    for name in [*before, *(n for n in after if n not in before)]:
        if name not in after:
            report.add(f"{rule}-removed", f"{where} {name}", name=name)
        elif name not in before:
            report.add(f"{rule}-added", f"{where} {name}", name=name)
        elif not pair.same(before[name], after[name]):
            report.add(f"{rule}-changed", f"{where} {name}", name=name)
