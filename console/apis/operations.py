"""Which operation of its document a call was: the template of its path, found the way OpenAPI 3.1 section 4.8.8 says.

And what of the call may be kept: neither parameters nor members of bodies that the document marks as sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import literal, select, union_all

from ..db import db
from ..runtime import remembered, runtime
from .models import SERVING, UNPUBLISHED, ApiVersion, Revision
from .openapi import operations
from .sensitive import Sensitive, plain

PARAMETER = re.compile(r"\{[^{}]*\}")
Described = Callable[[int, str, str], tuple[str, str]]
MOST_IN_A_PART = 3  # of more parameters a part is taken as any text: looking for them would take too long


@dataclass
class _Part:
    """What may follow a part of a path: concrete parts first, then those that hold parameters."""

    concrete: dict[str, _Part] = field(default_factory=dict)
    templated: list[tuple[str, re.Pattern[str] | None, _Part]] = field(default_factory=list)  # None: any text at all
    operations: dict[str, str] = field(default_factory=dict)  # method to template


class Templates:
    """The operations of one document, by what their paths look like."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.first = _Part()
        self.sensitive = Sensitive.of(document)
        for operation in operations(document):
            self._add(operation.method.upper(), operation.path)
        self.find = lru_cache(maxsize=8192)(self._find)

    def _add(self, method: str, template: str) -> None:
        here = self.first
        for part in template.strip("/").split("/"):
            here = _templated(here, part) if "{" in part else here.concrete.setdefault(part, _Part())
        here.operations[method] = template

    def _find(self, method: str, path: str) -> str:
        """The template; empty when the document describes no such call. ``path`` is that of the document's server."""
        return _look(self.first, path.strip("/").split("/"), 0, method)


def _templated(here: _Part, part: str) -> _Part:
    for known, _, following in here.templated:
        if known == part:
            return following
    here.templated.append((part, _pattern(part), _Part()))
    return here.templated[-1][2]


def _pattern(part: str) -> re.Pattern[str] | None:
    texts = PARAMETER.split(part)
    if not any(texts) or len(texts) > MOST_IN_A_PART + 1:
        return None
    return re.compile("[^/]+".join(map(re.escape, texts)))


def _look(here: _Part, parts: list[str], at: int, method: str) -> str:
    if at == len(parts):
        return here.operations.get(method, "")
    part = parts[at]
    following = here.concrete.get(part)
    if following is not None and (found := _look(following, parts, at + 1, method)):
        return found
    for _, pattern, following in here.templated:
        fits = bool(part) if pattern is None else pattern.fullmatch(part)
        if fits and (found := _look(following, parts, at + 1, method)):
            return found
    return ""


def operation_finder() -> Described:
    """Finds the template of a call's path, in the revision that is served at this moment, and the path as it may be kept.

    The template is empty for what the document does not describe.
    """
    served = remembered("served revisions", _served)
    known: dict[int, Templates] = {}

    def find(version_id: int, method: str, path: str) -> tuple[str, str]:
        if version_id not in served:
            return "", path
        revision_id, prefix = served[version_id]
        if version_id not in known:
            known[version_id] = _described(version_id, revision_id)
        templates = known[version_id]
        template = str(templates.find(method, path.removeprefix(prefix)))
        return template, _kept_path(templates.sensitive, path, prefix, template) if templates.sensitive.paths else path

    return find


def _kept_path(sensitive: Sensitive, path: str, prefix: str, template: str) -> str:
    read = path if template else plain(path)
    before = len(prefix) if f"{read}/".lower().startswith(f"{prefix}/".lower()) else 0
    inner = read[before:]
    return path if (kept := sensitive.path(inner, template)) == inner else read[:before] + kept


def sensitive_of(version_id: int) -> Sensitive:
    """What the document of the revision that is served now marks, or that of a draft with a mock."""
    served = remembered("served revisions", _served).get(version_id)
    return _described(version_id, served[0]).sensitive if served else Sensitive()


@dataclass(frozen=True)
class BodyRules:
    """How the bodies of a version's calls are kept: so much of each, without what is sensitive."""

    most_bytes: int
    sensitive: Sensitive


def body_rules() -> dict[int, BodyRules]:
    """Of the versions that keep any."""
    return remembered("body rules", _body_rules)


def _body_rules() -> dict[int, BodyRules]:
    query = select(ApiVersion.id, ApiVersion.log_body_bytes, Revision.id).join(
        Revision, Revision.version_id == ApiVersion.id
    )
    query = query.where(
        ApiVersion.log_bodies,
        Revision.number == ApiVersion.revision,
        ApiVersion.state.in_(SERVING),
    )
    return {row[0]: BodyRules(row[1], _templates(row[2]).sensitive) for row in db.session.execute(query)}


def _served() -> dict[int, tuple[int, str]]:
    """The newest revision of each version, 0 of a draft with a mock, and the path in front of those of its document."""
    query = select(ApiVersion.id, Revision.id, ApiVersion.gateway_path).join(
        Revision, Revision.version_id == ApiVersion.id
    )
    query = query.where(Revision.number == ApiVersion.revision, ApiVersion.gateway_path.is_not(None))
    mocks = select(ApiVersion.id, literal(0), ApiVersion.gateway_path)
    mocks = mocks.where(ApiVersion.mocked, ApiVersion.state.in_(UNPUBLISHED), ApiVersion.gateway_path.is_not(None))
    return {row[0]: (row[1], row[2] or "") for row in db.session.execute(union_all(query, mocks))}


def _described(version_id: int, revision_id: int) -> Templates:
    return _templates(revision_id) if revision_id else _templates_of_draft(version_id)


def _templates_of_draft(version_id: int) -> Templates:
    """Read again whenever it was edited, of which no machine is told."""
    parsed, key = runtime().parsed, ("templates of draft", version_id)
    edits = db.session.scalar(select(ApiVersion.edits).where(ApiVersion.id == version_id)) or 0
    if parsed.get(key, (None,))[0] != edits:
        document = db.session.scalar(select(ApiVersion.document).where(ApiVersion.id == version_id))
        parsed[key] = edits, Templates(document or {})
    found: Templates = parsed[key][1]
    return found


def _templates(revision_id: int) -> Templates:
    """Read once in a process: a revision never changes."""
    parsed = runtime().parsed
    key = ("templates", revision_id)
    if key not in parsed:
        content = db.session.scalar(select(Revision.content).where(Revision.id == revision_id)) or {}
        parsed[key] = Templates(content.get("document") or {})
    found: Templates = parsed[key]
    return found
