"""Who must look before something is published: a reviewer where the team says so, and a second person where a change would
break somebody who calls."""

from __future__ import annotations

from ..errors import Refused
from .models import ApiVersion
from .proposal import DAYS, Proposal, propose
from .reviews import Standing, standing
from .working import Working


def check_gate(version: ApiVersion, work: Working, proposal: Proposal | None = None) -> None:
    """`Refused` while a review is open, or one that is needed is missing."""
    reviewed = standing(version, work.fingerprint)
    if reviewed.open is None and reviewed.signed_off is not None:
        return  # another person has seen exactly this
    if why := obstacle(version, propose(version, work) if proposal is None else proposal, reviewed):
        raise Refused(why)


def obstacle(version: ApiVersion, proposal: Proposal, reviewed: Standing) -> str:
    """Why this may not be published now, and what to do about it; empty when it may."""
    team = version.api.team
    if reviewed.open is not None:
        return f"{version.name} is in review. Wait for the decision, or take it back."
    if team.review_required and (reviewed.signed_off if team.four_eyes else reviewed.approved) is None:
        return f"{team.name} publishes what a reviewer has approved. Ask for a review of exactly this first."
    if proposal.needs_two and reviewed.signed_off is None:
        who = f"{proposal.broken.count:,} caller{'s' if proposal.broken.count != 1 else ''}"
        return (
            f"It would break {who}, with {proposal.broken.requests:,} calls in the last {DAYS} days. "
            "Ask for a review: another person has to sign it off. Or publish it as a new version."
        )
    return ""
