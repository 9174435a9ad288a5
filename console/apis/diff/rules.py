"""Every rule with its severity and its sentence. Names are in the manner of oasdiff's public list; docs/changes.md lists all.

Sentences are filled in with ``name``, ``before`` and ``after``.
"""

from __future__ import annotations

from typing import NamedTuple

from .changes import Severity
from .schema_rules import schema_rules

B, R, S = Severity.BREAKING, Severity.RISKY, Severity.SAFE


class Rule(NamedTuple):
    severity: Severity
    sentence: str


_OPERATIONS = {
    "api-added": (S, "the operation is new"),
    "api-removed-without-deprecation": (B, "the operation is gone, and was never deprecated"),
    "api-removed-before-sunset": (B, "the operation is gone before its sunset on {before}"),
    "api-removed-with-deprecation": (R, "the operation is gone; it was deprecated without a date"),
    "api-removed-after-sunset": (S, "the operation is gone after its sunset on {before}"),
    "api-path-parameter-renamed": (S, "path parameter `{before}` is called `{after}` now"),
    "api-operation-id-added": (S, "the operation has the id `{after}` now"),
    "api-operation-id-changed": (S, "the operation's id `{before}` is `{after}` now"),
    "api-operation-id-removed": (S, "the operation lost its id `{before}`"),
    "api-tag-added": (S, "the operation has the tag `{name}` now"),
    "api-tag-removed": (S, "the operation lost the tag `{name}`"),
    "api-deprecated": (S, "the operation is deprecated"),
    "api-reactivated": (S, "the operation is no longer deprecated"),
    "api-sunset-set": (S, "the operation has its sunset on {after}"),
    "api-sunset-postponed": (S, "the sunset on {before} is on {after} now"),
    "api-sunset-brought-forward": (R, "the sunset on {before} is on {after} now, which is sooner"),
    "api-sunset-removed": (R, "the operation is still deprecated but lost its sunset on {before}"),
    "api-server-added": (S, "the operation is at `{name}` too"),
    "api-server-removed": (R, "the operation is no longer at `{name}`"),
    "api-callback-added": (S, "callback `{name}` is new"),
    "api-callback-changed": (R, "callback `{name}` is another one"),
    "api-callback-removed": (R, "callback `{name}` is gone"),
}

_PARAMETERS = {
    "request-parameter-required-added": (B, "{of} is new and required"),
    "request-parameter-optional-added": (S, "{of} is new"),
    "request-parameter-removed": (R, "{of} is gone: callers who still send it may be refused or not heard"),
    "request-parameter-became-required": (B, "{of} is required now"),
    "request-parameter-became-optional": (S, "{of} is optional now"),
    "request-parameter-location-changed": (B, "{before} is {after} now"),
    "request-parameter-style-changed": (B, "{of} is written in style `{after}` now, not `{before}`"),
    "request-parameter-explode-changed": (B, "{of} is written in another way: explode is {after} now, not {before}"),
    "request-parameter-content-changed": (B, "{of} is written as {after} now, not as {before}"),
    "request-parameter-reserved-characters-allowed": (S, "{of} may hold reserved characters now"),
    "request-parameter-reserved-characters-disallowed": (R, "{of} may no longer hold reserved characters"),
    "request-parameter-empty-value-allowed": (S, "{of} may be empty now"),
    "request-parameter-empty-value-disallowed": (R, "{of} may no longer be empty"),
}

_BODIES = {
    "request-body-required-added": (B, "a request body is required now, where there was none"),
    "request-body-optional-added": (S, "there may be a request body now"),
    "request-body-removed": (B, "the request body is gone"),
    "request-body-became-required": (B, "the request body is required now"),
    "request-body-became-optional": (S, "the request body is optional now"),
    "request-body-media-type-added": (S, "the request body may be {name} now"),
    "request-body-media-type-removed": (B, "the request body may no longer be {name}"),
    "request-body-encoding-changed": (R, "part `{name}` of the request body is written in another way"),
    "response-success-status-added": (R, "{name} is new"),
    "response-success-status-removed": (B, "{name} is gone"),
    "response-non-success-status-added": (S, "{name} is new"),
    "response-non-success-status-removed": (R, "{name} is gone"),
    "response-media-type-added": (S, "{of} may be {name} now, for who asks for it"),
    "response-media-type-removed": (B, "{of} is no longer to be had as {name}"),
    "response-required-header-removed": (B, "{of} lost header `{name}`"),
    "response-optional-header-removed": (R, "{of} lost header `{name}`, which was optional"),
    "response-header-added": (S, "{of} has header `{name}` now"),
    "response-header-became-required": (S, "header `{name}` of {of} is always there now"),
    "response-header-became-optional": (B, "header `{name}` of {of} may be missing now"),
    "response-link-added": (S, "{of} has link `{name}` now"),
    "response-link-removed": (R, "{of} lost link `{name}`"),
}

_SECURITY = {
    "security-became-required": (B, "who calls must be authenticated now"),
    "security-became-optional": (S, "who calls need not be authenticated any more"),
    "security-alternative-added": (S, "{name} will do now"),
    "security-alternative-removed": (B, "{name} will no longer do"),
    "security-scope-added": (B, "scope `{name}` of {of} is needed now"),
    "security-scope-removed": (S, "scope `{name}` of {of} is no longer needed"),
}

_SCHEMES = {
    "security-scheme-added": (S, "security scheme `{name}` is new"),
    "security-scheme-removed": (R, "security scheme `{name}` is gone"),
    "security-scheme-type-changed": (B, "security scheme `{name}` is {after} now, not {before}"),
    "security-scheme-location-changed": (B, "the key of security scheme `{name}` is {after} now, not {before}"),
    "security-scheme-http-scheme-changed": (B, "security scheme `{name}` is HTTP {after} now, not {before}"),
    "security-scheme-flow-added": (S, "security scheme `{name}` has the OAuth flow {after} now"),
    "security-scheme-flow-removed": (B, "security scheme `{name}` lost the OAuth flow {before}"),
    "security-scheme-url-changed": (R, "an address of security scheme `{name}` is {after} now, not {before}"),
    "security-scheme-scope-added": (S, "security scheme `{name}` has scope `{after}` now"),
    "security-scheme-scope-removed": (R, "security scheme `{name}` lost scope `{before}`"),
}

_DOCUMENT = {
    "openapi-version-changed": (S, "the document is OpenAPI {after} now, not {before}"),
    "info-title-changed": (S, "the title is {after} now, not {before}"),
    "info-version-changed": (S, "the version is {after} now, not {before}"),
    "info-terms-changed": (S, "the terms of service are at {after} now, not at {before}"),
    "info-license-changed": (S, "the licence is {after} now, not {before}"),
    "server-added": (S, "server `{name}` is new"),
    "server-removed": (R, "server `{name}` is gone"),
    "server-variable-changed": (R, "a variable of server `{name}` has other values"),
    "webhook-added": (S, "webhook `{name}` is new"),
    "webhook-changed": (R, "webhook `{name}` is another one"),
    "webhook-removed": (R, "webhook `{name}` is gone"),
}

_FAMILIES = [_OPERATIONS, _PARAMETERS, _BODIES, _SCHEMES, _DOCUMENT]
_FAMILIES += [{f"{place}-{name}": rule for name, rule in _SECURITY.items()} for place in ("api", "api-global")]

RULES: dict[str, Rule] = {name: Rule(*rule) for family in _FAMILIES for name, rule in family.items()}
RULES |= {name: Rule(*rule) for name, rule in schema_rules().items()}
