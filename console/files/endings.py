"""How a version ends, or stops, as a file wants it: after its subscribers are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..apis.models import ApiVersion, State
from ..apis.sunset import deprecate_version, retire_version, undeprecate_version
from ..apis.switches import block_version, stop_version
from ..errors import Refused
from .plans import end_plans
from .reading import File, Pointer
from .versions import find, label
from .work import Work, differs

Said = dict[str, Any]


def end_version(work: Work, file: File, pointer: Pointer, said: Said, slug: str) -> None:
    version, about = find(slug, said["version"]), label(slug, said)
    if version is None or version.state == State.RETIRED:
        return
    end_plans(work, file, pointer, version, said.get("plans", []), about)
    with file.at(*pointer):
        if not version.is_unpublished and version.state != State.BLOCKED:
            _deprecation(work, file, version, said, about)
        _stop(work, version, said, about)


def _deprecation(work: Work, file: File, version: ApiVersion, said: Said, about: str) -> None:
    if "sunset_at" in said and said["state"] != State.PUBLISHED:
        _deprecate(work, version, said, about)
    elif said["state"] == State.DEPRECATED:
        raise Refused("Write when it ends, as `sunset_at: 2027-01-31T00:00:00Z`.", "state")
    elif said["state"] == State.PUBLISHED and version.state == State.DEPRECATED:
        undeprecate_version(version, said.get("reason") or f"{file.path.name} says so.", by=work.by)
        work.say(about, "take the deprecation back")


def _deprecate(work: Work, version: ApiVersion, said: Said, about: str) -> None:
    sunset_at = moment(said["sunset_at"], "sunset_at")
    successor = _successor(version, said.get("successor"))
    wanted = (sunset_at, successor.id if successor else None, said.get("note", ""))
    if (version.sunset_at, version.successor_id, version.deprecation_note) == wanted:
        return
    is_new, before = version.state == State.PUBLISHED, (version.sunset_at, version.successor, version.deprecation_note)
    deprecate_version(version, sunset_at=sunset_at, successor=successor, note=wanted[2], by=work.by)
    if is_new:
        work.say(about, f"deprecate, sunset {sunset_at:%d %B %Y}")
    names = (before[0], before[1].version if before[1] else "", before[2])
    after = (sunset_at, successor.version if successor else "", wanted[2])
    for name, old, new in list(zip(("sunset_at", "successor", "note"), names, after, strict=True))[is_new:]:
        if old != new:
            work.say(about, differs(name, old, new))


def moment(text: str, field: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{text[:40]} is no time. Write it as 2027-01-31T00:00:00Z.", field) from None


def _successor(version: ApiVersion, number: str | None) -> ApiVersion | None:
    if number is None:
        return None
    found = find(version.api.slug, number)
    if found is None:
        raise Refused(f"{version.api.name} has no version {number}.", "successor")
    return found


def _stop(work: Work, version: ApiVersion, said: Said, about: str) -> None:
    if said.get("stopped") and version.stopped_at is None and version.is_serving:
        stop_version(version, said["stopped"], by=work.by)
        work.say(about, f"switch off: {said['stopped']}")
    if said["state"] == State.BLOCKED and version.state != State.BLOCKED:
        block_version(version, said.get("reason", ""), by=work.by)
        work.say(about, f"block: {said['reason']}")
    if said["state"] == State.RETIRED:
        retire_version(version, by=work.by, reason=said.get("reason", ""))
        work.say(about, "retire, which cannot be undone")
