"""From which pairs of schemas differences are to be reached through references, and by which shortest way.

Where everything refers to everything, looking from each place anew would take the square of the components. Here each pair is
visited once for each difference that is behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Key = tuple[int, int, Any]  # ids of the old schema and of the new, and the way
MOST_WAYS = 2_000_000  # of one comparison, in some seconds and 300 MB


class Edge(NamedTuple):
    key: Key
    path: str
    old: Any
    new: Any


class Unit(NamedTuple):
    """What two schemas differ in themselves, and the references in them that may lead to differences."""

    found: list[Any]
    edges: list[Edge]
    way: Any


class Step(NamedTuple):
    distance: int
    path: str
    following: Key  # itself at distance 0


class Graph:
    def __init__(self, unit: Callable[[Edge], Unit]) -> None:
        self._unit = unit
        self._units: dict[Key, Unit] = {}
        self._steps: dict[Key, dict[Key, Step]] = {}  # from each pair to each with something found, nearest first
        self._ways = 0
        self.incomplete = False

    def reached(self, root: Edge) -> Iterator[tuple[list[str], Unit]]:
        """The paths on the way, and what was found at its end."""
        if root.key not in self._steps:
            self._explore(root)
        for target in self._steps[root.key]:
            paths, here = [], root.key
            while here != target:
                step = self._steps[here][target]
                paths.append(step.path)
                here = step.following
            yield paths, self._units[target]

    def _explore(self, root: Edge) -> None:
        """Breadth first, backwards from what was found. What was explored before is complete: it never leads back here."""
        batch = self._discover(root)
        users: dict[Key, list[tuple[Key, str]]] = defaultdict(list)
        waiting: dict[int, list[tuple[Key, Key, Step]]] = defaultdict(list)
        waiting[0] = [(key, key, Step(0, "", key)) for key, unit in batch.items() if unit.found]
        for user, unit in batch.items():
            for edge in unit.edges:
                if edge.key in batch:
                    users[edge.key].append((user, edge.path))
                    continue
                for target, known in self._steps[edge.key].items():
                    waiting[known.distance + 1].append((user, target, Step(known.distance + 1, edge.path, edge.key)))
        self._steps |= {key: {} for key in batch}
        while waiting:
            distance = min(waiting)
            for here, target, step in waiting.pop(distance):
                if target in self._steps[here] or not self._may_go_on():
                    continue
                self._steps[here][target] = step
                for user, path in users[here]:
                    waiting[distance + 1].append((user, target, Step(distance + 1, path, here)))

    def _discover(self, root: Edge) -> dict[Key, Unit]:
        batch: dict[Key, Unit] = {}
        stack = [root]
        while stack:
            edge = stack.pop()
            if edge.key not in batch and edge.key not in self._steps:
                batch[edge.key] = self._units[edge.key] = self._unit(edge)
                stack += reversed(batch[edge.key].edges)
        return batch

    def _may_go_on(self) -> bool:
        self._ways += 1
        self.incomplete |= self._ways > MOST_WAYS
        return self._ways <= MOST_WAYS
