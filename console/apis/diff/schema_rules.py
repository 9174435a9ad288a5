"""The rules about schemas: what happened, and how grave it is in a request and in a response.

A request that takes less is breaking. A response of another shape (type, null, properties, variants) is breaking, too; one
whose values within a type may be more than before (ranges, lengths, formats, enums) is risky. None: there is no such rule.
"""

from __future__ import annotations

from .changes import Severity

B, R, S = Severity.BREAKING, Severity.RISKY, Severity.SAFE
Row = tuple[Severity | None, Severity | None, str]  # in a request, in a response, sentence

# The rule is `request-` or `response-` and the name.
MEMBERS: dict[str, Row] = {
    "required-property-added": (B, S, "{of} has the new required property `{name}`"),
    "required-property-with-default-added": (S, S, "{of} has the new required property `{name}`, with a default"),
    "optional-property-added": (S, S, "{of} has the new property `{name}`"),
    "required-property-removed": (R, B, "{of} lost property `{name}`"),
    "optional-property-removed": (R, R, "{of} lost property `{name}`, which was optional"),
    "property-no-longer-allowed": (B, None, "{of} is refused with property `{name}` now"),
    "property-became-required": (B, S, "property `{name}` of {of} is required now"),
    "property-became-required-with-default": (S, S, "property `{name}` of {of} is required now, with a default"),
    "property-became-optional": (S, B, "property `{name}` of {of} may be missing now"),
    "property-became-read-only": (R, None, "property `{name}` of {of} is read-only now"),
    "required-property-became-not-read-only": (
        B,
        None,
        "property `{name}` of {of} is no longer read-only, and required",
    ),
    "optional-property-became-not-read-only": (S, None, "property `{name}` of {of} is no longer read-only"),
    "property-became-write-only": (None, B, "{of} no longer shows property `{name}`: it is write-only"),
    "property-became-not-write-only": (None, S, "{of} shows property `{name}` now: it is no longer write-only"),
}

# The rule is where it is (`request-body`, `request-property`, ...) and the name.
VALUES: dict[str, Row] = {
    "type-changed": (B, B, "{of} is {after} now, not {before}"),
    "type-generalized": (S, B, "{of} may be {after} now, not only {before}"),
    "type-specialized": (B, S, "{of} is only {after} now, not {before}"),
    "became-nullable": (S, B, "{of} may be null now"),
    "became-not-nullable": (B, S, "{of} may no longer be null"),
    "format-changed": (B, B, "{of} has the format {after} now, not {before}"),
    "format-generalized": (S, R, "{of} has the wider format {after} now, not {before}"),
    "format-specialized": (B, S, "{of} has the narrower format {after} now, not {before}"),
    "format-added": (R, S, "{of} has the format {after} now"),
    "format-removed": (S, R, "{of} no longer has the format {before}"),
    "became-enum": (B, S, "{of} takes only {after} now"),
    "became-not-enum": (S, R, "{of} is no longer one of {before}"),
    "enum-value-added": (S, R, "{of} has the new value {after}"),
    "enum-value-removed": (B, S, "{of} lost the value {before}"),
    "pattern-added": (B, S, "{of} must fit the pattern {after} now"),
    "pattern-changed": (R, R, "{of} must fit the pattern {after} now, not {before}"),
    "pattern-removed": (S, R, "{of} need no longer fit the pattern {before}"),
    "multiple-of-set": (B, S, "{of} must be a multiple of {after} now"),
    "multiple-of-changed": (R, R, "{of} must be a multiple of {after} now, not of {before}"),
    "multiple-of-removed": (S, R, "{of} need no longer be a multiple of {before}"),
    "unique-items-set": (B, S, "{of} may not hold the same item twice now"),
    "unique-items-removed": (S, R, "{of} may hold the same item twice now"),
    "additional-properties-disallowed": (B, S, "{of} takes no other properties now"),
    "additional-properties-allowed": (S, S, "{of} takes other properties now"),
    "default-value-added": (S, S, "{of} has the default {after} now"),
    "default-value-changed": (R, S, "{of} has the default {after} now, not {before}"),
    "default-value-removed": (R, S, "{of} no longer has the default {before}"),
    "deprecated": (S, S, "{of} is deprecated"),
    "reactivated": (S, S, "{of} is no longer deprecated"),
    "one-of-added": (S, B, "{of} has the new variant {after} (oneOf)"),
    "one-of-removed": (B, S, "{of} lost the variant {before} (oneOf)"),
    "any-of-added": (S, B, "{of} has the new variant {after} (anyOf)"),
    "any-of-removed": (B, S, "{of} lost the variant {before} (anyOf)"),
    "variants-set": (B, S, "{of} must be one of {after} now"),
    "variants-unset": (S, B, "{of} need no longer be one of {before}"),
    "not-set": (B, S, "{of} may not be what `not` says now"),
    "not-changed": (R, R, "{of} may not be something else (`not`) than before"),
    "not-removed": (S, R, "{of} may be now what `not` said it may not"),
    "discriminator-added": (R, S, "{of} is told apart by property `{after}` now"),
    "discriminator-changed": (B, B, "{of} is told apart by property `{after}` now, not by `{before}`"),
    "discriminator-removed": (S, R, "{of} is no longer told apart by property `{before}`"),
    "discriminator-value-added": (S, R, "{of} knows the discriminator value {after} now"),
    "discriminator-value-changed": (R, R, "the discriminator value {name} of {of} means {after} now, not {before}"),
    "discriminator-value-removed": (B, S, "{of} no longer knows the discriminator value {before}"),
    "condition-changed": (R, R, "{of} has another condition: {name}"),
}

# limit: name, and what it is about. "Tighter" is lower for a maximum and higher for a minimum.
LIMITS = {
    "max": "largest value",
    "min": "smallest value",
    "max-length": "greatest length",
    "min-length": "least length",
    "max-items": "greatest number of items",
    "min-items": "least number of items",
    "max-properties": "greatest number of properties",
    "min-properties": "least number of properties",
}

for _limit, _what in LIMITS.items():
    _tighter, _looser = ("decreased", "increased") if _limit.startswith("max") else ("increased", "decreased")
    VALUES |= {
        f"{_limit}-set": (B, S, f"the {_what} of {{of}} is {{after}} now"),
        f"{_limit}-{_tighter}": (B, S, f"the {_what} of {{of}} is {{after}} now, not {{before}}"),
        f"{_limit}-{_looser}": (S, R, f"the {_what} of {{of}} is {{after}} now, not {{before}}"),
        f"{_limit}-removed": (S, R, f"the {_what} of {{of}} is no longer {{before}}"),
    }

REQUEST = ("request-parameter", "request-body", "request-property")
RESPONSE = ("response-body", "response-property", "response-header")


def schema_rules() -> dict[str, tuple[Severity, str]]:
    """Every rule about schemas by its whole name."""
    found: dict[str, tuple[Severity, str]] = {}
    for name, (request, response, sentence) in MEMBERS.items():
        found |= {f"{side}-{name}": (s, sentence) for side, s in (("request", request), ("response", response)) if s}
    for name, (request, response, sentence) in VALUES.items():
        found |= {f"{place}-{name}": (request, sentence) for place in REQUEST if request}
        found |= {f"{place}-{name}": (response, sentence) for place in RESPONSE if response}
    return found
