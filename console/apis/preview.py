"""What publishing would change, in words: for whoever looks before she publishes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select

from ..applications.models import OPEN_STATES, Subscription
from ..applications.plans import snapshot
from ..db import db
from ..errors import Refused
from ..gateway.queries import nodes
from . import openapi
from .choices import Choices
from .diff import Comparison, compare
from .models import ApiVersion
from .proposal import DAYS, Proposal, propose
from .publishing import check_publishable, to_publish
from .revisions import last_plans
from .working import Working

Steps = dict[str, list[Any]]  # name to [before, after]


@dataclass(frozen=True)
class Breaks:
    """Who called what breaks, in the last ``days`` days. ``callers``: all without an application are one of them."""

    callers: int
    applications: int
    calls: int
    days: int = DAYS


@dataclass(frozen=True)
class Preview:
    """``refusal``: why it would not be published; empty when it would. ``who_breaks``: as `Proposal.who_breaks`."""

    revision: int
    document: list[str]
    choices: Steps
    plans: list[str]
    subscribers: int
    nodes: int
    breaks: Breaks
    who_breaks: str
    needs_two: bool
    refusal: str


def preview(version: ApiVersion, choices: Choices | None = None) -> Preview:
    """Of what `publish_version` would do; changes nothing."""
    work = to_publish(version, choices)
    proposal = propose(version, work)
    broken = proposal.broken
    return Preview(
        revision=version.revision + 1,
        document=_document(version, work, proposal),
        choices=_choices(version, work.choices),
        plans=plan_steps(last_plans(version), snapshot(version.id)),
        subscribers=_subscribers(version),
        nodes=len(nodes()),
        breaks=Breaks(broken.count, broken.applications, broken.requests),
        who_breaks=proposal.who_breaks,
        needs_two=proposal.needs_two,
        refusal=_refusal(version, work, proposal),
    )


def _document(version: ApiVersion, work: Working, proposal: Proposal) -> list[str]:
    return told(proposal.comparison, version.document if version.revision else {}, work.document)


def _choices(version: ApiVersion, after: Choices) -> Steps:
    if version.revision:
        return Choices.of(version).steps_to(after)
    return {name: [None, value] for name, value in asdict(after).items()}


def _refusal(version: ApiVersion, work: Working, proposal: Proposal) -> str:
    try:
        check_publishable(version, work, proposal)
    except Refused as refused:
        return refused.message
    is_same = version.is_serving and not proposal and work.document == version.document
    return "Nothing is different from what is being served." if is_same else ""


def _subscribers(version: ApiVersion) -> int:
    query = select(func.count()).select_from(Subscription).where(Subscription.version_id == version.id)
    return db.session.scalar(query.where(Subscription.state.in_(OPEN_STATES))) or 0


def document_steps(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return told(compare(before, after) if before and before != after else Comparison(), before, after)


def told(comparison: Comparison, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Of a version that was never served which operations come; else what changes, the breaking first."""
    if not before:
        return [f"adds {name}" for name in _operations(after)]
    words = [f"{change.severity}: {change.text}" for change in comparison.changes]
    if comparison.more:
        words.append(f"and {comparison.more:,} more changes")
    return words if words or before == after else _reworded(before, after)


def _reworded(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Where nothing changed for callers: descriptions, examples, names of parts."""
    old = _operations(before)
    found = [f"rewords {name}" for name, body in _operations(after).items() if old.get(name) != body]
    return found or ["rewords what is not an operation"]


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    return {f"{o.method.upper()} {o.path}": o.body for o in openapi.operations(document)}


def plan_steps(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Of plans as `snapshot` keeps them."""
    old = {plan["name"]: plan for plan in before}
    words = []
    for plan in after:
        was = old.get(plan["name"])
        if was is None:
            words.append(f"adds the plan {plan['name']}")
        else:
            words += [f"{plan['name']}: {k} {was.get(k)} -> {v}" for k, v in plan.items() if was.get(k) != v]
    return words
