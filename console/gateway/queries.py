"""Nodes, by credential for themselves and by name for people."""

from __future__ import annotations

from sqlalchemy import select

from ..credentials.secrets import NODE_CREDENTIAL, digest, well_formed
from ..db import db
from ..errors import NotFound
from ..runtime import remembered
from .models import Node


def nodes(size: int = 200) -> list[Node]:
    """Those that serve APIs."""
    return [node for node in all_nodes(size) if node.serves]


def all_nodes(size: int = 200) -> list[Node]:
    """Those that only push logs, too."""
    return list(db.session.scalars(select(Node).where(Node.removed_at.is_(None)).order_by(Node.name).limit(size)))


def find_node(node_id: int) -> Node:
    node = db.session.get(Node, node_id)
    if node is None or node.removed_at is not None:
        raise NotFound("There is no such node.")
    return node


def node_by_credential(credential: str, *, serving: bool = False) -> int | None:
    """The number of the node whose credential this is; ``serving``: of those that serve APIs only."""
    if not well_formed(credential, NODE_CREDENTIAL):
        return None
    kept = digest(credential)
    query = select(Node.id, Node.serves).where(Node.digest == kept, Node.removed_at.is_(None))
    found = remembered(("node", kept), lambda: db.session.execute(query).first())
    return found.id if found and (found.serves or not serving) else None


def node_names() -> dict[int, str]:
    return {row.id: row.name for row in db.session.execute(select(Node.id, Node.name).limit(1000))}
