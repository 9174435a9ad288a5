"""Gateway nodes and what each of them last said."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Model, now

SILENT_AFTER = timedelta(seconds=60)


class NodeState(StrEnum):
    """Of the newest configuration sent: what the node said."""

    PENDING = "pending"
    APPLIED = "applied"
    REJECTED = "rejected"


class Node(Model):
    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    serves: Mapped[bool] = mapped_column(default=True)  # else it only pushes logs
    state: Mapped[NodeState] = mapped_column(String(10), default=NodeState.PENDING)
    software: Mapped[str] = mapped_column(String(80), default="")
    enrolled_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    applied_generation: Mapped[int] = mapped_column(default=0)
    refused_generation: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    removed_at: Mapped[datetime | None]

    @property
    def is_silent(self) -> bool:
        return self.seen_at is None or now() - self.seen_at > SILENT_AFTER

    def state_of(self, generation: int) -> NodeState:
        """Whether this node serves what was published as ``generation``."""
        if self.applied_generation >= generation:
            return NodeState.APPLIED
        return NodeState.REJECTED if self.refused_generation >= generation else NodeState.PENDING


class ExhaustedQuota(Model):
    """A client that has made all calls of its quota, until then; found anew every few seconds (see `quotas`)."""

    __tablename__ = "exhausted_quota"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id", ondelete="CASCADE"), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    refilled_at: Mapped[datetime]
