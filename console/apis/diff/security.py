"""Who may call: alternatives, each of schemes that are needed together, each with the scopes that are needed."""

from __future__ import annotations

from typing import Any

from .document import Pair, Side, mapping, objects
from .report import Report

Schemes = dict[str, frozenset[str]]  # name to the scopes that are needed
Alternatives = dict[frozenset[str], Schemes]
WHERE = "security"


class Securities:
    """A scheme under a new name is the same when it says the same."""

    def __init__(self, pair: Pair) -> None:
        old, new = _schemes(pair.old), _schemes(pair.new)
        self.new_names: dict[str, str] = {}  # from the old name
        for name, scheme in old.items():
            same = [n for n, other in new.items() if n not in old and other == scheme]
            if name not in new and len(same) == 1:
                self.new_names[name] = same[0]
        self.pair = pair
        # an operation that says nothing of it has that of the document, which is reported once
        self.same_by_default = not self.new_names

    def old(self, security: Any) -> Alternatives:
        return _alternatives(security, self.new_names)

    def new(self, security: Any) -> Alternatives:
        return _alternatives(security, {})


def compare_global_security(report: Report, pair: Pair) -> None:
    securities = Securities(pair)
    before, after = pair.old.document.get("security"), pair.new.document.get("security")
    _compare(report, "api-global-security", securities.old(before), securities.new(after))
    _compare_schemes(report, pair, securities.new_names)


def compare_operation_security(
    report: Report, securities: Securities, old: dict[str, Any], new: dict[str, Any]
) -> None:
    if "security" not in old and "security" not in new:
        return
    before = old.get("security", securities.pair.old.document.get("security"))
    after = new.get("security", securities.pair.new.document.get("security"))
    _compare(report, "api-security", securities.old(before), securities.new(after))


def _alternatives(security: Any, names: dict[str, str]) -> Alternatives:
    """Nobody need be authenticated: no security, an empty list, or an empty alternative."""
    found: Alternatives = {}
    for requirement in security if isinstance(security, list) else []:
        schemes = {
            names.get(name, name): frozenset(str(s) for s in scopes) if isinstance(scopes, list) else frozenset()
            for name, scopes in mapping(requirement).items()
        }
        found.setdefault(frozenset(schemes), schemes)
    return found or {frozenset(): {}}


def _compare(report: Report, rule: str, before: Alternatives, after: Alternatives) -> None:
    nobody: frozenset[str] = frozenset()
    if (nobody in before) != (nobody in after):
        report.add(f"{rule}-became-{'optional' if nobody in after else 'required'}", WHERE)
    for schemes, scopes in before.items():
        if schemes in after:
            _compare_scopes(report, rule, scopes, after[schemes])
        elif schemes and after.keys() != {nobody}:
            report.add(f"{rule}-alternative-removed", WHERE, name=_words(schemes))
    for schemes in after:
        if schemes and schemes not in before and before.keys() != {nobody}:
            report.add(f"{rule}-alternative-added", WHERE, name=_words(schemes))


def _compare_scopes(report: Report, rule: str, before: Schemes, after: Schemes) -> None:
    for scheme, scopes in before.items():
        for scope in sorted(after[scheme] - scopes):
            report.add(f"{rule}-scope-added", WHERE, name=scope, of=f"`{scheme}`")
        for scope in sorted(scopes - after[scheme]):
            report.add(f"{rule}-scope-removed", WHERE, name=scope, of=f"`{scheme}`")


def _words(schemes: frozenset[str]) -> str:
    return " with ".join(f"`{scheme}`" for scheme in sorted(schemes))


def _schemes(side: Side) -> dict[str, dict[str, Any]]:
    return {name: side.follow(s) for name, s in mapping(side.section("components").get("securitySchemes")).items()}


def _compare_schemes(report: Report, pair: Pair, new_names: dict[str, str]) -> None:
    before = {new_names.get(name, name): scheme for name, scheme in _schemes(pair.old).items()}
    after = _schemes(pair.new)
    for name in [*before, *(n for n in after if n not in before)]:
        if name not in after:
            report.add("security-scheme-removed", f"security scheme {name}", name=name)
        elif name not in before:
            report.add("security-scheme-added", f"security scheme {name}", name=name)
        elif before[name] != after[name]:
            _compare_scheme(report, name, before[name], after[name])


def _compare_scheme(report: Report, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    where = f"security scheme {name}"
    if old.get("type") != new.get("type"):
        report.add("security-scheme-type-changed", where, old.get("type"), new.get("type"), name=name)
        return
    keys = [f"{s.get('in')} `{s.get('name')}`" for s in (old, new)]
    if old.get("type") == "apiKey" and keys[0] != keys[1]:
        report.add("security-scheme-location-changed", where, *keys, name=name)
    words = [str(s.get("scheme", "")).lower() for s in (old, new)]
    if words[0] != words[1]:
        report.add("security-scheme-http-scheme-changed", where, *words, name=name)
    _compare_url(report, name, old, new, "openIdConnectUrl")
    before, after = objects(old.get("flows")), objects(new.get("flows"))
    for flow in before.keys() - after.keys():
        report.add("security-scheme-flow-removed", where, flow, None, name=name)
    for flow in after.keys() - before.keys():
        report.add("security-scheme-flow-added", where, None, flow, name=name)
    for flow in before:
        if flow in after:
            _compare_flow(report, name, before[flow], after[flow])


def _compare_url(report: Report, name: str, old: dict[str, Any], new: dict[str, Any], key: str) -> None:
    if old.get(key) != new.get(key):
        report.add("security-scheme-url-changed", f"security scheme {name}", old.get(key), new.get(key), name=name)


def _compare_flow(report: Report, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    where = f"security scheme {name}"
    for key in ("authorizationUrl", "tokenUrl", "refreshUrl"):
        _compare_url(report, name, old, new, key)
    before, after = mapping(old.get("scopes")), mapping(new.get("scopes"))
    for scope in before:
        if scope not in after:
            report.add("security-scheme-scope-removed", where, scope, None, name=name)
    for scope in after:
        if scope not in before:
            report.add("security-scheme-scope-added", where, None, scope, name=name)
