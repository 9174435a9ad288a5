"""What publishing would change, before it does: the document in words, what was chosen, plans, and who is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..applications.plans import snapshot
from ..logs.usage import Callers, OperationUsage, callers, operation_usage
from ..web.filters import figure, plural
from .choices import Choices
from .diff import Comparison, Severity, compare
from .models import Accepts, ApiVersion, Dpop
from .revisions import last_plans
from .working import Working, working

DAYS = 30  # of traffic that a breaking change is weighed by
LABELS = {
    "backend_url": "Backend address",
    "gateway_path": "Path at the gateway",
    "accepts": "Who may call",
    "token_lifetime_s": "Tokens live, in seconds",
    "signing_alg": "Signature",
    "encryption_alg": "Encryption of the key",
    "encryption_curve": "Curve",
    "content_alg": "Encryption of the content",
    "key_source": "Whose encryption key",
    "dpop": "DPoP-bound tokens",
    "log_bodies": "Bodies in the request log",
    "log_body_bytes": "Bytes of each body",
}


@dataclass(frozen=True)
class Chosen:
    """One choice that differs."""

    name: str
    before: str
    after: str
    breaks: str = ""  # whom, in a sentence; empty: nobody

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True)
class Proposal:
    """``comparison``: with the revision that is served; empty for a version that was never published."""

    comparison: Comparison
    chosen: list[Chosen]
    plans: list[str] = field(default_factory=list)
    broken: Callers = field(default_factory=lambda: Callers([]))  # who called what breaks
    usage: dict[tuple[str, str], OperationUsage] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.comparison or self.chosen or self.plans)

    @property
    def is_breaking(self) -> bool:
        return self.comparison.count(Severity.BREAKING) > 0 or any(one.breaks for one in self.chosen)

    @property
    def needs_two(self) -> bool:
        """It would break somebody who called in the last `DAYS` days."""
        return self.is_breaking and self.broken.requests > 0

    @property
    def who_breaks(self) -> str:
        """``breaks 14 callers, 1.2 M calls in 30 days; …``; empty where nothing that changes is breaking."""
        if not self.is_breaking:
            return ""
        if not self.needs_two:
            return f"breaks what nobody called in {DAYS} days"
        calls = f"{plural(self.broken.count, 'caller')}, {figure(self.broken.requests)} calls in {DAYS} days"
        return f"breaks {calls}; needs another person's sign-off"


def propose(version: ApiVersion, work: Working | None = None) -> Proposal:
    work = work or working(version)
    if not version.revision:
        return Proposal(Comparison(), [])
    comparison = compare(version.document, work.document) if work.document != version.document else Comparison()
    chosen = differences(Choices.of(version), work.choices)
    proposal = Proposal(comparison, chosen, changed_plans(version))
    if not proposal.is_breaking:
        return proposal
    everything = comparison.breaks_everything or any(one.breaks for one in chosen)
    broken = callers(version.id, None if everything else comparison.breaking_operations, DAYS)
    return Proposal(comparison, chosen, proposal.plans, broken, operation_usage(version.id, DAYS))


def differences(before: Choices, after: Choices) -> list[Chosen]:
    return [
        Chosen(name, _said(old), _said(new), _breaks(name, old, new))
        for name, (old, new) in before.steps_to(after).items()
    ]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _breaks(name: str, before: Any, after: Any) -> str:
    if name == "gateway_path":
        return "Whoever calls the path before gets 404."
    if name == "accepts":
        gone = [a for a in before if a not in after and a != Accepts.OPEN]
        if Accepts.OPEN in before:
            return "Whoever calls without a credential gets 401."
        return (
            f"Whoever sends one of these is refused: {', '.join(gone)}." if gone and Accepts.OPEN not in after else ""
        )
    if name == "dpop" and after == Dpop.REQUIRED:
        return "Tokens that are not bound to a key are refused."
    if name == "dpop" and after == Dpop.OFF:
        return "Tokens that are bound to a key are refused."
    return ""


def changed_plans(version: ApiVersion) -> list[str]:
    """The names of plans that are not as the served revision kept them; they are in force already."""
    before = {plan["name"]: plan for plan in last_plans(version)}
    now_ = {plan["name"]: plan for plan in snapshot(version.id)}
    return [name for name in now_ | before if now_.get(name) != before.get(name)]
