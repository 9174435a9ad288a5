"""Finding revisions, and reading what they held."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import joinedload, undefer

from ..db import db
from ..errors import NotFound
from .choices import Choices
from .models import ApiVersion, Revision
from .working import Working

PAGE = 30


def revisions(version: ApiVersion, *, before: int = 0, size: int = PAGE, whole: bool = True) -> list[Revision]:
    """Newest first, ``whole`` with what they hold; ``before``: the number of the last one seen."""
    query = select(Revision).where(Revision.version_id == version.id).options(joinedload(Revision.created_by))
    query = query.options(undefer(Revision.content)) if whole else query
    if before:
        query = query.where(Revision.number < before)
    return list(db.session.scalars(query.order_by(Revision.number.desc()).limit(size + 1)))


def find_revision(version: ApiVersion, number: int) -> Revision:
    query = select(Revision).where(Revision.version_id == version.id, Revision.number == number)
    revision = db.session.scalars(query.options(undefer(Revision.content), undefer(Revision.source))).first()
    if revision is None:
        raise NotFound(f"{version.name} has no revision {number}.")
    return revision


def content_of(revision: Revision) -> Working:
    """What a revision held, in the shape of what is worked on."""
    document = revision.content["document"]
    source = revision.source or orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()  # older ones kept no text
    return Working(source, document, Choices.read(revision.content))


def last_plans(version: ApiVersion) -> list[dict[str, Any]]:
    """The plans as the served revision kept them."""
    if not version.revision:
        return []
    plans: list[dict[str, Any]] = find_revision(version, version.revision).content.get("plans", [])
    return plans
