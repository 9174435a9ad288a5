"""Several questions to the logs database in one statement: each is as quick as alone, and nobody waits for the way there and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, literal_column, select, union_all

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


def together(connection: Connection, queries: Mapping[Key, Select[Any]]) -> dict[Key, list[tuple[Any, ...]]]:
    """The rows of each, in their own order. All have as many columns, and in the same place the same type."""
    found: dict[Key, list[tuple[Any, ...]]] = {key: [] for key in queries}
    if not queries:
        return found
    keys = list(queries)
    for number, *row in connection.execute(_united(tuple(queries.values()))):
        found[keys[number]].append(tuple(row))
    return found


@lru_cache(maxsize=32)  # some are written once and asked again and again
def _united(queries: tuple[Select[Any], ...]) -> Any:
    parts = [query.subquery() for query in queries]
    numbered = [select(literal_column(str(i)), *part.c) for i, part in enumerate(parts)]
    return union_all(*numbered) if len(numbered) > 1 else numbered[0]


def once(connection: Connection, key: Hashable, ask: Callable[[], T]) -> T:
    """``ask()``, only the first time within `Store.at_one_moment`."""
    known: dict[Hashable, T] | None = connection.get_execution_options().get("known")
    if known is None:
        return ask()
    if key not in known:
        known[key] = ask()
    return known[key]
