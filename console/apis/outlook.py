"""What a version's own page tells of what is to come: what would break whom, and the calls until its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..applications.models import Application
from ..applications.queries import by_client_ids
from ..logs import usage
from ..logs.usage import CallsOfDay, OperationUsage
from ..web.stacks import Layer, Stack
from .diff import Severity, compare
from .diff.changes import Change
from .models import ApiVersion, State
from .proposal import DAYS
from .working import working

OTHERS, NOBODY = "Others", "Without an application"
MOST_OPERATIONS = 200  # of larger documents the page of changes alone compares: this one has to be there at once
MOST_CHANGES = 4


@dataclass(frozen=True)
class Breaking:
    """What breaks whoever calls: with the next revision, or with the version that replaces this one."""

    until: str  # as in "Breaking changes to ..."
    count: int
    biggest: list[Change]  # most calls first, at most `MOST_CHANGES`
    usage: dict[tuple[str, str], OperationUsage]

    def calls(self, change: Change) -> OperationUsage | None:
        return self.usage.get((change.method, change.path))

    @property
    def most(self) -> int:
        return max((called.requests for change in self.biggest if (called := self.calls(change))), default=0)


def breaking_ahead(version: ApiVersion) -> Breaking | None:
    """None: nothing that breaks is planned, or the documents are too large to compare here."""
    successor = version.successor if version.state == State.DEPRECATED else None
    if not version.is_serving or version.operations > MOST_OPERATIONS:
        return None
    if version.draft is not None:
        until, document = f"revision {version.revision + 1}", working(version).document
    elif successor is not None and successor.operations <= MOST_OPERATIONS:
        until, document = successor.version, successor.document
    else:
        return None
    breaking = [
        change for change in compare(version.document, document).changes if change.severity == Severity.BREAKING
    ]
    if not breaking:
        return None
    found = usage.operation_usage(version.id, DAYS)
    ranked = sorted(breaking, key=lambda change: -_requests(found, change))
    return Breaking(until, len(breaking), ranked[:MOST_CHANGES], found)


def _requests(found: Mapping[tuple[str, str], OperationUsage], change: Change) -> int:
    called = found.get((change.method, change.path))
    return called.requests if called else 0


def calls_until_the_end(version: ApiVersion) -> Stack | None:
    """Of a version that is deprecated, by day and application."""
    if version.state != State.DEPRECATED:
        return None
    found = usage.burn_down(version.id, DAYS)
    return stack_of(version, found, DAYS, by_client_ids({one.client_id for one in found if one.client_id}))


def stack_of(version: ApiVersion, found: list[CallsOfDay], days: int, known: Mapping[str, Application]) -> Stack:
    """The burn-down as a chart: applications in their order, all others grey."""
    first = usage.first_day(days)
    counts: dict[str | None, list[int]] = {}
    for one in found:
        counts.setdefault(one.client_id, [0] * days)[(one.day - first).days] = one.requests
    others = counts.pop(None, [])
    ranked = sorted(counts.items(), key=lambda item: -sum(item[1]))
    layers = [Layer(name_of(client or "", known), n, f"a{place}") for place, (client, n) in enumerate(ranked, 1)]
    layers += [Layer(OTHERS, others, "a6")] if others else []
    end = version.sunset_at.date() if version.sunset_at and version.state == State.DEPRECATED else None
    return Stack(layers, first, days, end)


def name_of(client_id: str, known: Mapping[str, Application]) -> str:
    return known[client_id].name if client_id in known else client_id or NOBODY
