"""Every other rule by an example, and the page that lists them all."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from console.apis.diff import RULES, Change, Severity, compare
from console.apis.diff.schema_rules import MEMBERS, VALUES, schema_rules
from tests.documents import OK, Json, document, header, operation, parameter, request, response

TODAY = date(2026, 6, 1)
BASE, EMPTY, STRING, LIST = operation(), document(), {"type": "string"}, {"type": "array", "items": {"type": "string"}}
BODY: Json = {"content": {"application/json": {"schema": {}}}}
TWO = document({}, {})


def gone(**said: str | bool) -> tuple[Json, Json]:
    return document({}, said), document({})


def content(*names: str) -> Json:
    return {"content": {name: {"schema": STRING} for name in names}}


def answers(**statuses: Json) -> Json:
    return operation(responses={status.strip("_"): {"description": ""} | said for status, said in statuses.items()})


def scheme(**said: object) -> Json:
    return document({}, components={"securitySchemes": {"auth": said}})


def flow(**said: object) -> Json:
    return scheme(type="oauth2", flows={"clientCredentials": {"tokenUrl": "/token", "scopes": {}} | said})


KEY, NO_SCHEMES = {"type": "apiKey", "in": "header", "name": "X-Key"}, document({})
EXAMPLES: dict[str, tuple[Json, Json]] = {
    "api-added": (document({}), TWO),
    "api-removed-without-deprecation": (TWO, document({})),
    "api-removed-before-sunset": gone(deprecated=True, **{"x-sunset": "2026-06-02"}),
    "api-removed-with-deprecation": gone(deprecated=True),
    "api-removed-after-sunset": gone(deprecated=True, **{"x-sunset": "2026-05-31T00:00:00Z"}),
    "api-path-parameter-renamed": (parameter(STRING, "path", "id"), parameter(STRING, "path", "pet")),
    "api-operation-id-added": (BASE, operation(operationId="list")),
    "api-operation-id-changed": (operation(operationId="all"), operation(operationId="list")),
    "api-operation-id-removed": (operation(operationId="list"), BASE),
    "api-tag-added": (BASE, operation(tags=["pets"])),
    "api-tag-removed": (operation(tags=["pets", "all"]), operation(tags=["all"])),
    "api-deprecated": (BASE, operation(deprecated=True)),
    "api-reactivated": (operation(deprecated=True), BASE),
    "api-sunset-set": (BASE, operation(**{"x-sunset": "2026-06-02"})),
    "api-sunset-postponed": tuple(operation(**{"x-sunset": f"2026-06-0{day}"}) for day in (2, 3)),
    "api-sunset-brought-forward": tuple(operation(**{"x-sunset": f"2026-06-0{day}"}) for day in (3, 2)),
    "api-sunset-removed": (operation(deprecated=True, **{"x-sunset": "2026-06-02"}), operation(deprecated=True)),
    "api-server-added": (operation(servers=[{"url": "/a"}]), operation(servers=[{"url": "/a"}, {"url": "/b"}])),
    "api-server-removed": (operation(servers=[{"url": "/a"}, {"url": "/b"}]), operation(servers=[{"url": "/a"}])),
    "api-callback-added": (BASE, operation(callbacks={"done": {}})),
    "api-callback-changed": (operation(callbacks={"done": {}}), operation(callbacks={"done": {"/": {"get": {}}}})),
    "api-callback-removed": (operation(callbacks={"done": {}}), BASE),
    "request-parameter-required-added": (BASE, parameter(STRING, required=True)),
    "request-parameter-optional-added": (BASE, parameter(STRING)),
    "request-parameter-removed": (parameter(STRING), BASE),
    "request-parameter-became-required": (parameter(STRING), parameter(STRING, required=True)),
    "request-parameter-became-optional": (parameter(STRING, required=True), parameter(STRING)),
    "request-parameter-location-changed": (parameter(STRING), parameter(STRING, "header", "Limit")),
    "request-parameter-style-changed": (
        parameter(LIST, explode=False),
        parameter(LIST, explode=False, style="pipeDelimited"),
    ),
    "request-parameter-explode-changed": (parameter(LIST), parameter(LIST, explode=False)),
    "request-parameter-content-changed": (parameter(STRING), parameter(**content("application/json"))),
    "request-parameter-reserved-characters-allowed": (parameter(STRING), parameter(STRING, allowReserved=True)),
    "request-parameter-reserved-characters-disallowed": (parameter(STRING, allowReserved=True), parameter(STRING)),
    "request-parameter-empty-value-allowed": (parameter(STRING), parameter(STRING, allowEmptyValue=True)),
    "request-parameter-empty-value-disallowed": (parameter(STRING, allowEmptyValue=True), parameter(STRING)),
    "request-body-required-added": (BASE, request({}, required=True)),
    "request-body-optional-added": (BASE, request({})),
    "request-body-removed": (request({}), BASE),
    "request-body-became-required": (request({}), request({}, required=True)),
    "request-body-became-optional": (request({}, required=True), request({}, required=False)),
    "request-body-media-type-added": tuple(
        operation(requestBody=content(*n)) for n in (["text/csv"], ["text/csv", "a/b"])
    ),
    "request-body-media-type-removed": tuple(
        operation(requestBody=content(*n)) for n in (["text/csv", "a/b"], ["a/b"])
    ),
    "request-body-encoding-changed": tuple(
        operation(requestBody={"content": {"multipart/form-data": {"encoding": {"file": {"contentType": t}}}}})
        for t in ("image/png", "image/gif")
    ),
    "response-success-status-added": (BASE, answers(_200={}, _202={})),
    "response-success-status-removed": (answers(_200={}, _202={}), BASE),
    "response-non-success-status-added": (BASE, answers(_200={}, default={})),
    "response-non-success-status-removed": (answers(_200={}, _404={}), BASE),
    "response-media-type-added": (answers(_200=content("a/b")), answers(_200=content("a/b", "c/d"))),
    "response-media-type-removed": (answers(_200=content("a/b", "c/d")), answers(_200=content("a/b"))),
    "response-required-header-removed": (header(STRING, required=True), BASE),
    "response-optional-header-removed": (header(STRING), BASE),
    "response-header-added": (BASE, header(STRING)),
    "response-header-became-required": (header(STRING), header(STRING, required=True)),
    "response-header-became-optional": (header(STRING, required=True), header(STRING)),
    "response-link-added": (BASE, answers(_200={"links": {"next": {}}})),
    "response-link-removed": (answers(_200={"links": {"next": {}}}), BASE),
    "security-scheme-added": (NO_SCHEMES, scheme(**KEY)),
    "security-scheme-removed": (scheme(**KEY), NO_SCHEMES),
    "security-scheme-type-changed": (scheme(**KEY), scheme(type="http", scheme="basic")),
    "security-scheme-location-changed": (scheme(**KEY), scheme(**KEY | {"in": "query"})),
    "security-scheme-http-scheme-changed": tuple(scheme(type="http", scheme=s) for s in ("basic", "Bearer")),
    "security-scheme-flow-added": (scheme(type="oauth2", flows={}), flow()),
    "security-scheme-flow-removed": (flow(), scheme(type="oauth2", flows={})),
    "security-scheme-url-changed": (flow(), flow(tokenUrl="/oauth/token")),
    "security-scheme-scope-added": (flow(), flow(scopes={"read": ""})),
    "security-scheme-scope-removed": (flow(scopes={"read": "", "write": ""}), flow(scopes={"read": ""})),
    "openapi-version-changed": (EMPTY, document(openapi="3.0.3")),
    "info-title-changed": (EMPTY, document(info={"title": "Cats", "version": "1"})),
    "info-version-changed": (EMPTY, document(info={"title": "Pets", "version": "2"})),
    "info-terms-changed": (EMPTY, document(info=EMPTY["info"] | {"termsOfService": "/terms"})),
    "info-license-changed": (EMPTY, document(info=EMPTY["info"] | {"license": {"name": "MIT"}})),
    "server-added": (EMPTY, document(servers=[{"url": "/v1"}])),
    "server-removed": (document(servers=[{"url": "/v1"}]), EMPTY),
    "server-variable-changed": tuple(
        document(servers=[{"url": "/{v}", "variables": {"v": {"default": d}}}]) for d in "12"
    ),
    "webhook-added": (EMPTY, document(webhooks={"born": {}})),
    "webhook-changed": (document(webhooks={"born": {}}), document(webhooks={"born": {"post": {"responses": OK}}})),
    "webhook-removed": (document(webhooks={"born": {}}), EMPTY),
}
SECURITY: dict[str, tuple[object, object]] = {
    "security-became-required": ([], [{"key": []}]),
    "security-became-optional": ([{"key": []}], [{"key": []}, {}]),
    "security-alternative-added": ([{"key": []}], [{"key": []}, {"oauth": []}]),
    "security-alternative-removed": ([{"key": []}, {"oauth": []}], [{"oauth": []}]),
    "security-scope-added": ([{"oauth": ["a"]}], [{"oauth": ["b", "a"]}]),
    "security-scope-removed": ([{"oauth": ["a", "b"]}], [{"oauth": ["a"]}]),
}
EXAMPLES |= {f"api-{name}": (operation(security=a), operation(security=b)) for name, (a, b) in SECURITY.items()}
EXAMPLES |= {
    f"api-global-{name}": (document({}, security=a), document({}, security=b)) for name, (a, b) in SECURITY.items()
}


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_change_is_found(rule: str) -> None:
    changes = compare(*EXAMPLES[rule], on=TODAY).changes
    assert rule in {change.rule for change in changes}
    alone = [c for c in changes if c.rule == rule and c.severity is RULES[rule].severity]
    assert len(alone) == 1
    assert "None" not in alone[0].text
    assert alone[0].where


def test_every_rule_has_an_example() -> None:
    assert EXAMPLES.keys() | schema_rules().keys() == RULES.keys()


def listed() -> dict[str, str]:
    text = (Path(__file__).parent.parent / "docs" / "changes.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+|-) \|(?: (\w+|-) \|)?", text, re.MULTILINE)
    found: dict[str, str] = {}
    for name, first, second in rows:
        if not second:
            found[name] = first
        elif name in MEMBERS:
            found |= {f"{side}-{name}": s for side, s in (("request", first), ("response", second)) if s != "-"}
        else:
            found |= {f"request-{p}-{name}": first for p in ("parameter", "body", "property")}
            found |= {f"response-{p}-{name}": second for p in ("body", "property", "header")}
    return found


def test_the_page_lists_every_rule_with_its_severity() -> None:
    assert listed() == {name: str(rule.severity) for name, rule in RULES.items()}


def test_names_are_in_kebab_case() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in RULES)
    assert not MEMBERS.keys() & VALUES.keys()


def test_a_change_is_a_sentence_with_and_without_its_operation() -> None:
    old = response({"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}})
    [change] = compare(old, response({"type": "object"})).changes
    assert change == Change(
        "response-required-property-removed",
        Severity.BREAKING,
        "GET",
        "/pets",
        "response 200",
        "`GET /pets`: response 200 lost property `age`",
    )
    assert change.sentence == "response 200 lost property `age`"
