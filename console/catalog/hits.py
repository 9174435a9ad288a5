"""What a search found, as it is shown: the versions, and for each what it was that matched."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup, escape
from sqlalchemy import Integer, Select, String, bindparam, case, func, or_, select
from sqlalchemy.orm import aliased

from ..accounts.models import Team
from ..apis.models import Api, ApiVersion, State
from ..applications.models import Plan, PlanState
from ..db import db
from ..runtime import runtime
from .indexing import facet
from .models import CatalogEntry, CatalogOperation, CatalogTerm
from .search import LAST, Found
from .words import words

OPERATIONS = 2  # that one hit names
EXCERPT = 150  # characters of a description
MOST_CHOICES = 40  # in a list of tags or teams
FACETS_S = 60.0
STARTS = r"(?:(?<![^\W_])|(?<=[a-z0-9])(?=[A-Z]))"  # where a word begins, also inside listOrders


class Row(NamedTuple):
    """A version as the catalog lists it."""

    version_id: int
    version: str
    state: State
    sunset_at: datetime | None
    successor: str | None
    slug: str
    api: str
    summary: str
    team: str
    tags: list[str]
    about: str
    plans: str | None  # the titles of those that are offered


@dataclass
class Hit:
    row: Row
    name: Markup
    tags: list[Markup] = field(default_factory=list)  # those that matched
    operations: list[CatalogOperation] = field(default_factory=list)
    excerpt: Markup = field(default_factory=Markup)


@dataclass(frozen=True)
class Facets:
    """What the catalog can be narrowed down to, the most frequent first: value, label, how many versions."""

    tags: list[tuple[str, str, int]]
    teams: list[tuple[str, str, int]]
    states: dict[str, int]
    total: int


def hits(found: Found, text: str) -> list[Hit]:
    """In the order of ``found``; two queries."""
    ids = [version_id for version_id, _ in found.ids]
    asked = list(dict.fromkeys(words(text)))[:6]
    rows = _rows(ids)
    out = [_hit(rows[i], asked) for i in ids if i in rows]
    unnamed = [h.row.version_id for h in out if asked and not _all_in(h.row.api, asked)]
    named = _operations(unnamed, asked) if unnamed else {}
    for hit in out:
        hit.operations = named.get(hit.row.version_id, [])
    return out


def _rows(ids: list[int]) -> dict[int, Row]:
    if not ids:
        return {}
    return {row[0]: Row(*row) for row in db.session.execute(_rows_of(), {"ids": ids})}


@cache
def _rows_of() -> Select[Any]:
    """Columns: a page of ORM objects takes as long as everything else of it."""
    titles = select(func.aggregate_strings(Plan.title, ", ")).where(
        Plan.version_id == CatalogEntry.version_id, Plan.state == PlanState.PUBLISHED
    )
    v, successor = ApiVersion, aliased(ApiVersion)
    query: Any = select(
        v.id, v.version, v.state, v.sunset_at, successor.version, Api.slug, Api.name, Api.summary, Team.name,
        CatalogEntry.tags, CatalogEntry.about, titles.scalar_subquery(),
    )  # fmt: skip
    query = query.select_from(CatalogEntry).join(v, v.id == CatalogEntry.version_id).join(Api, Api.id == v.api_id)
    query = query.join(Team, Team.id == Api.team_id).outerjoin(successor, successor.id == v.successor_id)
    found: Select[Any] = query.where(CatalogEntry.version_id.in_(bindparam("ids", expanding=True)))
    return found


def _hit(row: Row, asked: list[str]) -> Hit:
    matched = [marked(tag, asked) for tag in row.tags if asked and _any_in(tag, asked)][:4]
    seen = " ".join([row.api, *row.tags])
    excerpt = _excerpt(row.about, asked) if asked and not _all_in(seen, asked) else Markup("")
    return Hit(row, marked(row.api, asked), matched, [], excerpt)


def _any_in(text: str, asked: list[str]) -> bool:
    said = words(text)
    return any(word.startswith(beginning) for beginning in asked for word in said)


def _all_in(text: str, asked: list[str]) -> bool:
    said = words(text)
    return all(any(word.startswith(beginning) for word in said) for beginning in asked)


def _operations(ids: list[int], asked: list[str]) -> dict[int, list[CatalogOperation]]:
    """The ones with most of the words."""
    said = {f"word{i}": f" {word}" for i, word in enumerate(asked)}
    out: dict[int, list[CatalogOperation]] = {}
    for row in db.session.scalars(_operations_of(len(asked)), {"ids": ids, **said}):
        out.setdefault(row.version_id, []).append(row)
    return out


@cache
def _operations_of(count: int) -> Select[Any]:
    """With any of so many words, which have nothing in them that `LIKE` reads as something else."""
    o = CatalogOperation
    holds = [o.words.contains(bindparam(f"word{i}", type_=String)) for i in range(count)]
    scores = [case((one, 1), else_=0) for one in holds]
    score = sum(scores[1:], start=scores[0].cast(Integer))
    place = func.row_number().over(partition_by=o.version_id, order_by=(score.desc(), o.position)).label("place")
    of_these = o.version_id.in_(bindparam("ids", expanding=True))
    best = select(o.version_id, o.position, place).where(of_these, or_(*holds)).subquery()
    query = select(o).join(best, (best.c.version_id == o.version_id) & (best.c.position == o.position))
    return query.where(best.c.place <= OPERATIONS).order_by(o.version_id, best.c.place)


def marked(text: str, asked: list[str]) -> Markup:
    """With the beginnings of words that were asked for marked in it."""
    pattern = _pattern(tuple(asked))
    if pattern is None:
        return escape(text)
    out, at = [], 0
    for found in pattern.finditer(text):
        out += [escape(text[at : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
        at = found.end()
    return Markup("").join([*out, escape(text[at:])])


def _pattern(asked: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile(STARTS + f"(?i:{'|'.join(map(re.escape, asked))})") if asked else None


def _excerpt(text: str, asked: list[str]) -> Markup:
    pattern = _pattern(tuple(asked))
    found = pattern.search(text) if pattern else None
    if found is None:
        return Markup("")
    start = max(0, found.start() - 40)
    start = text.rfind(" ", 0, start) + 1 if start else 0
    part = " ".join(text[start : start + EXCERPT].split())
    return Markup("{}{}{}").format(
        "…" if start else "", marked(part, asked), "…" if len(text) > start + EXCERPT else ""
    )


def facets() -> Facets:
    """Counted at most once a minute in each process."""
    kept = runtime().parsed.get("catalog facets")
    if kept is not None and kept[0] > time.monotonic():
        found: Facets = kept[1]
        return found
    counted = _count()
    runtime().parsed["catalog facets"] = (time.monotonic() + FACETS_S, counted)
    return counted


def _count() -> Facets:
    """Without what only its own team sees."""
    t = CatalogTerm
    own = select(t.version_id).where(t.term >= facet("seen", "team-"), t.term < facet("seen", "team-") + LAST)
    query = select(t.term, func.count()).where(t.term >= "#", t.term < "#" + LAST, t.version_id.not_in(own))
    query = query.group_by(t.term)
    counts = {str(term)[1:]: int(count) for term, count in db.session.execute(query)}
    by_kind: dict[str, list[tuple[str, int]]] = {"tag": [], "team": [], "state": []}
    for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        kind, _, value = name.partition(":")
        by_kind.setdefault(kind, []).append((value, count))
    names = _team_names([int(value) for value, _ in by_kind["team"][:MOST_CHOICES]])
    teams = [(value, names.get(int(value), value), count) for value, count in by_kind["team"][:MOST_CHOICES]]
    tags = [(value, value, count) for value, count in by_kind["tag"][:MOST_CHOICES]]
    states = dict(by_kind["state"])
    return Facets(tags, teams, states, sum(states.values()))


def _team_names(ids: list[int]) -> dict[int, str]:
    query = select(Team.id, Team.name).where(Team.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(query)}
