"""What is worked on: of a version that was never published the version itself, else its next revision beside it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy.orm.attributes import instance_state

from ..accounts.models import Person
from ..db import db, now, serialise
from ..errors import Refused
from . import openapi
from .choices import Choices
from .models import ApiVersion, Draft


@dataclass(frozen=True)
class Working:
    source: str
    document: dict[str, Any]
    choices: Choices

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that would be published; a review is about exactly this."""
        said = [self.source, asdict(self.choices)]
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def working(version: ApiVersion) -> Working:
    draft = version.draft
    _read(draft or version)
    if draft is not None:
        return Working(draft.source, draft.document, Choices.read(draft.choices))
    return Working(version.source, version.document, Choices.of(version))


def _read(row: ApiVersion | Draft) -> None:
    """Source and document at once, where neither was read yet."""
    if {"source", "document"} <= instance_state(row).unloaded:
        db.session.refresh(row, ["source", "document"])


def keep(version: ApiVersion, work: Working, *, by: Person) -> None:
    """The document and, of a version that was published, the choices. Those of a draft are set by `choices.choose`."""
    if version.is_unpublished:
        set_document(version, work.source, work.document)
    else:
        author = (
            by.id
        )  # asked for first: it may be read from the database, and then what is new would be written too early
        row = version.draft or Draft(version_id=version.id, version=version)
        row.source, row.document, row.choices = work.source, work.document, asdict(work.choices)
        row.changed_by_id, row.changed_at = author, now()
        db.session.add(row)
    version.drafted_at = now()  # so that `edits` counts this, too
    db.session.flush()


def set_document(version: ApiVersion, source: str, document: dict[str, Any]) -> None:
    version.source, version.document = source, document
    version.operations, version.scopes = len(openapi.operations(document)), list(openapi.scopes(document))


class Stale(Refused):
    """It was changed since it was looked at."""


def lock(version: ApiVersion, edits: int) -> None:
    """Two people may have had the form open; the second one to send it looks again."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    if version.edits != edits:
        raise Stale(
            f"{version.name} was changed or published by somebody else while this page was open. "
            "Nothing of yours was saved. Look at it again."
        )
