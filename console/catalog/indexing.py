"""Keeping the catalog's words up to date: at every publish, deprecation and retirement, and by a job for whatever was missed.

A name counts more than a tag, that more than an operation, that more than a description; among equals what is published
comes before what is deprecated, and a whole word before the beginning of a longer one. Beginnings of up to `PREFIX`
letters are written out, because so many words have them; those of longer ones are found among the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import joinedload, undefer

from ..apis.models import Api, ApiVersion, State, Visibility
from ..apis.queries import VISIBLE
from ..db import db, unit_of_work
from .models import CatalogEntry, CatalogOperation, CatalogTerm
from .outline import UNTAGGED, Outline
from .words import words

PREFIX = 3
MOST_WORDS, MOST_OPERATIONS = 5_000, 3_000  # of one version
LONGEST_ABOUT, LONGEST_NOTE = 4_000, 600  # characters of descriptions that are looked at
BATCH = 500
SHOWN = VISIBLE
EVERYTHING = "*"


class Tier(IntEnum):
    NAME = 0
    TAG = 1
    OPERATION = 2
    DESCRIPTION = 3


def weight_of(tier: Tier, *, deprecated: bool) -> int:
    """The whole word's; the beginning of a word weighs one more."""
    return tier * 4 + (2 if deprecated else 0)


def facet(name: str, value: str | int) -> str:
    """``#tag:orders``; too long a value is cut, here and where it is looked for."""
    return f"#{name}:{value}"[:60].lower()


def index_version(version: ApiVersion) -> None:
    """Make its words anew; none where the catalog does not show it."""
    db.session.flush()  # else its number of edits would be the one before
    _index([version])


def index_stale(most: int = BATCH) -> int:
    """Index what changed since it was indexed, and drop what is not shown any more; how many versions that were."""
    old = select(ApiVersion).outerjoin(CatalogEntry, CatalogEntry.version_id == ApiVersion.id)
    missing = ApiVersion.state.in_(SHOWN) & (
        CatalogEntry.version_id.is_(None) | (CatalogEntry.edits != ApiVersion.edits)
    )
    gone = ApiVersion.state.not_in(SHOWN) & CatalogEntry.version_id.is_not(None)
    query = old.where(missing | gone).order_by(ApiVersion.id).limit(most)
    found = list(
        db.session.scalars(query.options(joinedload(ApiVersion.api).joinedload(Api.team), undefer(ApiVersion.document)))
    )
    _index(found)
    return len(found)


def keep_up() -> None:
    """The job: one batch now and then."""
    index_stale()


def index_all() -> None:
    """Until there is nothing left; a unit of work for each batch."""
    done = BATCH
    while done:
        with unit_of_work():
            done = index_stale()
            db.session.expunge_all()


def forget_all() -> None:
    for table in (CatalogTerm, CatalogOperation, CatalogEntry):
        db.session.execute(delete(table))


def _index(versions: list[ApiVersion]) -> None:
    ids = [v.id for v in versions]
    for table in (CatalogTerm, CatalogOperation, CatalogEntry):
        db.session.execute(delete(table).where(table.version_id.in_(ids)).execution_options(synchronize_session=False))
    shown = [(v, Outline.of(v.document)) for v in versions if v.state in SHOWN]
    _insert(CatalogEntry, [_entry(v, outline) for v, outline in shown])
    _insert(CatalogTerm, (row for v, outline in shown for row in _terms(v, outline)))
    _insert(CatalogOperation, (row for v, outline in shown for row in _operations(v, outline)))


def _insert(model: Any, rows: Iterable[dict[str, Any]]) -> None:
    """In the order of the key, so that a page of the index is written once and not for each row that is on it."""
    if found := list(rows):
        keys = [column.name for column in model.__table__.primary_key]
        db.session.execute(insert(model.__table__), sorted(found, key=itemgetter(*keys)))


def _entry(version: ApiVersion, outline: Outline) -> dict[str, Any]:
    tags = [tag for tag in outline.by_tag if tag != UNTAGGED][:100]
    return {"version_id": version.id, "edits": version.edits, "tags": tags, "about": _about(version)}


def _about(version: ApiVersion) -> str:
    info = version.document.get("info") or {}
    said = (version.api.summary, info.get("summary"), info.get("description"))
    return "\n".join(dict.fromkeys(str(text).strip() for text in said if text))[:LONGEST_ABOUT]


def _operations(version: ApiVersion, outline: Outline) -> Iterator[dict[str, Any]]:
    for entry in outline.entries[:MOST_OPERATIONS]:
        o = entry.operation
        said = {"version_id": version.id, "position": entry.position, "anchor": entry.anchor[:200], "method": o.method}
        yield said | {"path": o.path, "summary": o.summary[:300], "words": entry.words[:2000]}


def _terms(version: ApiVersion, outline: Outline) -> Iterator[dict[str, Any]]:
    deprecated = version.state == State.DEPRECATED
    best: dict[str, int] = {}
    for tier, word in _words(version, outline):
        best.setdefault(word, weight_of(tier, deprecated=deprecated))
        if len(best) >= MOST_WORDS:
            break
    terms = dict(best)
    for word, weight in best.items():
        for length in range(1, min(PREFIX, len(word)) + 1):
            term, own = f"{word[:length]}*", weight + (length < len(word))
            terms[term] = min(terms.get(term, own), own)
    tags = [facet("tag", tag) for tag in outline.by_tag if tag != UNTAGGED][:100]
    audience = f"team-{version.api.team_id}" if version.api.visibility == Visibility.TEAM else version.api.visibility
    facets = (facet("state", version.state), facet("team", version.api.team_id), facet("seen", audience))
    for term in (EVERYTHING, *facets, *tags):
        terms[term] = weight_of(Tier.NAME, deprecated=deprecated)
    for term, weight in terms.items():
        yield {"term": term, "weight": weight, "version_id": version.id}


def _words(version: ApiVersion, outline: Outline) -> Iterator[tuple[Tier, str]]:
    """The best first, so that each word gets its best weight."""
    for word in words(version.api.name):
        yield Tier.NAME, word
    for word in words(" ".join([version.api.team.name, *(tag for tag in outline.by_tag if tag != UNTAGGED)])):
        yield Tier.TAG, word
    for entry in outline.entries[:MOST_OPERATIONS]:
        o = entry.operation
        for word in words(f"{o.method} {o.path} {o.summary} {o.body.get('operationId') or ''}"):
            yield Tier.OPERATION, word
    for word in words(_about(version)):
        yield Tier.DESCRIPTION, word
    for text in (*outline.about.values(), *(e.operation.description for e in outline.entries[:MOST_OPERATIONS])):
        for word in words(text[:LONGEST_NOTE]):
            yield Tier.DESCRIPTION, word
