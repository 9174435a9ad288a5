"""Records and facets with the names that people know: a few look-ups for all of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..apis.queries import version_by_name
from ..applications.queries import plans_of_clients
from . import explain
from .called import look_up
from .facets import Facet
from .filters import Asked
from .store import COLUMNS, moment_of

TITLES = {
    "status": "Status", "api": "API", "operation": "Operation", "application": "Application", "node": "Node",
    "plan": "Plan", "method": "Method", "country": "Country", "reason": "Why refused",
}  # fmt: skip
SHOWN = 6


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True)
class NamedFacet:
    name: str
    title: str
    options: list[Option]
    sampled: int

    @cached_property
    def first(self) -> list[Option]:
        """The chosen ones are never folded away."""
        return self.options[:SHOWN] + [o for o in self.options[SHOWN:] if o.is_chosen]

    @cached_property
    def more(self) -> list[Option]:
        return [o for o in self.options[SHOWN:] if not o.is_chosen]


class Names:
    """What keys of records are called; looked up once for all of a page."""

    def __init__(self, rows: Iterable[Any], found: Iterable[Facet] = ()) -> None:
        self.rows = list(rows)
        keys = {facet.name: {key for key, _ in facet.counts} for facet in found}
        called = look_up(
            {r.version_id for r in self.rows} | keys.get("api", set()),
            {r.client_id for r in self.rows if r.client_id} | keys.get("application", set()),
        )
        self.versions, self.applications, self.nodes = called.versions, called.applications, called.nodes

    def of_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "r": r,
                "at": moment_of(r.id),
                "version": self.versions.get(r.version_id),
                "application": self.applications.get(r.client_id),
                "node": self.nodes.get(r.node_id, f"node {r.node_id}"),
            }
            for r in self.rows
        ]

    def of_facets(self, found: Iterable[Facet], asked: Asked) -> list[NamedFacet]:
        """Without those that have nothing to choose from."""
        named: list[NamedFacet] = []
        for f in found:
            named.append(NamedFacet(f.name, TITLES[f.name], self._options(f, asked), f.sampled))
            if f.name == "application" and (plans := self._plans(f, asked)):
                named.append(NamedFacet("plan", TITLES["plan"], plans, f.sampled))
        return [facet for facet in named if facet.options]

    def _plans(self, applications: Facet, asked: Asked) -> list[Option]:
        """Of one version: its plans, by the calls of the applications that are counted; else those that were asked for."""
        said, counts, labels = asked.many["plan"], Counter[str](), dict[str, str]()
        version = version_by_name(asked.many["api"][0]) if len(asked.many["api"]) == 1 else None
        if version is not None:
            having = plans_of_clients(version.id, {key for key, _ in applications.counts})
            for key, count in applications.counts:
                if plan := having.get(key):
                    counts[plan.name] += count
                    labels[plan.name] = plan.title
        shown = [Option(name, labels[name], count, name in said) for name, count in counts.most_common()]
        return shown + [Option(name, name, 0, True) for name in said if name not in counts]

    def _options(self, facet: Facet, asked: Asked) -> list[Option]:
        said = asked.many[facet.name]
        called = {key: self._called(facet.name, key) for key, _ in facet.counts}
        options, met = [], set()
        for key, count in facet.counts:
            value, label = called[key]
            if not value:
                continue
            # a filter may name it in another way (the API without its version), and stays as it was said
            other = {value, str(key), label, value.partition("@")[0]}
            chosen = next((s for s in said if s in other), None)
            met.add(chosen)
            options.append(Option(chosen or value, label, count, chosen is not None))
        if facet.name == "status":
            options.sort(key=lambda o: o.value)
        return options + [Option(s, s, 0, True) for s in said if s not in met]

    def _called(self, name: str, key: Any) -> tuple[str, str]:
        """What a key is in the address, and on the page; empty for what nobody should choose."""
        if name == "status":
            return (f"{key}xx",) * 2 if 1 <= key <= 5 else ("", "")
        if name == "api":
            version = self.versions.get(key)
            return (version.label, version.name) if version else ("", "")
        if name == "application":
            return key, self.applications[key].name if key in self.applications else key
        if name == "node":
            return (self.nodes[key],) * 2 if key in self.nodes else (str(key), f"node {key}")
        if name == "reason":
            return (key, explain.meaning(key).rstrip(".") or key) if key != "via_upstream" else ("", "")
        return key, key


def named_rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return Names(rows).of_rows()


MOST_REMEMBERED = 10_000


class NamesOfMany:
    """What keys of records are called, for files of many pages: nothing of the session is held between them."""

    def __init__(self) -> None:
        self.nodes: dict[int, str] = {}
        self.versions: dict[int, str] = {}
        self.applications: dict[str, str] = {}

    def learn(self, rows: Collection[Any]) -> None:
        """Look up what `of` will be asked for; anybody can send ids of no application."""
        if len(self.applications) > MOST_REMEMBERED:
            self.applications = {}
        version_ids = {r.version_id for r in rows} - self.versions.keys()
        client_ids = {r.client_id for r in rows} - self.applications.keys()
        if not (version_ids or client_ids):
            return
        called = look_up(version_ids, client_ids - {""})
        self.nodes = called.nodes
        self.versions |= dict.fromkeys(version_ids, "") | {k: v.name for k, v in called.versions.items()}
        self.applications |= dict.fromkeys(client_ids, "") | {k: a.name for k, a in called.applications.items()}

    def of(self, r: Any) -> dict[str, Any]:
        return {
            "time": moment_of(r.id).isoformat(timespec="microseconds"),
            "api": self.versions[r.version_id],
            "application": self.applications[r.client_id],
            "node": self.nodes.get(r.node_id, ""),
            **{name: getattr(r, name) for name in COLUMNS},
        }
