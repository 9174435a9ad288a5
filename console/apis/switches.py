"""What stops and starts the traffic of a version: the emergency stop, the switch beside the states, the mock."""

from __future__ import annotations

from ..accounts.models import Person
from ..audit.actions import record
from ..audit.models import Action
from ..catalog.indexing import index_version
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .models import ApiVersion, State
from .states import Move, check_move


def block_version(version: ApiVersion, reason: str, *, by: Person) -> None:
    """The emergency stop: callers get 503 with the reason, no token is issued, the catalog says so."""
    _lock(version)
    check_move(version, Move.BLOCK)
    if not reason.strip():
        raise Refused("Say why: callers read it.", "reason")
    before = version.state
    version.state_before_block, version.state = before, State.BLOCKED
    version.blocked_at, version.block_reason = now(), reason.strip()[:500]
    version.generation = changed()
    record(Action.VERSION_BLOCKED, version, by=by, changes={"state": [before, State.BLOCKED], "reason": reason[:500]})
    index_version(version)


def unblock_version(version: ApiVersion, *, by: Person) -> None:
    """Back to what it was before; a sunset that came meanwhile is then carried out."""
    _lock(version)
    check_move(version, Move.UNBLOCK)
    version.state = State(version.state_before_block or State.PUBLISHED)
    version.blocked_at, version.block_reason, version.state_before_block = None, "", ""
    version.generation = changed()
    record(Action.VERSION_UNBLOCKED, version, by=by, changes={"state": [State.BLOCKED, version.state]})
    index_version(version)


def stop_version(version: ApiVersion, reason: str, *, by: Person) -> None:
    """Switch it off at the gateways, as for maintenance. What the catalog shows stays, and tokens are issued."""
    _lock(version)
    check_move(version, Move.STOP)
    if version.stopped_at is not None:
        raise Refused(f"{version.name} is switched off already.")
    if not reason.strip():
        raise Refused("Say why: callers read it.", "reason")
    version.stopped_at, version.stop_reason = now(), reason.strip()[:500]
    version.generation = changed()
    record(Action.VERSION_STOPPED, version, by=by, changes={"reason": reason[:500]})


def start_version(version: ApiVersion, *, by: Person) -> None:
    _lock(version)
    check_move(version, Move.START)
    if version.stopped_at is None:
        raise Refused(f"{version.name} is switched on already.")
    version.stopped_at, version.stop_reason = None, ""
    version.generation = changed()
    record(Action.VERSION_STARTED, version, by=by)


def mock_version(version: ApiVersion, mocked: bool, *, by: Person) -> None:
    """While it is not published: the gateways answer from the examples of its document, so that consumers can start."""
    _lock(version)
    if not version.is_unpublished:
        raise Refused(f"{version.name} was published; its backend answers. A mock is for drafts.")
    if mocked and not version.gateway_path:
        raise Refused("Choose a path at the gateway first, and save the draft.", "gateway_path")
    if version.mocked != mocked:
        version.mocked = mocked
        changed()
        record(Action.VERSION_MOCKED, version, by=by, changes={"mocked": [not mocked, mocked]})


def _lock(version: ApiVersion) -> None:
    serialise(f"version {version.id}")
    db.session.refresh(version)
