"""What can happen to gateway nodes: enrolment, what they report, removal."""

from __future__ import annotations

from sqlalchemy import select

from ..accounts.actions import use_link
from ..accounts.models import Person, Purpose
from ..audit.actions import record
from ..audit.models import Action
from ..credentials.secrets import NODE_CREDENTIAL, mint
from ..db import db, now
from ..errors import Refused
from ..runtime import changed
from .models import Node, NodeState


def enrol_with_code(code: str, software: str, serves: bool = True) -> tuple[Node, str]:
    """The node that the code was made for, and its credential, which is shown once."""
    link = use_link(code, Purpose.ENROLMENT)
    return enrol_node(link.name, software=software, serves=serves)


def enrol_node(name: str, *, software: str = "", serves: bool = True, by: Person | None = None) -> tuple[Node, str]:
    """A node by that name, with a new credential; an existing one's old credential ends."""
    minted = mint(NODE_CREDENTIAL)
    node = db.session.scalars(select(Node).where(Node.name == name)).first() or Node(name=name)
    node.digest, node.software, node.serves = minted.digest, software[:80], serves
    node.removed_at, node.enrolled_at = None, now()
    db.session.add(node)
    db.session.flush()
    changed()
    record(Action.NODE_ENROLLED, node, by=by)
    return node, minted.text


def report(node: Node, *, generation: int, accepted: bool, error: str, software: str) -> None:
    """What the node says of the configuration it was sent. No audit entry: it changes nothing that people decided."""
    node.seen_at = node.reported_at = now()
    node.software = software[:80] or node.software
    if accepted:
        node.state, node.error = NodeState.APPLIED, ""
        node.applied_generation = max(node.applied_generation, generation)
    else:
        node.state, node.error, node.refused_generation = NodeState.REJECTED, error[:4000], generation


def note_seen(node: Node) -> None:
    node.seen_at = now()


def remove_node(node: Node, *, by: Person) -> None:
    """Its credential ends now. It keeps serving what it has until it is switched off."""
    if node.removed_at is not None:
        raise Refused(f"{node.name} was removed already.")
    node.removed_at = now()
    changed()
    record(Action.NODE_REMOVED, node, by=by)
