"""Searching the catalog as somebody types: the beginnings of words, best hits first, page by page.

Every question reads a bounded number of rows, however many APIs there are: a word that few versions have is looked up for
each of them; of one that many have, the index gives the first ones in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import aliased

from ..accounts.models import Permission, Person
from ..apis.models import State, Visibility
from ..db import db
from ..errors import Denied
from .indexing import EVERYTHING, PREFIX, Tier, facet, weight_of
from .models import CatalogTerm
from .words import words

PAGE = 30
FEW = 600  # versions that may be looked at one by one
MOST_WORDS = 6  # that are asked for
MOST_VARIANTS = 48  # words with the same beginning that are merged
LAST = "\U0010ffff"
T = CatalogTerm


@dataclass(frozen=True)
class Wanted:
    """A word that somebody typed, or a facet: one term, or all those that begin so."""

    text: str
    is_facet: bool = False

    @property
    def one_term(self) -> str:
        """Where one term stands for all; empty where many words have to be looked for."""
        if self.is_facet:
            return self.text
        return f"{self.text}*" if len(self.text) <= PREFIX else ""

    def of(self, table: Any) -> ColumnElement[bool]:
        if self.one_term:
            return cast("ColumnElement[bool]", table.term == self.one_term)
        return and_(table.term >= self.text, table.term < self.text + LAST)


DEPRECATED = Wanted(facet("state", State.DEPRECATED), is_facet=True)


@dataclass(frozen=True)
class Seen(Wanted):
    """Any of these facets: what somebody may see."""

    any_of: tuple[str, ...] = ()

    @property
    def one_term(self) -> str:
        return self.any_of[0] if len(self.any_of) == 1 else ""

    def of(self, table: Any) -> ColumnElement[bool]:
        return cast("ColumnElement[bool]", table.term.in_(self.any_of))


def seen_by(person: Person | None) -> list[Wanted]:
    """Nothing to ask for where somebody reads all APIs; None is anybody who is not signed in."""
    if person is None:
        return [Seen("", True, (facet("seen", Visibility.PUBLIC),))]
    if not person.may(Permission.READ_CATALOG):
        raise Denied("Your role does not read the catalog.")
    if person.may(Permission.READ_APIS):
        return []
    teams = [facet("seen", f"team-{team_id}") for team_id in person.team_ids]
    return [Seen("", True, (facet("seen", Visibility.PUBLIC), facet("seen", Visibility.INTERNAL), *teams))]


@dataclass(frozen=True)
class Filters:
    """Of the catalog: ``among``, the only versions that are asked for."""

    tag: str = ""
    team: int = 0
    state: str = ""
    among: frozenset[int] | None = field(default=None)

    @property
    def wanted(self) -> list[Wanted]:
        said = (("tag", self.tag), ("team", self.team), ("state", self.state))
        return [Wanted(facet(name, value), is_facet=True) for name, value in said if value]


@dataclass(frozen=True)
class Found:
    """Versions by their number, best first, and the cursor of the next page."""

    ids: list[tuple[int, int]]  # version, weight
    more: str = ""


def search(text: str, *, by: Person | None, after: str = "", size: int = PAGE, filters: Filters | None = None) -> Found:
    """``after``: the cursor of the page before. No text: everything that the filters let through. ``by`` None: anybody."""
    seen = seen_by(by)
    filters = filters or Filters()
    typed = [Wanted(word) for word in dict.fromkeys(words(text))][:MOST_WORDS]
    if text.strip() and not typed:
        return Found([])
    query = _query(typed, [*filters.wanted, *seen], filters.among, _cursor(after), size + 1)
    rows = [(int(row[0]), int(row[1])) for row in db.session.execute(query)]
    more = "{1}.{0}".format(*rows[size - 1]) if len(rows) > size else ""
    return Found(rows[:size], more)


def _cursor(text: str) -> tuple[int, int]:
    weight, _, version_id = text.partition(".")
    if weight.isdecimal() and version_id.isdecimal() and len(text) < 24:
        return int(weight), int(version_id)
    return -1, 0


def _query(
    typed: list[Wanted], filters: list[Wanted], among: frozenset[int] | None, after: tuple[int, int], most: int
) -> Select[Any]:
    wanted = [*typed, *filters]
    if not any(type(one) is Wanted for one in wanted):
        wanted = [Wanted(EVERYTHING, is_facet=True), *wanted]
    if among is not None:
        return _one_by_one(
            select(T.version_id).where(T.term == EVERYTHING, T.version_id.in_(among)),
            typed,
            wanted,
            after,
            most,
        )
    plain = [one for one in wanted if type(one) is Wanted]  # what somebody may see is as good as everything
    sizes = _sizes(plain) if len(plain) > 1 or not plain[0].one_term else [FEW + 1]
    rarest = min(zip(sizes, plain, strict=True), key=lambda pair: pair[0])
    if rarest[0] <= FEW:
        others = [w for w in wanted if w is not rarest[1]]
        return _one_by_one(select(T.version_id).where(rarest[1].of(T)).distinct(), typed, others, after, most)
    driver = max(typed, key=lambda w: len(w.text)) if typed else wanted[0]
    return _in_order(driver, [w for w in wanted if w is not driver], after, most)


def _sizes(wanted: list[Wanted]) -> list[int]:
    """How many entries of the index each of them has, counted up to a few."""
    counted = [
        select(func.count()).select_from(select(literal(1)).where(w.of(T)).limit(FEW + 1).subquery()).scalar_subquery()
        for w in wanted
    ]
    return list(db.session.execute(select(*counted)).one())


def _one_by_one(
    candidates: Select[Any], typed: list[Wanted], others: list[Wanted], after: tuple[int, int], most: int
) -> Select[Any]:
    """Few versions: the weights of all words that were typed are added up for each of them."""
    few: Any = candidates.subquery("few")
    weights = [_weight(w, few.c.version_id) for w in typed] or [
        _weight(Wanted(EVERYTHING, is_facet=True), few.c.version_id)
    ]
    total = weights[0]
    for one in weights[1:]:
        total = total + one
    every = select(few.c.version_id, total.label("weight"))
    ranked: Any = every.where(*(_has(w, few.c.version_id) for w in others)).subquery("ranked")
    query = select(ranked.c.version_id, ranked.c.weight).where(ranked.c.weight.is_not(None))
    query = query.where(tuple_(ranked.c.weight, ranked.c.version_id) > tuple_(*map(literal, after)))
    return query.order_by(ranked.c.weight, ranked.c.version_id).limit(most)


def _weight(wanted: Wanted, version_id: Any) -> Any:
    t = aliased(CatalogTerm)
    return (
        select(func.min(t.weight)).where(t.version_id == version_id, wanted.of(t)).correlate_except(t).scalar_subquery()
    )


def _has(wanted: Wanted, version_id: Any) -> ColumnElement[bool]:
    t = aliased(CatalogTerm)
    return select(literal(1)).where(t.version_id == version_id, wanted.of(t)).correlate_except(t).exists()


def _in_order(driver: Wanted, others: list[Wanted], after: tuple[int, int], most: int) -> Select[Any]:
    """Many versions: the first ones as the index has them, for each word with that beginning, merged."""
    if driver.is_facet and DEPRECATED in others:  # which stand behind all others
        after = max(after, (weight_of(Tier.NAME, deprecated=True), 0))
    terms = [driver.one_term] if driver.one_term else _variants(driver.text)
    if not terms or len(terms) > MOST_VARIANTS:
        return _grouped(driver, others, after, most)
    parts = [_first(term, driver, tuple(others), after, most, of_many=len(terms) > 1) for term in terms]
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery("merged")
    return select(merged.c.version_id, merged.c.weight).order_by(merged.c.weight, merged.c.version_id).limit(most)


def _variants(beginning: str) -> Sequence[str]:
    """The words that begin so, found by leaping from one to the next."""
    first = select(func.min(T.term).label("term")).where(T.term >= beginning, T.term < beginning + LAST)
    leap = first.cte("leap", recursive=True)
    following = select(func.min(T.term)).where(T.term > leap.c.term, T.term < beginning + LAST).scalar_subquery()
    leap = leap.union_all(select(following).where(leap.c.term.is_not(None)))
    query = select(leap.c.term).where(leap.c.term.is_not(None)).limit(MOST_VARIANTS + 1)
    return list(db.session.scalars(query))


@lru_cache(maxsize=256)  # it takes as long to write as to answer, and most ask the same
def _first(
    term: str, driver: Wanted, others: tuple[Wanted, ...], after: tuple[int, int], most: int, *, of_many: bool
) -> Select[Any]:
    penalty = 1 if not driver.one_term and term != driver.text else 0
    t = aliased(CatalogTerm)
    query: Any = select(t.version_id, (t.weight + penalty).label("weight")).where(t.term == term)
    query = query.where(tuple_(t.weight, t.version_id) > tuple_(literal(after[0] - penalty), literal(after[1])))
    query = query.where(*(_has(w, t.version_id) for w in others))
    if of_many:
        query = query.where(~_is_better_elsewhere(t, penalty, driver))
    return cast("Select[Any]", query.order_by(t.weight, t.version_id).limit(most))


def _is_better_elsewhere(t: Any, penalty: int, driver: Wanted) -> ColumnElement[bool]:
    """The version has another of these words with a better weight, and is shown for that one."""
    o = aliased(CatalogTerm)
    theirs = o.weight + case((o.term == driver.text, 0), else_=1)
    better = or_(theirs < t.weight + penalty, and_(theirs == t.weight + penalty, o.term < t.term))
    return select(literal(1)).where(o.version_id == t.version_id, driver.of(o), better).correlate(t).exists()


def _grouped(driver: Wanted, others: list[Wanted], after: tuple[int, int], most: int) -> Select[Any]:
    """So many words begin so that each of them must be rare."""
    best: Any = (
        select(T.version_id, func.min(T.weight).label("weight")).where(driver.of(T)).group_by(T.version_id).subquery()
    )
    query: Select[Any] = select(best.c.version_id, best.c.weight)
    query = query.where(tuple_(best.c.weight, best.c.version_id) > tuple_(*map(literal, after)))
    query = query.where(*(_has(w, best.c.version_id) for w in others))
    return query.order_by(best.c.weight, best.c.version_id).limit(most)
