"""Who must look before something is published: a reviewer where the team says so, and a second person where a change would
break somebody who calls."""

from __future__ import annotations

from ..accounts.models import Person
from ..errors import Refused
from .models import ApiVersion
from .reviews import approval_of, open_review
from .working import Working


def check_gate(version: ApiVersion, work: Working, *, by: Person) -> None:
    """`Refused` while a review is open, or one that is needed is missing."""
    team = version.api.team
    if open_review(version) is not None:
        raise Refused(f"{version.name} is in review. Wait for the decision, or take it back.")
    if team.review_required and approval_of(version, work.fingerprint, by_two=team.four_eyes) is None:
        raise Refused(f"{team.name} publishes what a reviewer has approved. Ask for a review of exactly this first.")
