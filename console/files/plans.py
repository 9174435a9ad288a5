"""Plans as a file wants them: terms and being offered first, their end after the subscriptions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..apis.models import ApiVersion
from ..applications.models import Plan, PlanState
from ..applications.plans import (
    Terms,
    change_plan,
    close_plan,
    create_plan,
    deprecate_plan,
    plans_of,
    publish_plan,
)
from ..errors import Refused
from .reading import File, Pointer
from .work import Work, differs

Said = dict[str, Any]
OFFERED = (PlanState.PUBLISHED, PlanState.DEPRECATED)


def settle_plans(work: Work, file: File, pointer: Pointer, version: ApiVersion, wanted: list[Said], about: str) -> None:
    there = {plan.name: plan for plan in plans_of(version.id)}
    for index, said in enumerate(wanted):
        with file.at(*pointer, "plans", index):
            _settle(work, version, there.get(said["name"]), said, about)


def _settle(work: Work, version: ApiVersion, plan: Plan | None, said: Said, about: str) -> None:
    given = {k: v for k, v in said.items() if k not in ("name", "state")}
    if plan is None:
        plan = create_plan(version, said["name"], Terms(**given), by=work.by)
        work.say(about, f"plan {plan.name}: create")
    else:
        _change(work, plan, given, about)
    state = said.get("state", PlanState.PUBLISHED)
    _check_way(plan, state)
    if state == PlanState.PUBLISHED != plan.state or (
        state == PlanState.DEPRECATED and plan.state == PlanState.STAGING
    ):
        publish_plan(plan, by=work.by)
        work.say(about, f"plan {plan.name}: publish")


def _change(work: Work, plan: Plan, given: Said, about: str) -> None:
    before = asdict(Terms.of(plan))
    changes = {k: v for k, v in given.items() if before[k] != v}
    if changes:
        change_plan(plan, Terms(**before | given), by=work.by)
        for name, value in changes.items():
            work.say(about, differs(f"plan {plan.name}: {name}", before[name], value))


def _check_way(plan: Plan, state: str) -> None:
    if plan.state == PlanState.CLOSED != state:
        raise Refused(f"The plan {plan.title} is closed, and stays so. Write `state: closed`.", "state")
    if state == PlanState.STAGING != plan.state:
        raise Refused(f"The plan {plan.title} is {plan.state} and not in staging again. Write that.", "state")


def end_plans(work: Work, file: File, pointer: Pointer, version: ApiVersion, wanted: list[Said], about: str) -> None:
    there = {plan.name: plan for plan in plans_of(version.id)}
    for index, said in enumerate(wanted):
        plan, state = there.get(said["name"]), said.get("state")
        if plan is None or plan.state == state:
            continue
        with file.at(*pointer, "plans", index):
            if state == PlanState.DEPRECATED:
                deprecate_plan(plan, by=work.by)
                work.say(about, f"plan {plan.name}: deprecate")
            elif state == PlanState.CLOSED:
                ended = close_plan(plan, by=work.by)
                work.say(about, f"plan {plan.name}: close" + (f", which ends {ended} subscriptions" if ended else ""))
